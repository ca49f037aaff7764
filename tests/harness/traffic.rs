//! Visitors: a stream of requests in the background, each on a fresh connection, all counted.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::mem;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::http::{self, Response};

/// Between two requests: some hundred a second, which leaves the machine to what is tested.
const PACE: Duration = Duration::from_millis(2);
const KEPT_FAILURES: usize = 10;

/// A stream of requests that goes on until it is stopped.
#[derive(Debug)]
pub struct Traffic {
    counts: Arc<Mutex<Counts>>,
    stop: Sender<()>,
    visitor: JoinHandle<()>,
}

/// What the visitors met.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests answered with 2xx.
    pub ok: u64,
    /// All others.
    pub failed: u64,
    /// The first failures: when, and what was answered instead.
    pub first_failures: Vec<String>,
    /// How often each body came with a 2xx.
    pub answers: BTreeMap<String, u64>,
}

impl Traffic {
    /// Starts to GET the URL.
    #[must_use]
    pub fn start(url: &str) -> Self {
        let (stop, stopped) = mpsc::channel();
        let counts = Arc::<Mutex<Counts>>::default();
        let (url, shared) = (url.to_owned(), counts.clone());
        let visitor = thread::spawn(move || {
            let start = Instant::now();
            while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                let answer = http::get(&url);
                lock(&shared).add(answer, start.elapsed());
            }
        });
        Self { counts, stop, visitor }
    }

    /// How many requests were answered or failed so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        let counts = lock(&self.counts);
        counts.ok + counts.failed
    }

    /// Ends the stream and says what it met.
    #[track_caller]
    #[must_use]
    pub fn stop(self) -> Counts {
        drop(self.stop);
        self.visitor.join().expect("a visitor that does not panic");
        mem::take(&mut lock(&self.counts))
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counts {
    fn add(&mut self, answer: io::Result<Response>, after: Duration) {
        let failure = match answer {
            Ok(response) if (200..300).contains(&response.status) => {
                self.ok += 1;
                *self.answers.entry(response.body).or_default() += 1;
                return;
            }
            Ok(response) => response.status.to_string(),
            Err(error) => error.to_string(),
        };
        self.failed += 1;
        if self.first_failures.len() < KEPT_FAILURES {
            self.first_failures.push(format!("{:.3} s: {failure}", after.as_secs_f64()));
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} requests, {} failed", self.ok + self.failed, self.failed)?;
        for (answer, count) in &self.answers {
            write!(out, "\n  {count} x {}", answer.trim_end())?;
        }
        for failure in &self.first_failures {
            write!(out, "\n  failed at {failure}")?;
        }
        Ok(())
    }
}
