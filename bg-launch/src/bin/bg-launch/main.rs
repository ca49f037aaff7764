//! `bg-launch` puts a release into a slot and starts it.

#![deny(unsafe_code)]

mod args;
mod boot_unit;
mod current;
mod later;
mod launch;
mod manner;
mod memory;
mod occupant;
mod order;
mod preflight;
mod release;
mod revive;
mod start;
mod stop;
mod turn;

use args::Args;
use bg_probe::cli::command_line::{self, Program};
use std::process::ExitCode;

fn main() -> ExitCode {
    match (start::hold::held(), start::exec::command()) {
        (Some(held), _) => start::hold::run(&held),
        (None, Some(spelled)) => start::exec::run(&spelled, Args::NAME),
        (None, None) => command_line::run(|args: Args| {
            let (settings, voice) = (args.settings.clone(), args.voice);
            args.order().run(&settings, voice)
        }),
    }
}
