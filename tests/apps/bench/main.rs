//! `bench`: what the programs cost and what they save, against the two published shell scripts, other
//! proxies, and the plainest program for the same step. One run, one table.
//!
//! Each row is a file of its own that builds its own world, warms up, lets the contestants take turns, and
//! gives back [`Figure`]s: every sample of one contestant. What is printed of them is the median and the
//! spread; `--json` has the samples. All of it stays on 127.0.0.0/8 and ends what it started.
#![forbid(unsafe_code)]

mod args;
mod cost;
mod deploy;
mod deployer;
mod figure;
mod json;
mod load;
mod lost;
mod machine;
mod memory;
mod moves;
mod notice;
mod others;
mod picture;
mod place;
mod proxies;
mod stale;
mod svg;
mod table;
mod target;
mod throughput;
mod visitors;
mod watch;
mod websocket;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use args::{Args, Row};
use clap::Parser as _;
use figure::Figure;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    let machine = machine::describe();
    println!("{}", machine.join("\n"));
    let mut figures: Vec<Figure> = Vec::new();
    for row in args.rows() {
        eprintln!("bench: {}", row.name());
        let measured = measure(row, args);
        println!("\n{}", table::figures(row, &measured));
        figures.extend(measured);
    }
    println!("\n{}", table::side_by_side("what visitors notice", notice::COLUMNS, notice::lines(&figures)));
    let targets = target::measured(&figures);
    println!("\n{}", table::targets(&targets));
    if let Some(file) = &args.json {
        write(file, &json::text(&machine, args.quick, &figures, &targets))?;
    }
    if let Some(file) = &args.svg {
        eprintln!("bench: picture");
        write(file, &svg::draw(&picture::take()))?;
    }
    Ok(())
}

fn measure(row: Row, args: &Args) -> Vec<Figure> {
    match row {
        Row::Deploy => deploy::measure(args.times(3, 1)),
        Row::Lost => lost::measure(args.times(100, 25)),
        Row::Throughput => throughput::measure(args.times(5, 2), args.times(4, 1)),
        Row::Switch => moves::measure(args.times(20, 6)),
        Row::Cost => cost::measure(args.times(400, 100)),
        Row::Stale => stale::measure(args.times(50, 10)),
        Row::Visitors => visitors::measure(args.times(5, 1)),
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    fs::write(file, text).map_err(|error| io::Error::new(error.kind(), format!("write {}: {error}", file.display())))
}
