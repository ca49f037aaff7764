//! `bg-launch` puts a release into a slot and starts it.

#![deny(unsafe_code)]

mod args;
mod boot_unit;
mod later;
mod launch;
mod occupant;
mod preflight;
mod release;
mod revive;
mod start;

use args::Args;
use bg_probe::cli::command_line;
use std::process::ExitCode;

fn main() -> ExitCode {
    match (start::hold::held(), start::exec::command()) {
        (Some(held), _) => start::hold::run(&held),
        (None, Some(spelled)) => start::exec::run(&spelled),
        (None, None) => command_line::run(|args: Args| launch::run(&args)),
    }
}
