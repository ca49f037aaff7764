//! How fast the front is asked: nginx may have a limit (`limit_req`), and what we ask counts against the visitors.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// The time between two questions, in the long run: some 20 a second.
const EVERY: Duration = Duration::from_millis(50);

/// How many may come as fast as they can after a rest: two proofs.
const AT_ONCE: u32 = 10;

/// How long to wait after a refusal, and after each further one.
const BACK_OFF: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(200)];

/// When the next question may be asked.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the questions so far would have been asked at the even pace.
    even: Cell<Option<Instant>>,
    /// Until when a refusal has us wait.
    quiet_until: Cell<Option<Instant>>,
    /// The refusals in a row.
    refusals: Cell<usize>,
}

impl Pace {
    /// How long the next question has to wait at `now`.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let even = self.even.get().map(|even| even.saturating_duration_since(now)).unwrap_or_default();
        let quiet = self.quiet_until.get().map(|until| until.saturating_duration_since(now)).unwrap_or_default();
        even.saturating_sub(EVERY * (AT_ONCE - 1)).max(quiet)
    }

    /// A question is asked.
    pub(super) fn asked(&self, now: Instant) {
        let even = self.even.get().map_or(now, |even| even.max(now));
        self.even.set(Some(even + EVERY));
    }

    /// It was refused, or it was not.
    pub(super) fn answered(&self, refused: bool, now: Instant) {
        let refusals = self.refusals.get();
        self.quiet_until.set(refused.then(|| now + BACK_OFF[refusals.min(BACK_OFF.len() - 1)]));
        self.refusals.set(if refused { refusals + 1 } else { 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of so many questions is asked, in milliseconds, where each is answered like this.
    fn asked_at(questions: usize, refused: bool) -> Vec<u128> {
        let (pace, began) = (Pace::default(), Instant::now());
        let mut now = began;
        let mut times = Vec::new();
        for _ in 0..questions {
            now += pace.wait(now);
            pace.asked(now);
            pace.answered(refused, now);
            times.push((now - began).as_millis());
        }
        times
    }

    #[test]
    fn ten_are_asked_at_once_and_then_twenty_a_second() {
        let times = asked_at(31, false);
        assert_eq!((times[9], times[10], times[11], times[30]), (0, 50, 100, 1050));
    }

    #[test]
    fn after_refusals_ever_longer_is_waited() {
        assert_eq!(asked_at(6, true), [0, 50, 150, 350, 550, 750]);
    }
}
