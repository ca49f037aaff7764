//! `bg-health` waits until the slot is fit to serve, watches whether it stays so, and prints why when it is not.

#![forbid(unsafe_code)]

mod args;
mod check;
mod healthy;
mod inquiry;
mod once;
mod order;
mod preflight;
mod report;
mod subject;
mod visitors;
mod wait;
mod watch;

use anyhow::Result;
use args::Args;
use bg_probe::cli::command_line;
use order::Order;
use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run(|args: Args| args.order().and_then(carry_out))
}

/// Does what is asked for.
fn carry_out(order: Order) -> Result<()> {
    match order {
        Order::Preflight { site, expectation, limits, as_json, voice } => {
            preflight::run(&site, &expectation, limits, as_json, voice)
        }
        Order::Foresee { settings, expectation, limits, voice } => {
            preflight::foresee(&settings, &expectation, limits, voice)
        }
        Order::Once { subject, expectation } => once::run(&subject, &expectation),
        Order::Wait { subject, expectation, pace, warmup } => wait::run(&subject, &expectation, pace, &warmup),
        Order::Watch { subject, expectation, limits, within } => watch::run(&subject, &expectation, limits, within),
    }
}
