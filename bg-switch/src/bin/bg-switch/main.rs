//! `bg-switch` moves nginx to a slot and proves it.

#![forbid(unsafe_code)]

mod after;
mod args;
mod assets;
mod attend;
mod backing;
mod closing;
mod door;
mod drain;
mod extras;
mod form;
mod kinds;
mod linger;
mod means;
mod nginx;
mod order;
mod own;
mod page;
mod preflight;
mod preview;
mod print;
mod proof;
mod quiet;
mod reach;
mod ready;
mod setup;
mod switch;
mod target;
mod watched;

use args::Args;
use bg_probe::cli::command_line;
use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run(|args: Args| {
        let (order, means) = args.order()?;
        order.run(&means)
    })
}
