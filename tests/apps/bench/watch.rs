//! Watching from outside for the moment in which an answer changes, each time on a fresh connection.

use std::thread;
use std::time::{Duration, Instant};

use bg_tests::http;

/// Between two looks for what takes milliseconds: what a time measured here may be too long by.
pub(crate) const CLOSELY: Duration = Duration::from_micros(300);
/// For what takes seconds: looking must not take the time of those who work.
pub(crate) const CALMLY: Duration = Duration::from_millis(2);

/// When the URL first answered 200 with exactly this text.
pub(crate) fn first(url: &str, text: &str, pace: Duration, within: Duration) -> Instant {
    let deadline = Instant::now() + within;
    loop {
        if answers(url, text) {
            return Instant::now();
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {url} answers {text}");
        thread::sleep(pace);
    }
}

/// Whether the URL answers 200 with exactly this text.
pub(crate) fn answers(url: &str, text: &str) -> bool {
    http::get(url).is_ok_and(|response| response.status == 200 && response.body == text)
}
