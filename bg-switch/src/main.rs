//! `bg-switch` moves nginx to a slot and proves it.

#![forbid(unsafe_code)]

mod args;
mod check;
mod convert;
mod dump;
mod error_log;
mod explain;
mod link;
mod nginx;
mod passage;
mod proof;
mod reload;
mod selinux;
mod site;
mod subject;
mod switch;
mod workers;

use bg_probe::exit::report;
use bg_probe::settings;
use std::process::ExitCode;

fn main() -> ExitCode {
    report("bg-switch", settings::parse().and_then(|args| switch::run(&args)))
}
