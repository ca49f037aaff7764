//! `--stop-old`: what becomes of the release that nginx has moved away from.

use crate::run::Runner;
use crate::stage::Name;
use anyhow::{Result, bail};
use bg_probe::record::Record;
use bg_probe::site::launched::Launched;
use std::time::Duration;

/// Has bg-launch stop what ran in the slot that was live when this deploy began, and does not wait for it.
///
/// # Errors
/// When the record or `process.json` can't be read, or bg-launch would not.
pub(crate) fn old(runner: &Runner, line: &str, after: Duration) -> Result<()> {
    let record = Record::parse(line.as_bytes())?;
    let Some(old) = record.live_beside().cloned() else { return Ok(()) };
    let launched = Launched::of(&record.site.dir, &old.name)?;
    let Some(launched) = launched.filter(|launched| launched.running().is_some()) else { return Ok(()) };
    let mut its = Record::new(record.site, old, Some(record.slot));
    its.set("launch", &launched)?;
    let words = ["--stop".to_owned(), format!("--after={}", humantime::format_duration(after))];
    if runner.run_undisturbed(&runner.calls.stage(Name::Launch, words), &its.to_line()?).code != 0 {
        bail!("see the message of bg-launch above");
    }
    Ok(())
}
