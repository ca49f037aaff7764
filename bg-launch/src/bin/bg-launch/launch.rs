//! Putting a release into a slot and starting it, in the order that keeps what may be serving alive: everything that
//! can be refused is refused before anything is stopped.

use crate::changed::Comparison;
use crate::companion;
use crate::current::runs_already;
use crate::hooks::Hook;
use crate::manner::Manner;
use crate::occupant::Occupant;
use crate::release::Release;
use crate::release::executable::ensure_executable;
use crate::release::given::Given;
use crate::release::parts::Parts;
use crate::release::prune::prune;
use crate::release::room::{Room, Size};
use crate::release::shelf;
use crate::start::mode::Mode;
use crate::start::plan::{Plan, Role};
use crate::start::surroundings::Surroundings;
use crate::start::{self, facts};
use crate::stop::vacate;
use anyhow::{Context, Result};
use bg_launch::replaced::Replaced;
use bg_launch::{Launch, is_there};
use bg_probe::live::last_look::ensure_not_live;
use bg_probe::live::lingering::Lingering;
use bg_probe::nginx::upstream::ensure_movable;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use bg_probe::site::prepared::{self, Prepared};
use std::path::Path;

/// Puts a new release into the slot of the record and starts it.
///
/// # Errors
/// When it is refused, and nothing has been stopped then; when it can't be started.
pub(crate) fn new(given: &Given, record: &Record, manner: &Manner, voice: Voice) -> Result<Launch> {
    let (site, slot) = (&record.site, &record.slot);
    let artifact = given.artifact()?;
    let template = given.template(artifact)?;
    ensure_executable(&template, &site.dir)?;
    let mode = Mode::of(&manner.wish, None)?;
    let surroundings = Surroundings::of_this_process(&mode);
    ensure_free(record, manner)?;
    start::ensure_possible(&mode, site, slot, Launched::of(&site.dir, &slot.name)?.as_ref())?;
    make_room(&site.dir, artifact, voice)?;
    let release = Release::make(&site.dir, artifact, &template, given.companion()?.as_ref())?;
    if let Ok(comparison) = Comparison::with(release.sha256.clone(), given, &manner.wish, record) {
        comparison.warn(record, voice);
    }
    let (release, mode, surroundings) = (&release, &mode, &surroundings);
    let role = Role::Slot { beside: record.live_beside(), served: Some(false) };
    let command = start::command(release, slot, surroundings);
    let ready = command.and_then(|command| {
        let plan = Plan { site, slot, release, command: &command, mode, surroundings, role };
        make_ready(&plan, record, Hook::BeforeLaunch, manner, voice).map(|()| command)
    });
    if ready.is_err() {
        // The failure counts; what can't be removed is pruned by a later run.
        let _ = release.discard(&site.dir);
    }
    place(&Plan { site, slot, release, command: &ready?, mode, surroundings, role }, manner, voice)
}

/// Puts a release that is on disk into the slot of the record and starts it, unless it runs there already.
///
/// # Errors
/// When no release, or more than one, is meant; those of [`new`].
pub(crate) fn named(wanted: &str, record: &Record, manner: &Manner, voice: Voice) -> Result<Launch> {
    let (site, slot) = (&record.site, &record.slot);
    let release = shelf::pick(&site.dir, wanted)?;
    let last = Launched::of(&site.dir, &slot.name)?;
    let running = last.as_ref().and_then(|last| Some((last, last.running()?)));
    if let Some((last, process)) = running.filter(|(last, _)| last.release == release.name) {
        manner.hooks.before_rollback(record, &release, last, &manner.wish, voice)?;
        let launch = facts(last, process, Some(&release), true);
        voice.done("launch", &runs_already(&launch, slot), None);
        // A launch that was undone by half leaves the slot with another one.
        if site.dir.release(&slot.name).as_ref() != Some(&release.name) {
            release.put_into(&site.dir, &slot.name)?;
        }
        return Ok(launch);
    }
    ensure_free(record, manner)?;
    let (mode, surroundings) =
        &Surroundings::again(&site.dir, &release.name, &slot.name, last.as_ref(), &manner.wish, voice)?;
    start::ensure_possible(mode, site, slot, last.as_ref())?;
    Surroundings::ensure_place(&site.dir, &release.name)?;
    let command = start::command(&release, slot, surroundings)?;
    let served = Launched::is_unserved(&site.dir, last.as_ref(), &release.name).then_some(false);
    let role = Role::Slot { beside: record.live_beside(), served };
    let plan = Plan { site, slot, release: &release, command: &command, mode, surroundings, role };
    make_ready(&plan, record, Hook::BeforeRollback, manner, voice)?;
    place(&plan, manner, voice)
}

