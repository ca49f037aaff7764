//! `--stop-old`: when the release that nginx has moved away from is stopped.

use anyhow::{Result, bail};
use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

/// When the old release is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopOld {
    /// By the next deploy, which needs its slot.
    Never,
    /// This long after the switch.
    After(Duration),
}

impl StopOld {
    /// How long after the switch; `None` for never.
    pub(crate) fn after(self) -> Option<Duration> {
        match self {
            StopOld::Never => None,
            StopOld::After(time) => Some(time),
        }
    }
}

impl FromStr for StopOld {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<StopOld> {
        match (text, text.strip_prefix("after=")) {
            ("never", _) => Ok(StopOld::Never),
            ("now", _) => Ok(StopOld::After(Duration::ZERO)),
            (_, Some(time)) => Ok(StopOld::After(humantime::parse_duration(time)?)),
            _ => bail!("expected never, now or a time as in after=5m"),
        }
    }
}

impl Display for StopOld {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            StopOld::Never => f.write_str("never"),
            StopOld::After(Duration::ZERO) => f.write_str("now"),
            StopOld::After(time) => write!(f, "after={}", humantime::format_duration(*time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_writes_and_nothing_else() {
        for text in ["never", "now", "after=5m", "after=1h 30m"] {
            assert_eq!(text.parse::<StopOld>().unwrap().to_string(), text);
        }
        for text in ["", "5m", "after", "after=", "after=x", "Never"] {
            assert!(text.parse::<StopOld>().is_err(), "{text}");
        }
    }
}
