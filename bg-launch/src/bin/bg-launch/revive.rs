//! `--live`: the release of each slot that serves runs, after a reboot or a crash too.
//!
//! It is for cron and for systemd at boot, so it prints only where it has done something, or where somebody has to.

use crate::companion;
use crate::current::{Current, is_foreign, runs_already};
use crate::manner::Manner;
use crate::occupant::{Occupant, held};
use crate::start::protect;
use crate::turn;
use anyhow::Result;
use bg_probe::cli::forgotten;
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::front::{Answer, Front};
use bg_probe::live::verdict;
use bg_probe::live::witnesses::By;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::site::advice::Advice;
use bg_probe::site::lock::{self, Wait};
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// Starts the live slot's release again, unless it runs; and that of the other one, while that has a share of the visitors. A deploy that is under way is left alone.
///
/// # Errors
/// [`Exit::Unsure`] when nothing tells which slot is live; those of a launch.
pub(crate) fn run(site: &Site, wait: Wait, manner: &Manner, voice: Voice) -> Result<()> {
    site.dir.ensure_own()?;
    if site.dir.is_missing() {
        nothing_held(site, voice);
        return Ok(());
    }
    // Cron calls again in a minute: nobody is waited for here, not even who says how long it takes.
    if wait.within.is_zero()
        && let Some(holder) = lock::held_by(&site.dir)
    {
        voice.detail(&format!("another deploy runs: {holder}"));
        return Ok(());
    }
    let _lock = match turn::take(site, wait, voice) {
        Err(why) if Exit::of(&why) == Exit::Locked => {
            voice.detail(&format!("{why:#}"));
            return Ok(());
        }
        lock => lock?,
    };
    if site.slots.both().iter().all(|slot| site.dir.release(&slot.name).is_none()) {
        nothing_held(site, voice);
        return Ok(());
    }
    let live = live_slot(site, voice)?;
    let beside = Some(site.slots.other(&live.name).clone()).filter(|other| has_share(site, other));
    let serving = std::iter::once(live.clone()).chain(beside);
    let serve = serving.into_iter().try_for_each(|slot| ensure_runs(site, slot, manner, voice));
    let companion = companion::ensure(site, &live, manner, voice);
    if let Ok(Some(launch)) = companion.as_ref().map(|launch| launch.as_ref().filter(|launch| launch.was_running)) {
        voice.detail(&format!("the companion runs already as pid {}", launch.process.pid));
    }
    serve.and(companion.map(drop))
}

fn nothing_held(site: &Site, voice: Voice) {
    voice.detail("no slot holds a release yet");
    forgotten::warn_of_nothing(site, voice);
}

fn ensure_runs(site: &Site, slot: Slot, manner: &Manner, voice: Voice) -> Result<()> {
    match Current::of(site, &slot, true)? {
        Current::Runs { last, launch } => {
            voice.detail(&runs_already(&launch, &slot));
            // A switch to it may have been cut short.
            protect(&last, &slot, voice);
        }
        Current::Foreign => ensure_no_stranger(site, &slot, voice)?,
        Current::Down(down) => {
            drop(down.start(&Record::new(site.clone(), slot.clone(), Some(slot)), None, manner, voice)?);
        }
    }
    Ok(())
}

/// Whether nginx is set to send some of the visitors to a slot.
fn has_share(site: &Site, slot: &Slot) -> bool {
    Upstream::read(&site.upstream_file).is_ok_and(|upstream| upstream.has_share(site, slot))
}

/// Refuses a live slot whose release can't run because a stranger has its port. What bg-launch has started there, and what was
/// there before anything was ever deployed into the slot, is left as it is.
fn ensure_no_stranger(site: &Site, slot: &Slot, voice: Voice) -> Result<()> {
    let looked = Occupant::of(site, slot, false, false);
    let (Some(release), Err(_)) = (site.dir.release(&slot.name), looked) else {
        voice.detail(&is_foreign(slot));
        return Ok(());
    };
    let holders = slot.holders()?;
    let held = held(slot, &holders);
    let remedy = match holders.first() {
        Some(pid) => {
            let again = Advice::call(site, "bg-launch", &["--live"]);
            format!("if it is not meant to serve: kill {pid}; then: {again}")
        }
        None => format!("find it: sudo ss -ltnp 'sport = :{}'", slot.port),
    };
    let what =
        format!("{held}, which bg-launch did not start, so release {release} does not run there. Nothing was touched");
    Err(Exit::Unsure.refuse(what, remedy))
}

/// The live slot. Where nothing listens none is, and then it is the one that nginx is set to serve.
fn live_slot(site: &Site, voice: Voice) -> Result<Slot> {
    let verdict = verdict::live(site, By::Both, FRONT_WITHIN)?;
    if verdict.stand_in.is_some()
        && let Some(words) = &verdict.warning
    {
        voice.warn(words);
    }
    if let Some(live) = verdict.live {
        return Ok(live);
    }
    if let Some(front) = Front::of(site)?
        && let Answer::Slot(named) = front.ask(FRONT_WITHIN)
    {
        return Ok(named);
    }
    let upstream = Upstream::read(&site.upstream_file).or_exit(Exit::Unsure)?;
    // A file that no switch could move is what has to be mended first.
    upstream.ensure_movable(site)?;
    upstream.points_at(site).ok_or_else(|| {
        let file = site.upstream_file.display();
        let held = site.slots.both().iter().filter(|slot| site.dir.release(&slot.name).is_some());
        let start = |slot: &Slot| Advice::launch(site, &["--slot", slot.name.as_str(), "--current"]).to_string();
        let starts: Vec<String> = held.map(start).collect();
        Exit::Unsure.refuse(
            format!("no slot is live, and {file} points at neither: nothing tells which one to start"),
            format!("start the right one, and point nginx at it: {}", starts.join("; or: ")),
        )
    })
}
