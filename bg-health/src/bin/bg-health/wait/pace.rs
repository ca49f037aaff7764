//! The pace of a wait: how long it takes at most, and how soon the application is asked again.

use bg_health::verdict::Kind;
use std::time::Duration;

/// Between two successes.
const SOON: Duration = Duration::from_millis(5);

/// From one look at the port to the next while nothing listens: a connection that is refused costs next to nothing.
const KNOCK: Duration = Duration::from_millis(2);

/// How much longer than such a look the pause after it is, at the least: a busy machine's time is not ours.
const REST: u32 = 20;

/// From one check to the next while the application answers and is busy with its start, and while nothing listens.
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
            (None, Kind::Healthy) => SOON,
            (None, _) => LATER,
        }
    }

    /// Whether the port is looked at between a check with this answer and the next, which comes early if something listens.
    pub(crate) fn knocks_after(&self, answer: &Kind) -> bool {
        self.interval.is_none() && *answer == Kind::Silent
    }

    /// The pause before the next look at the port, where the last one took so long.
    pub(crate) fn after_a_knock(took: Duration) -> Duration {
        KNOCK.max(took.saturating_mul(REST)).min(LATER)
    }
}
