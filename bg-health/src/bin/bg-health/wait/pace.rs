//! The pace of a wait: how long it takes at most, and how soon the application is asked again.

use bg_health::verdict::Kind;
use std::time::Duration;

/// From one check to the next while nothing listens, which costs nothing, and between two successes.
const SOON: Duration = Duration::from_millis(20);

/// From one check to the next while the application answers and is busy with its start.
const LATER: Duration = Duration::from_millis(100);

/// How long to wait, and how often to ask.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// How long to wait in all.
    pub(crate) timeout: Duration,
    /// How many healthy answers in a row it takes, at least 1.
    pub(crate) successes: u32,
    /// From one check to the next, whatever was answered.
    pub(crate) interval: Option<Duration>,
}

impl Pace {
    /// From the start of a check with this answer to the start of the next.
    pub(crate) fn after(&self, answer: &Kind) -> Duration {
        match (self.interval, answer) {
            (Some(interval), _) => interval,
            (None, Kind::Silent | Kind::Healthy) => SOON,
            (None, _) => LATER,
        }
    }
}
