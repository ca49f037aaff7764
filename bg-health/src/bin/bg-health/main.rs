//! `bg-health` waits until the slot is fit to serve, watches whether it stays so, and says why when it is not.

#![forbid(unsafe_code)]

mod args;
mod check;
mod health;
mod preflight;
mod report;
mod wait;
mod watch;

use args::Args;
use bg_probe::cli::command_line;
use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run(|args: Args| health::run(&args))
}
