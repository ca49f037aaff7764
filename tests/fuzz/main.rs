//! `fuzz CORPUS`: feeds every parser with inputs made from those in CORPUS, and says how many it took.
//!
//! A program of its own, so that it can bound its own memory and may die: of a stack that is full, or of an
//! allocation that is refused. With the same seed it dies again at the same input, and `--last` keeps that.
#![forbid(unsafe_code)]

mod feed;
mod mutate;
mod server;
mod targets;

use clap::Parser;
use feed::Feeder;
use nix::sys::resource::{Resource, setrlimit};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What the parsers may take in all, corpus included. Their inputs are 100 KiB at most.
const MEMORY: u64 = 256 * 1024 * 1024;

/// How long one parser is fed before it is the next one's turn.
const TURN: Duration = Duration::from_millis(100);

/// Feed broken input to everything that parses
#[derive(Parser)]
struct Args {
    /// A folder of inputs for each parser
    corpus: PathBuf,
    /// Where the inputs come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long to go on, all parsers together
    #[arg(long, default_value = "10s")]
    time: humantime::Duration,
    /// How many inputs there are to be at the least, all parsers together
    #[arg(long, default_value_t = 0)]
    executions: u64,
    /// Only this parser
    #[arg(long)]
    only: Option<String>,
    /// Where to write each input before it is fed, and so the one that it dies of; slow
    #[arg(long)]
    last: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(errno) = setrlimit(Resource::RLIMIT_DATA, MEMORY, MEMORY) {
        eprintln!("fuzz: can't bound its memory: {errno}");
        return ExitCode::FAILURE;
    }
    // A panic is told once, by the feeder, with the input.
    std::panic::set_hook(Box::new(|_| {}));
    match run(&args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("fuzz: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Feeds the parsers in turn; how many of them took something badly.
fn run(args: &Args) -> io::Result<usize> {
    let wanted = |name: &str| args.only.as_deref().is_none_or(|only| only == name);
    let targets = targets::TARGETS.into_iter().filter(|(name, _)| wanted(name));
    let mut feeders: Vec<Feeder> = targets.map(|target| Feeder::new(target, args)).collect::<io::Result<_>>()?;
    let began = Instant::now();
    let fed = |feeders: &[Feeder]| feeders.iter().map(|feeder| feeder.executions).sum::<u64>();
    while feeders.iter().any(|feeder| !feeder.bad) && (began.elapsed() < *args.time || fed(&feeders) < args.executions)
    {
        for feeder in &mut feeders {
            feeder.feed(TURN);
        }
    }
    for feeder in &feeders {
        println!("{feeder}");
    }
    let bad = feeders.iter().filter(|feeder| feeder.bad).count();
    println!("fuzz: seed {}, {} executions, {bad} panics", args.seed, fed(&feeders));
    Ok(bad)
}
