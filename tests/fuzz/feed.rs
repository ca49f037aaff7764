//! Feeding one parser: which inputs to begin with, which to keep, and what is bad.

use crate::Args;
use crate::mutate::{Dice, mutate};
use crate::targets::Target;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// So long no input of its size may take, on a machine that has other things to do.
const TOO_SLOW: Duration = Duration::from_secs(5);

/// How many inputs that found a new way are kept.
const MOST_KEPT: usize = 500;

/// How long one may be that is kept: what comes of a long one takes long, too.
const LONGEST_KEPT: usize = 4096;

/// What feeds one parser.
pub(crate) struct Feeder {
    target: Target,
    inputs: Vec<Vec<u8>>,
    /// How many of the inputs are still to be fed as they are.
    fresh: usize,
    ways: BTreeSet<String>,
    dice: Dice,
    last: Option<PathBuf>,
    slowest: Duration,
    /// How many inputs it was fed.
    pub(crate) executions: u64,
    /// Whether it panicked or took too long; it is fed no more then.
    pub(crate) bad: bool,
}

impl Feeder {
    /// Begins with the files of the parser's folder in the corpus.
    pub(crate) fn new(target: Target, args: &Args) -> io::Result<Feeder> {
        let folder = args.corpus.join(target.0);
        let entries = std::fs::read_dir(&folder).map_err(|e| io::Error::other(format!("{}: {e}", folder.display())))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        files.sort();
        let inputs = files.iter().map(std::fs::read).collect::<io::Result<Vec<_>>>()?;
        Ok(Feeder {
            target,
            fresh: inputs.len(),
            inputs,
            ways: BTreeSet::new(),
            dice: Dice::new(args.seed),
            last: args.last.clone(),
            slowest: Duration::ZERO,
            executions: 0,
            bad: false,
        })
    }

    /// Feeds it for a while, unless it is bad.
    pub(crate) fn feed(&mut self, turn: Duration) {
        let began = Instant::now();
        while !self.bad && began.elapsed() < turn {
            // A clock that is asked each time would be much of the work.
            for _ in 0..16 {
                let input = self.next();
                self.one(&input);
            }
        }
    }

    fn next(&mut self) -> Vec<u8> {
        if let Some(left) = self.fresh.checked_sub(1) {
            self.fresh = left;
            return self.inputs[left].clone();
        }
        let mut input = self.any().to_vec();
        let other = self.any().to_vec();
        mutate(&mut input, &other, &mut self.dice);
        input
    }

    fn any(&mut self) -> &[u8] {
        let at = self.dice.below(self.inputs.len());
        self.inputs.get(at).map_or(&[], Vec::as_slice)
    }

    fn one(&mut self, input: &[u8]) {
        if let Some(last) = &self.last {
            // If it can't be written, there is still the seed to go by.
            let _ = std::fs::write(last, input);
        }
        let (_, parser) = self.target;
        let began = Instant::now();
        let way = catch_unwind(AssertUnwindSafe(|| parser(input)));
        let took = began.elapsed();
        self.executions += 1;
        self.slowest = self.slowest.max(took);
        match way {
            Ok(way) if took < TOO_SLOW => self.keep(way, input),
            Ok(_) => self.say_bad(&format!("took {took:?}"), input),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                self.say_bad(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("panicked"), input);
            }
        }
    }

    fn keep(&mut self, way: String, input: &[u8]) {
        if input.len() <= LONGEST_KEPT && self.ways.len() < MOST_KEPT && self.ways.insert(way) {
            self.inputs.push(input.to_vec());
        }
    }

    fn say_bad(&mut self, why: &str, input: &[u8]) {
        self.bad = true;
        let shown = &input[..input.len().min(500)];
        eprintln!("fuzz: {}: {why}\n  input of {} bytes: {}", self.target.0, input.len(), shown.escape_ascii());
    }
}

impl Display for Feeder {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{:<10} {:>9} executions, {:>3} ways, slowest {:.1} ms",
            self.target.0,
            self.executions,
            self.ways.len(),
            self.slowest.as_secs_f64() * 1000.0
        )
    }
}
