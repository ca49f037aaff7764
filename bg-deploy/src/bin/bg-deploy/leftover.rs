//! What a deploy that failed has left: a release that was launched and does not serve, and what becomes of it.

use crate::outcome::{End, Failure, Step};
use crate::run::Runner;
use crate::stage::Name;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::record::Record;
use bg_probe::say;
use bg_probe::site::closed::is_closed;
use bg_probe::site::family;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use serde_json::Value;

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
    /// It runs on, for nginx was not seen to have taken its share of the visitors back.
    Unseen,
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
        return match Now::ask(runner, record) {
            Now::Serves(now) if now.live.as_ref() == Some(&record.slot) => Leftover::Live,
            _ => Leftover::Healthy,
        };
    }
    if end.is_taken_back_unseen {
        return Leftover::Unseen;
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

/// What bg-probe finds out of what nginx serves at this moment.
pub(crate) enum Now {
    /// nginx was seen to serve as this record has it.
    Serves(Box<Record>),
    /// It is set to serve this slot, and was not seen to: what the front answered in place of a slot's name.
    IsSet(Slot, String),
    /// Nobody can tell; bg-probe has printed why.
    Unknown,
}

impl Now {
    /// Asks bg-probe.
    pub(crate) fn ask(runner: &Runner, record: &Record) -> Now {
        // A record for the slot that nginx is set to serve is minted also where no switch could be seen.
        let site = &record.site;
        let set = Upstream::read(&site.upstream_file).ok().and_then(|upstream| upstream.points_at(site));
        let stage = runner.calls.quiet(Name::Probe, [format!("--slot={}", set.as_ref().unwrap_or(&record.slot))]);
        let printed = runner.run_undisturbed(&stage, "").output;
        let Ok(now) = Record::parse(printed.as_bytes()) else { return Now::Unknown };
        let probe = now.get::<Value>("probe").ok().flatten().unwrap_or_default();
        // What stands in was seen, and a closed site answers no visitor, whatever its front says.
        let is_seen = probe["stand_in"].is_string() || is_closed(&now.site.dir);
        match (&now.live, probe["front_said"].as_str().filter(|_| !is_seen)) {
            (Some(live), Some(said)) => Now::IsSet(live.clone(), say::clean(said)),
            _ => Now::Serves(Box::new(now)),
        }
    }
}

/// The live slot, where what was launched listens on its port and so is sent a share of its visitors.
fn shared_port(record: &Record) -> Option<&Slot> {
    let live = record.live_beside()?;
    let launched = Launched::of(&record.site.dir, &record.slot.name).ok()??;
    live.is_held_by(&family::members(&launched).ok()?).ok()?.then_some(live)
}
