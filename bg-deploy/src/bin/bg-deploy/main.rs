//! `bg-deploy` runs the four stages as one deploy.

#![forbid(unsafe_code)]

mod advice;
mod args;
mod back;
mod chain;
mod companion;
mod compare;
mod deploy;
mod history;
mod jobs;
mod leftover;
mod messages;
mod nowhere;
mod order;
mod outcome;
mod preflight;
mod prepared;
mod ramp;
mod readable;
mod retire;
mod run;
mod serving;
mod stage;
mod watch;

use args::Args;
use bg_probe::cli::command_line;
use std::process::ExitCode;

fn main() -> ExitCode {
    match command_line::parse().and_then(Args::order).and_then(deploy::carry_out) {
        Ok(code) => ExitCode::from(code),
        Err(error) => command_line::ended::<Args>(Err(error)),
    }
}
