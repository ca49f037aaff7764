//! `--linger`: those who were in the old slot stay there for a while after a switch, and a process that nobody waits for moves
//! them in the end.
//!
//! Until when stands in the name of the route, so nothing else need be kept; that the process is there is a lock of the
//! route's folder. Where it was killed, the next who holds the lock of the site ends the lingering.

use crate::means::Means;
use anyhow::Result;
use bg_probe::live::lingering::Lingering;
use bg_probe::os::detached;
use bg_probe::record::Record;
use bg_probe::site::lock::INHERITED;
use bg_probe::site::route::Route;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest that anybody stays: a clock can't add just any duration that can be typed.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How long those stay who were in the old slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linger {
    /// At the most.
    pub(crate) within: Duration,
    /// Or until none of them has come for so long.
    pub(crate) unless_idle: Duration,
}

impl Linger {
    /// The route by which they stay; `None` where nobody is seen to be in the other slot.
    pub(crate) fn route(self, site: &Site, from: Option<&Slot>, to: &Slot) -> Option<Route> {
        let other = site.slots.other(&to.name);
        let is_there = from == Some(other) || Lingering::of(site).is_some_and(|now| now.old == *other);
        if !is_there || !site.address.is_reachable(other) {
            return None;
        }
        let until = SystemTime::now().checked_add(self.within.min(LONGEST))?.duration_since(UNIX_EPOCH).ok()?;
        Some(Route::keeping(&site.slots, to, until.as_secs() + u64::from(until.subsec_nanos() > 0)))
    }
}

/// Has a process end the lingering that has begun, or says that an earlier one has ended.
///
/// # Errors
/// When nobody can be left to end it, and it can't be ended now.
pub(crate) fn settle(record: &Record, before: Option<&Lingering>, linger: Option<Linger>, means: &Means) -> Result<()> {
    if let Some(linger) = linger {
        return leave(record, linger, means);
    }
    if let Some(before) = before {
        means.voice.done("switch", &what_became(record, before), None);
    }
    Ok(())
}

/// What became of those who stayed, now that the lingering has ended.
fn what_became(record: &Record, before: &Lingering) -> String {
    let (site, old) = (&record.site, &before.old);
    match Route::of(&site.dir, &site.slots).filter(Route::is_shared) {
        // A share knows of numbers alone.
        Some(now) => format!(
            "who stayed with {old} goes by the share as everybody does: {} of a hundred are in {old}, the others were moved",
            now.share_of(old)
        ),
        None if *old == record.slot => format!("who stayed with {old} is there still, and so is everybody now"),
        None => before.ended(),
    }
}

/// Leaves a process behind that will end the lingering, and does not wait for it; where that can't be, it ends now.
fn leave(record: &Record, linger: Linger, means: &Means) -> Result<()> {
    let voice = means.voice;
    let Some(lingering) = Lingering::of(&record.site) else {
        voice.done("switch", "nobody was in the other slot who could stay there", None);
        return Ok(());
    };
    let idle = humantime::format_duration(linger.unless_idle);
    match start(record, linger, means) {
        Ok(()) => {
            let words = format!("{lingering}, or until none of them has come for {idle}");
            voice.done("switch", &words, None);
        }
        Err(why) => {
            lingering.end(&record.site)?;
            voice.warn(&format!("{}, for no process could be left to do so later: {why:#}", lingering.ended()));
        }
    }
    Ok(())
}

fn start(record: &Record, linger: Linger, means: &Means) -> Result<()> {
    let mut command = Command::new("/proc/self/exe");
    let time = |flag: &str, time: Duration| format!("--{flag}={}", humantime::format_duration(time));
    command.arg0("bg-switch").arg("--attend").arg(time("linger", linger.within));
    command.arg(time("linger-idle", linger.unless_idle));
    command.args(means.quiet.words());
    if means.voice.verbose {
        command.arg("--verbose");
    }
    for name in [INHERITED, "BG_SWITCH_TO", "BG_SWITCH_LINGER_IDLE"] {
        command.env_remove(name);
    }
    detached::leave(command, &record.to_line()?, &record.site.dir.linger_log())
}
