//! A moment until which something is waited for, and looking again and again until then.
//!
//! Nothing here sleeps a fixed time and hopes: a wait looks, pauses, and looks again. A duration may be longer than the
//! clock can add (`--wait 584542046090y`), and then it is a wait without an end.

use anyhow::Result;
use std::time::{Duration, Instant};

/// A moment until which something is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The moment that is this far from now.
    #[must_use]
    pub fn within(time: Duration) -> Deadline {
        Deadline(Instant::now().checked_add(time))
    }

    /// Whether it has come.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// How long it is until then; none once it has come.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Pauses that long, or until the deadline where it comes first; whether there was any time left to pause for.
    #[must_use]
    pub fn pause(self, time: Duration) -> bool {
        let left = self.left();
        std::thread::sleep(time.min(left));
        !left.is_zero()
    }

    /// Looks, with a pause of `every` from one look to the next, until something is seen: what was seen, or `None` where
    /// the deadline came first. The last look is not before the deadline.
    ///
    /// # Errors
    /// Those of `look`.
    pub fn poll<T>(self, every: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
        loop {
            let is_over = self.is_over();
            if let Some(seen) = look()? {
                return Ok(Some(seen));
            }
            if is_over {
                return Ok(None);
            }
            let _ = self.pause(every);
        }
    }

    /// The same for a question: whether the answer was yes before the deadline.
    ///
    /// # Errors
    /// Those of `ask`.
    pub fn wait(self, every: Duration, mut ask: impl FnMut() -> Result<bool>) -> Result<bool> {
        Ok(self.poll(every, || Ok(ask()?.then_some(())))?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_beyond_the_clock_is_a_wait_without_an_end() {
        let deadline = Deadline::within(Duration::MAX);
        assert!(!deadline.is_over() && deadline.left() == Duration::MAX);
    }

    #[test]
    fn poll_looks_once_without_any_time_and_once_more_when_the_time_is_up() {
        let mut looks = 0;
        let none = Deadline::within(Duration::ZERO).poll(Duration::from_secs(9), || {
            looks += 1;
            Ok(None::<()>)
        });
        assert_eq!((none.unwrap(), looks), (None, 1));
        looks = 0;
        let none = Deadline::within(Duration::from_millis(20)).poll(Duration::from_secs(9), || {
            looks += 1;
            Ok(None::<()>)
        });
        assert_eq!((none.unwrap(), looks), (None, 2), "no pause is longer than the time that is left");
    }

    #[test]
    fn poll_hands_on_what_is_seen() {
        let mut looks = 0;
        let seen = Deadline::within(Duration::from_secs(9)).poll(Duration::ZERO, || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(seen.unwrap(), Some(3));
    }
}
