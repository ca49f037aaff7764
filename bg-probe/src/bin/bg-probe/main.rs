//! `bg-probe` finds out which slot is live and which one this run is for, and mints the record of that.

#![forbid(unsafe_code)]

mod args;
mod history;
mod if_live;
mod metrics;
mod order;
mod preflight;
mod probe;
mod table;
mod watch;

use args::Args;
use bg_probe::cli::command_line;
use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run(|args: Args| probe::run(args.site()?, args.voice, args.order()))
}
