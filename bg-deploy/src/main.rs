//! `bg-deploy` runs the four stages as one deploy.

#![forbid(unsafe_code)]

mod args;
mod audit;
mod check;
mod deploy;
mod ending;
mod env_file;
mod hooks;
mod interrupt;
mod ledger;
mod pipeline;
mod retire;
mod runner;
mod watch;
mod who;

use bg_probe::exit::report;
use bg_probe::settings;
use std::process::ExitCode;

fn main() -> ExitCode {
    match settings::parse().and_then(|args| deploy::run(&args)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => report("bg-deploy", Err(error)),
    }
}
