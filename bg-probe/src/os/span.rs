//! A span of time, as people write one.

use anyhow::{Context, Result};
use std::fmt::{self, Display};
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

/// A span of time as flags and variables have it: `500ms`, `30s`, `1h 30m`, or a bare number of seconds, as `timeout(1)` and
/// `sleep(1)` take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(Duration);

impl FromStr for Span {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Span> {
        let seconds = text.parse().map(Duration::from_secs);
        let span = seconds.or_else(|_| humantime::parse_duration(text));
        span.map(Span).ok().context("a duration is written as 500ms, 30s, 2m, or a bare number of seconds")
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Deref for Span {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Duration> for Span {
    fn from(time: Duration) -> Span {
        Span(time)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        span.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_unit_or_is_in_seconds() {
        let read = |text: &str| text.parse::<Span>().ok().map(Duration::from);
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("1h 30m", 5_400_000), ("60", 60_000), ("0", 0)] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", " ", "soon", "-5", "1.5", "5 5", "s", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
