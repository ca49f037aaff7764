//! `--stop-old`: what becomes of the release that nginx has moved away from.

use crate::args::Args;
use crate::run::Runner;
use crate::stage::Stage;
use anyhow::{Result, bail};
use bg_probe::record::Record;
use bg_probe::site::launched::Launched;
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

/// Has bg-launch stop what ran in the slot that was live when this deploy began, and does not wait for it.
///
/// # Errors
/// When the record or `process.json` can't be read, or bg-launch would not.
pub(crate) fn old(args: &Args, runner: &Runner, line: &str, after: Duration) -> Result<()> {
    let record = Record::parse(line.as_bytes())?;
    let Some(old) = record.live.as_ref().filter(|live| **live != record.slot.name) else { return Ok(()) };
    let launched = Launched::of(&record.site.dir, old)?;
    let Some(launched) = launched.filter(|launched| launched.running().is_some()) else { return Ok(()) };
    let slot = record.site.slots.named(old.as_str())?.clone();
    let mut its = Record::new(record.site, slot, Some(record.slot.name));
    its.set("launch", &launched)?;
    let own = vec!["--stop".to_owned(), format!("--after={}", humantime::format_duration(after))];
    let ended = runner.run_undisturbed(&Stage::new("launch", args, own), &its.to_line()?);
    if ended.code != 0 {
        bail!("bg-launch says why");
    }
    Ok(())
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
