//! `bg-launch` puts a release into a slot and starts it.

#![deny(unsafe_code)]

mod args;
mod artifact;
mod boot;
mod check;
mod detached;
mod exec;
mod ground;
mod hold;
mod later;
mod launch;
mod live;
mod memory;
mod prune;
mod release;
mod shelf;
mod start;
mod systemd;
mod template;
mod tenant;
mod user;
mod way;

use bg_probe::exit::report;
use bg_probe::settings;
use std::process::ExitCode;

fn main() -> ExitCode {
    match (hold::held(), exec::command()) {
        (Some(held), _) => hold::run(&held),
        (None, Some(spelled)) => exec::run(&spelled),
        (None, None) => report("bg-launch", settings::parse().and_then(|args| launch::run(&args))),
    }
}
