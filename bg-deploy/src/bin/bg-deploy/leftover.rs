//! What a deploy that failed has left: a release that was launched and does not serve, and what becomes of it.

use crate::outcome::{End, Failure, Step};
use crate::run::Runner;
use crate::stage::Name;
use anyhow::Result;
use bg_probe::record::Record;
use bg_probe::site::family;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// What became of a release that was launched and does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// It is healthy, and nginx would not move to it: when the cause of that is gone, one bg-switch is enough.
    Healthy,
    /// It is healthy, and nginx has moved to it all the same.
    Live,
    /// It was left running, as was asked for.
    Kept,
    /// It was stopped.
    Stopped,
    /// It was to be left running, and had ended by itself.
    Ended,
    /// It could not be stopped.
    Running,
}

/// What was launched last in each slot: what differs after a run was launched by it.
pub(crate) fn launched(site: &Site) -> [Option<Launched>; 2] {
    site.slots.both().each_ref().map(|slot| Launched::of(&site.dir, &slot.name).ok().flatten())
}

/// Stops what this run has launched, unless it was found healthy and is there still, or is to be kept.
pub(crate) fn tidy_up(runner: &Runner, end: &End, keep: bool) -> Leftover {
    let record = end.record();
    if let (Some(Failure { at: Step::Stage(Name::Switch) | Step::Share(_), .. }), Some(record)) = (end.failure, &record)
        && is_up(record)
    {
        // A bg-switch that was killed may have moved it; an nginx that is slow may still turn to it.
        let is_live = live(runner, record).is_ok_and(|live| live.as_ref() == Some(&record.slot));
        return if is_live { Leftover::Live } else { Leftover::Healthy };
    }
    if keep {
        match record.as_ref().and_then(shared_port) {
            None if record.as_ref().is_none_or(is_left) => return Leftover::Kept,
            None => return Leftover::Ended,
            Some(live) => runner.calls.voice.warn(&format!(
                "--keep-failed: the release shares the port of {live}, which is live, and is stopped all the same"
            )),
        }
    }
    let stop = runner.calls.quiet(Name::Launch, ["--stop".to_owned()]);
    // If it can't be stopped, bg-launch prints why.
    if runner.run_undisturbed(&stop, &end.line).code == 0 { Leftover::Stopped } else { Leftover::Running }
}

/// Whether anything of what was launched is there still, as far as can be known.
fn is_left(record: &Record) -> bool {
    // What has gone into the background is known by the port alone.
    if record.slot.listens() {
        return true;
    }
    let last = Launched::of(&record.site.dir, &record.slot.name);
    let is_there = |last: Launched| last.running().is_some() || family::is_there(&last).unwrap_or(true);
    last.map_or(true, |last| last.is_some_and(is_there))
}

/// Whether what was launched is still there to serve.
fn is_up(record: &Record) -> bool {
    Launched::runs_in(&record.site.dir, &record.slot.name).unwrap_or(false) && record.slot.listens()
}

/// The slot that nginx serves at this moment; `None` where it serves none.
///
/// # Errors
/// When nobody can tell; bg-probe has printed why.
pub(crate) fn live(runner: &Runner, record: &Record) -> Result<Option<Slot>> {
    let stage = runner.calls.quiet(Name::Probe, [format!("--slot={}", record.slot)]);
    Ok(Record::parse(runner.run_undisturbed(&stage, "").output.as_bytes())?.live)
}

/// The live slot, where what was launched listens on its port and so is sent a share of its visitors.
fn shared_port(record: &Record) -> Option<&Slot> {
    let live = record.live_beside()?;
    let launched = Launched::of(&record.site.dir, &record.slot.name).ok()??;
    live.is_held_by(&family::members(&launched).ok()?).ok()?.then_some(live)
}
