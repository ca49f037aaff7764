//! `bg-switch` moves nginx to a slot and proves it.

#![forbid(unsafe_code)]

mod args;
mod form;
mod nginx;
mod preflight;
mod print;
mod proof;
mod switch;
mod target;

use bg_probe::cli::command_line;
use bg_probe::say::exit::report;
use std::process::ExitCode;

fn main() -> ExitCode {
    report("bg-switch", command_line::parse().and_then(|args| switch::run(&args)))
}
