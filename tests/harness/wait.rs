//! Waiting: the one place in the tests that sleeps, and never longer than it must.

use std::thread;
use std::time::{Duration, Instant};

const PACE: Duration = Duration::from_millis(5);

/// Polls until the condition holds, and fails the test, naming `what`, if it never does.
#[track_caller]
pub fn until(deadline: Duration, what: &str, condition: impl FnMut() -> bool) {
    assert!(within(deadline, condition), "not within {deadline:?}: {what}");
}

/// Polls until the condition holds; false if it never does.
pub(crate) fn within(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(PACE);
    }
    true
}
