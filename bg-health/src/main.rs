//! `bg-health` waits until the slot is fit to serve, and says why when it never is.

#![forbid(unsafe_code)]

mod answers;
mod args;
mod bar;
mod cause;
mod check;
mod health;
mod listeners;
mod log;
mod preflight;
mod report;
mod warmup;

use bg_probe::exit::report;
use bg_probe::settings;
use std::process::ExitCode;

fn main() -> ExitCode {
    report("bg-health", settings::parse().and_then(|args| health::run(&args)))
}
