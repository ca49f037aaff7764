//! `bg-health` waits until the slot is fit to serve, watches whether it stays so, and says why when it is not.

#![forbid(unsafe_code)]

mod args;
mod check;
mod health;
mod preflight;
mod report;
mod wait;
mod watch;

use bg_probe::cli::command_line;
use bg_probe::say::exit::report;
use std::process::ExitCode;

fn main() -> ExitCode {
    report("bg-health", command_line::parse().and_then(|args| health::run(&args)))
}
