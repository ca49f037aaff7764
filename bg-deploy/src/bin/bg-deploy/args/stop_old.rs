//! `--stop-old`: when the release that nginx has moved away from is stopped.

use anyhow::{Result, bail};
use bg_probe::os::span::Span;
use std::str::FromStr;
use std::time::Duration;

/// How long after the switch the old release is stopped; `None` where the next deploy does it, which needs its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopOld(pub(crate) Option<Duration>);

impl FromStr for StopOld {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<StopOld> {
        Ok(StopOld(match (text, text.strip_prefix("after=")) {
            ("never", _) => None,
            ("now", _) => Some(Duration::ZERO),
            (_, Some(time)) => Some(time.parse::<Span>()?.into()),
            _ => bail!("expected never, now or a time as in after=5m"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_old_is_never_now_or_a_time_after() {
        let after = |text: &str| text.parse::<StopOld>().unwrap().0.map(|time| time.as_secs());
        let read = ["never", "now", "after=5m", "after=1h 30m", "after=300"].map(after);
        assert_eq!(read, [None, Some(0), Some(300), Some(5400), Some(300)]);
        for text in ["", "5m", "after", "after=", "after=x", "Never"] {
            assert!(text.parse::<StopOld>().is_err(), "{text}");
        }
    }
}
