//! `bg-launch` puts a release into a slot and starts it.

#![deny(unsafe_code)]

mod args;
mod boot_unit;
mod changed;
mod companion;
mod current;
mod hooks;
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
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(held) = start::hold::held() {
        return start::hold::run(&held);
    }
    if let Some(spelled) = start::exec::command() {
        return start::exec::run(&spelled, Args::NAME);
    }
    if let Some(releases) = release::remains::folder() {
        return release::remains::run(Path::new(&releases));
    }
    command_line::run(|args: Args| {
        let (settings, voice) = (args.settings.clone(), args.voice);
        args.order().run(&settings, voice)
    })
}
