//! `--companion`: what the live release has running beside its application, once alone, follows nginx.
//!
//! The one of another release is stopped, and only then the right one is started, under the lock and by the same holder as an
//! application: so there are never two, whatever is killed, and the next command that comes by starts the one that lacks.

use crate::manner::Manner;
use crate::release::Release;
use crate::release::template::{Blanks, Template};
use crate::start;
use crate::start::plan::{Plan, Role};
use crate::start::surroundings::Surroundings;
use anyhow::Result;
use bg_launch::{Grace, Launch, is_there};
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::verdict;
use bg_probe::live::witnesses::By;
use bg_probe::os::replace;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::companion::is_due;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Name, Slot};
use serde_json::Value;

/// Has the companion of the record's slot run, and puts its facts into the record. Where nginx has given that slot but a share of the
/// visitors, the companion stays where most of them are.
///
/// # Errors
/// [`Exit::Unsure`] where the slot is not live; those of [`ensure`].
pub(crate) fn follow(record: &mut Record, manner: &Manner, voice: Voice) -> Result<()> {
    let verdict = verdict::live(&record.site, By::Both, FRONT_WITHIN)?;
    let switched = record.get::<Value>("switch")?;
    if verdict.shares.is_some() && switched.is_some_and(|switched| !switched["share"].is_null()) {
        voice.done("launch", "the companion stays where it is, for both slots have a share of the visitors", None);
        return Ok(());
    }
    let slot = &record.slot;
    if verdict.live.as_ref() != Some(slot) {
        let follow = Advice::launch(&record.site, &["--slot", "live", "--companion"]);
        return Err(Exit::Unsure.refuse(
            format!("{}: the companion is that of the live slot, and was left as it is", verdict.in_words()),
            format!("to have it follow nginx: {follow}"),
        ));
    }
    if let Some(launch) = ensure(&record.site, slot, manner, voice)? {
        if launch.was_running {
            let words =
                format!("the companion of release {} runs already as pid {}", launch.release, launch.process.pid);
            voice.done("launch", &words, None);
        }
        record.set("companion", &launch)?;
    } else {
        record.unset("companion");
    }
    Ok(())
}

/// Makes sure that the companion of this slot's release runs, and no other. `None` where the release has none.
///
/// # Errors
/// When the one that runs can't be stopped; when the right one can't be started, and what can be known of that is known before the
/// other is stopped.
pub(crate) fn ensure(site: &Site, slot: &Slot, manner: &Manner, voice: Voice) -> Result<Option<Launch>> {
    let (dir, place) = (&site.dir, place(slot));
    let last = Launched::of(dir, &place.name)?;
    let release = Release::in_slot(dir, &slot.name)?;
    let Some((release, template)) = release.as_ref().and_then(|release| Some((release, release.companion.as_ref()?)))
    else {
        return stop(site, manner.clearing.grace, voice).map(|_| None);
    };
    let is_right = |last: &&Launched| is_of(last, release, slot);
    if let Some((last, process)) = last.as_ref().filter(is_right).and_then(|last| Some((last, last.running()?))) {
        return Ok(Some(start::facts(last, process, Some(release), true)));
    }
    let of = Launched::of(dir, &slot.name)?;
    let (mode, surroundings) = &Surroundings::again(dir, &release.name, &slot.name, of.as_ref(), &manner.wish, voice)?;
    let command = &command(template, release, slot, surroundings)?;
    start::ensure_possible(mode, site, &place, last.as_ref())?;
    mode.make_folders(site, &place)?;
    stop(site, manner.clearing.grace, voice)?;
    let role = Role::Companion { of: slot };
    let plan = Plan { site, slot: &place, release, command, mode, surroundings, role };
    start::begin(&plan, manner.keep, voice).map(Some)
}

/// Whether what was started last as a companion is that of this release in this slot. The port tells which slot it was started
/// for: one release may be in both.
fn is_of(last: &Launched, release: &Release, slot: &Slot) -> bool {
    last.release == release.name && last.port == slot.port
}

/// What is not as [`ensure`] would have it of the live slot, and the command that has it so; `None` where nothing is. While both
/// slots have a share of the visitors, the companion of either is right.
///
/// # Errors
/// When it can't be read what was started, or what is live.
pub(crate) fn fault(site: &Site, live: &Slot, has_shares: bool) -> Result<Option<(String, String)>> {
    if !is_due(&site.dir, &live.name) {
        return Ok(None);
    }
    let last = Launched::of(&site.dir, &Name::companion())?;
    let Some(release) = Release::in_slot(&site.dir, &live.name)? else { return Ok(None) };
    let runs = last.as_ref().filter(|last| last.running().is_some());
    let is_right = |last: &Launched| has_shares || (release.companion.is_some() && is_of(last, &release, live));
    let its = format!("release {}, which is live in {live}", release.name);
    let (what, lead) = match runs {
        Some(last) if is_right(last) => return Ok(None),
        None if release.companion.is_none() => return Ok(None),
        Some(last) => {
            (format!("the companion of release {} runs, and not that of {its}", last.release), "have it follow nginx")
        }
        None => (format!("the companion of {its}, does not run"), "start it again"),
    };
    Ok(Some((what, format!("{lead}: {}", Advice::call(site, "bg-launch", &["--live"])))))
}

/// The command of a release's companion, filled in with the slot that it is started for.
///
/// # Errors
/// When the program is missing.
pub(crate) fn command(
    template: &Template,
    release: &Release,
    slot: &Slot,
    surroundings: &Surroundings,
) -> Result<Vec<String>> {
    let path = surroundings.path();
    template.fill(&Blanks { slot, release: &release.name, artifact: release.artifact.as_deref(), path })
}

/// Stops the companion, if one is there, and whatever it has left; whether one was.
///
/// # Errors
/// When it can't be stopped.
pub(crate) fn stop(site: &Site, grace: Grace, voice: Voice) -> Result<bool> {
    let name = Name::companion();
    let Some(last) = Launched::of(&site.dir, &name)? else { return Ok(false) };
    let was_there = is_there(&last)?;
    bg_launch::stop(&last, grace)?;
    // What is not there any more is not to be looked after.
    replace::remove(&site.dir.process(&name))?;
    if was_there {
        let words = format!("stopped the companion of release {}, pid {}", last.release, last.process.pid);
        voice.done("launch", &words, None);
    }
    Ok(was_there)
}

/// The place of the companion beside the slots; its port is that of the slot that it was started for.
fn place(slot: &Slot) -> Slot {
    Slot { name: Name::companion(), port: slot.port }
}