/// Makes room on the disk, or refuses where there is none to be made.
fn make_room(dir: &Dir, artifact: Option<&Path>, voice: Voice) -> Result<()> {
    let look = |path: &Path| Parts::of(path).with_context(|| path.display().to_string());
    let size = artifact.map(look).transpose()?.as_ref().map(Size::of).unwrap_or_default();
    Room::for_one(dir, artifact, size)?.make(dir, voice)
}

/// Refuses a slot that another release may not be put into.
fn ensure_free(record: &Record, manner: &Manner) -> Result<()> {
    ensure_movable(&record.site)?;
    ensure_not_live(&record.site, &record.slot)?;
    Occupant::of(&record.site, &record.slot, manner.clearing.adopt, false).map(drop)
}

/// What can still keep the release from being started, and then room in the slot.
fn make_ready(plan: &Plan, record: &Record, before: Hook, manner: &Manner, voice: Voice) -> Result<()> {
    let (site, slot) = (plan.site, plan.slot);
    if let Some(template) = &plan.release.companion {
        companion::command(template, plan.release, slot, plan.surroundings).context("BG_LAUNCH_COMPANION")?;
    }
    plan.mode.make_folders(site, slot)?;
    manner.hooks.run(before, plan, voice)?;
    end_lingering(record, voice)?;
    let old = Launched::of(&site.dir, &slot.name)?.filter(|old| is_there(old).unwrap_or(false));
    if vacate(record, manner.clearing, voice)?
        && let Some(old) = old
    {
        manner.hooks.retired(site, slot, &old, voice);
    }
    Ok(())
}

/// Moves those first who stay with what is in the slot: a deploy that comes while they do needs it.
fn end_lingering(record: &Record, voice: Voice) -> Result<()> {
    let Some(lingering) = Lingering::of(&record.site).filter(|lingering| lingering.old == record.slot) else {
        return Ok(());
    };
    lingering.end(&record.site)?;
    voice.done("launch", &format!("{}, for this release comes there", lingering.ended()), None);
    Ok(())
}

/// Has the slot hold the release, and starts it there; where that fails, it holds what it held before.
fn place(plan: &Plan, manner: &Manner, voice: Voice) -> Result<Launch> {
    let (dir, slot) = (&plan.site.dir, &plan.slot.name);
    let replaced = Replaced::by_what_comes_into(dir, slot);
    let prepared = Prepared::in_slot(dir, slot);
    let begun = plan.release.put_into(dir, slot).and_then(|()| start::begin(plan, manner.keep, voice));
    if begun.is_err()
        && let Err(why) = replaced.put_back(dir, slot)
    {
        voice.warn(&format!("{slot} still holds release {}: {why:#}", plan.release.name));
    }
    let launch = begun?;
    prepared::forget(dir);
    if let Some(prepared) = prepared {
        let was = dir.file_of(prepared.release()).map(|file| format!(" ({})", file.to_string_lossy()));
        let words = format!("release {}{}, which was prepared in {slot}", prepared.release(), was.unwrap_or_default());
        voice.done("launch", &format!("it has taken the place of {words}"), None);
    }
    // Room is made last: no deploy should fail because of old files. The release before is spared, for the slot may have
    // to hold it again.
    if let Err(why) = prune(dir, manner.keep, replaced.release()) {
        voice.warn(&format!("old releases stay: {why:#}"));
    }
    Ok(Launch { replaced: Some(replaced), ..launch })
}
