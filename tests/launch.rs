//! A release is put into a slot and started there: what is refused, what is stopped, and what then runs.
//!
//! nginx's file points at set1 in all of these, and the launches are into set2, unless a test says otherwise.

/// What is deployed: files that can't run are refused while the old process still does.
mod artifact;
/// What the application is given, and what is kept from it.
mod child;
/// `--current`: what the slot holds is started again.
mod current;
/// A folder as artifact.
mod folder;
/// `kill -9` at every step leaves no process that nobody knows.
mod killed;
/// What a launch costs on a machine with many processes.
mod looks;
/// Who is in the slot: the live one and strangers are left alone.
mod occupant;
/// Releases and logs: what is kept, and what is cleared away.
mod releases;
/// Too little disk: old releases go first, and what does not fit is refused.
mod room;
/// Logs that logrotate cuts into pieces.
mod rotated;
/// `--release`: a release that is on disk is put into the slot again.
mod shelf;
/// The old process: drained, stopped, and known by more than its number.
mod stop;
/// The signal that asks an application to end.
mod stop_signal;

use std::time::Duration;

use bg_tests::{Ran, World, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// `bg-launch --slot set2` and these words, in which `fake-app` is a COMMAND.
fn launch(world: &World, words: &[&str]) -> Ran {
    world.run("bg-launch", &[&["--slot", "set2"], words].concat())
}

/// The same with fake-app as COMMAND; what the record says of the launch, once it listens.
#[track_caller]
fn launch_fake(world: &World, flags: &[&str]) -> Value {
    let facts = facts(&launch(world, &[&["--", "fake-app"], flags].concat()).success());
    until(SOON, "fake-app listens in set2", || world.listens("set2"));
    facts
}

/// What the record on stdout says of the launch.
#[track_caller]
fn facts(launched: &Ran) -> Value {
    launched.record()["launch"].clone()
}

#[track_caller]
fn pid(facts: &Value) -> u32 {
    facts["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid")
}

#[track_caller]
fn text<'a>(facts: &'a Value, key: &str) -> &'a str {
    facts[key].as_str().unwrap_or_else(|| panic!("no {key} in {facts}"))
}
