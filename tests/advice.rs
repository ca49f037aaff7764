//! Advice is a command that works. Each test breaks something, takes the command that is printed for that, gives it to a
//! shell as it stands, and sees the thing mended. It runs with the settings in variables, in a file, and typed, for half a
//! command would mean another application.

/// What bg-deploy says last, and what it would have had typed.
mod deploy;
/// What bg-health takes for the cause.
mod health;
/// What bg-launch refuses to touch.
mod launch;
/// Where nobody can tell which slot is live, and whose a folder is.
mod probe;
/// No message has half a command in it.
mod source;
/// What keeps nginx from moving.
mod switch;

use bg_tests::{Ran, World};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// A world in which `bg-deploy` alone deploys the fake application with these flags: then all that is typed can be shown.
fn deploying(world: World, flags: &str) -> World {
    world.env("BG_LAUNCH_COMMAND", &format!("fake-app {flags}"))
}

/// Runs the command behind these words.
#[track_caller]
fn follow(world: &World, ran: &Ran, words: &str) -> Ran {
    world.run_line(ran.advice(words))
}
