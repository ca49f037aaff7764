//! `bg-health` waits until the slot is fit to serve, and says why when it never is.

#![forbid(unsafe_code)]

mod args;
mod check;
mod preflight;
mod report;
mod wait;

use bg_probe::cli::command_line;
use bg_probe::say::exit::report;
use std::process::ExitCode;

fn main() -> ExitCode {
    report("bg-health", command_line::parse().and_then(|args| wait::run(&args)))
}
