//! What a deploy that failed has left: a release that was launched and does not serve, and what becomes of it.

use crate::args::Args;
use crate::outcome::End;
use crate::run::Runner;
use crate::stage::Stage;
use bg_probe::os::port;
use bg_probe::os::process::Stat;
use bg_probe::record::Record;
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
    /// It could not be stopped.
    Running,
}

/// Whether what was launched is still there to serve.
fn is_up(record: &Record) -> bool {
    Launched::runs_in(&record.site.dir, &record.slot.name).unwrap_or(false) && port::listens(record.slot.port)
}

/// The live slot, where what was launched listens on its port and so is sent a share of its visitors.
fn shared_port(record: &Record) -> Option<Slot> {
    let live = record.live_beside()?;
    let launched = Launched::of(&record.site.dir, &record.slot.name).ok()??;
    let sockets = live.listeners().ok()?;
    // A launch leads a session of its own, as a unit and without one.
    let is_its = |pid: &i32| Stat::of(*pid).is_some_and(|stat| stat.session == launched.pid);
    port::holders(&sockets).ok()?.iter().any(is_its).then(|| live.clone())
}

/// Whether nginx serves the slot of this deploy.
fn is_live(args: &Args, runner: &Runner, record: &Record) -> bool {
    let flags = ["--quiet", "--slot=live", "--format=name"].map(str::to_owned).into_iter();
    let Ok(settings) = args.settings.typed_flags() else { return false };
    let live = runner.run_undisturbed(&Stage::of("probe", flags.chain(settings)), "");
    live.output.trim() == record.slot.name.as_str()
}

/// What was launched last in each slot: what differs after a run was launched by it.
pub(crate) fn launched(site: &Site) -> [Option<Launched>; 2] {
    site.slots.both().each_ref().map(|slot| Launched::of(&site.dir, &slot.name).ok().flatten())
}

/// Stops what this run has launched, unless it was found healthy and is there still.
pub(crate) fn tidy_up(args: &Args, runner: &Runner, end: &End) -> Leftover {
    if end.failed == Some("switch")
        && let Ok(record) = Record::parse(end.record.as_bytes())
        && is_up(&record)
    {
        // A bg-switch that was killed may have moved it; an nginx that is slow may still turn to it.
        return if is_live(args, runner, &record) { Leftover::Live } else { Leftover::Healthy };
    }
    if args.keep_failed {
        match Record::parse(end.record.as_bytes()).ok().and_then(|record| shared_port(&record)) {
            None => return Leftover::Kept,
            Some(live) => args.voice.warn(&format!(
                "--keep-failed: it shares the port of {live}, which is live, and is stopped all the same"
            )),
        }
    }
    let stop = Stage::quiet("launch", args, vec!["--stop".to_owned()]);
    // If it can't be stopped, bg-launch says why.
    if runner.run_undisturbed(&stop, &end.record).code == 0 { Leftover::Stopped } else { Leftover::Running }
}
