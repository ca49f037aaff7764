//! `bg-launch` puts a release into a slot and starts it.

#![deny(unsafe_code)]

mod args;
mod artifact;
mod hold;
mod launch;
mod release;
mod start;
mod template;
mod tenant;

use bg_probe::exit::report;
use bg_probe::settings;
use std::process::ExitCode;

fn main() -> ExitCode {
    match hold::command() {
        Some(command) => hold::run(&command),
        None => report("bg-launch", settings::parse().and_then(|args| launch::run(&args))),
    }
}
