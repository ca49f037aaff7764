//! `--stop-old`: what becomes of the release that nginx has moved away from.

use crate::args::Args;
use crate::run::Runner;
use crate::stage::Stage;
use anyhow::{Result, bail};
use bg_probe::record::Record;
use bg_probe::site::launched::Launched;
use std::time::Duration;

/// Has bg-launch stop what ran in the slot that was live when this deploy began, and does not wait for it.
///
/// # Errors
/// When the record or `process.json` can't be read, or bg-launch would not.
pub(crate) fn old(args: &Args, runner: &Runner, line: &str, after: Duration) -> Result<()> {
    let record = Record::parse(line.as_bytes())?;
    let Some(old) = record.live_beside().cloned() else { return Ok(()) };
    let launched = Launched::of(&record.site.dir, &old.name)?;
    let Some(launched) = launched.filter(|launched| launched.running().is_some()) else { return Ok(()) };
    let mut its = Record::new(record.site, old, Some(record.slot));
    its.set("launch", &launched)?;
    let own = vec!["--stop".to_owned(), format!("--after={}", humantime::format_duration(after))];
    let ended = runner.run_undisturbed(&Stage::new("launch", args, own), &its.to_line()?);
    if ended.code != 0 {
        bail!("bg-launch says why");
    }
    Ok(())
}
