//! Stopping what is in a slot, and never what may be serving.

use crate::occupant::Occupant;
use anyhow::Result;
use bg_launch::replaced::Replaced;
use bg_launch::{Grace, Launch};
use bg_probe::live::last_look::ensure_idle;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::site::launched::Launched;
use bg_probe::site::lock::Lock;
use bg_probe::site::pass::revoke;
use bg_probe::site::prepared::{self, Prepared};
use bg_probe::site::stand_in;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How a slot is cleared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clearing {
    /// Whether processes of the same user that bg-launch did not start are stopped, too.
    pub(crate) adopt: bool,
    /// Whether all processes are looked through for what the last launch has left outside its session.
    pub(crate) thorough: bool,
    /// How long to wait until the last connection is closed.
    pub(crate) drain: Duration,
    /// How a process is asked to end.
    pub(crate) grace: Grace,
}

/// Stops what is in the slot and starts nothing. Where the record is of the launch that put it there, the slot
/// holds again what it held before.
///
/// # Errors
/// When the slot is live by then, or holds a process that may not be stopped; when the release before is not on disk any more.
pub(crate) fn stop(record: &Record, clearing: Clearing, lock: &Lock, voice: Voice) -> Result<()> {
    let undone = undone(record)?;
    // Before draining: visitors of a live slot do not go, and nobody should wait for them.
    ensure_not_serving(record, lock)?;
    if !vacate_unless(record, clearing, voice, || ensure_not_serving(record, lock))? {
        voice.done("launch", &format!("nothing runs in {}", record.slot), None);
    }
    let Some(replaced) = undone else { return Ok(()) };
    replaced.put_back(&record.site.dir, &record.slot.name)?;
    if Prepared::noted(&record.site.dir).ok().flatten().is_some_and(|prepared| *prepared.slot() == record.slot.name) {
        prepared::forget(&record.site.dir);
    }
    let held = replaced.release().map_or("no release".to_owned(), |name| format!("release {name}"));
    voice.done("launch", &format!("{} holds {held} again", record.slot), None);
    Ok(())
}

/// Drains the slot and stops what is in it; whether there was anything.
///
/// # Errors
/// When the slot is live by then, or holds a process that may not be stopped.
pub(crate) fn vacate(record: &Record, clearing: Clearing, voice: Voice) -> Result<bool> {
    vacate_unless(record, clearing, voice, || ensure_idle(&record.site, &record.slot))
}

/// The same, where it is asked once more before the first harm whether the slot may be touched.
fn vacate_unless(
    record: &Record,
    clearing: Clearing,
    voice: Voice,
    ensure_not_serving: impl FnOnce() -> Result<()>,
) -> Result<bool> {
    let began = Instant::now();
    stand_in::end(&record.site, &record.slot)?;
    end_passes(record, voice)?;
    look(record, clearing)?.drain(clearing.drain, voice)?;
    // The record may be old, and draining took its time: this is the last look before the first harm.
    ensure_not_serving()?;
    let stopped = look(record, clearing)?.stop(clearing.grace)?;
    if let Some(words) = &stopped {
        voice.done("launch", words, Some(began.elapsed()));
    }
    Ok(stopped.is_some())
}

/// Takes back the passes to the slot: a pass was given for what is in it now, and its holders should not be waited for.
fn end_passes(record: &Record, voice: Voice) -> Result<()> {
    let slot = &record.slot;
    match revoke(&record.site.dir, &slot.name)? {
        0 => {}
        1 => voice.done("launch", &format!("the pass to {slot} was taken back"), None),
        count => voice.done("launch", &format!("the {count} passes to {slot} were taken back"), None),
    }
    Ok(())
}

fn look(record: &Record, clearing: Clearing) -> Result<Occupant<'_>> {
    Occupant::of(&record.site, &record.slot, clearing.adopt, clearing.thorough)
}

/// What the launch in the record has replaced, if that is the last one in its slot.
fn undone(record: &Record) -> Result<Option<Replaced>> {
    let (dir, slot) = (&record.site.dir, &record.slot.name);
    let Some(launch) = record.get::<Launch>("launch")? else { return Ok(None) };
    let is_last = Launched::of(dir, slot)?.is_some_and(|last| last.is(&launch.process))
        && dir.release(slot).as_ref() == Some(&launch.release);
    Ok(launch.replaced.filter(|_| is_last))
}

/// Refuses to stop what may be serving.
fn ensure_not_serving(record: &Record, lock: &Lock) -> Result<()> {
    if is_of_a_failed_cold_start(record, lock)? { Ok(()) } else { ensure_idle(&record.site, &record.slot) }
}

/// Whether what runs is what this very record has launched while no slot was live, and was never switched to. nginx may be
/// set to serve that slot and do so as soon as anything answers there, healthy or not. As long as nothing listens it serves
/// nobody. What listens serves by accident, but only where the driver has kept everybody else out since: by an old record,
/// somebody may have found it good enough meanwhile.
fn is_of_a_failed_cold_start(record: &Record, lock: &Lock) -> Result<bool> {
    let was_cold = record.live.is_none() && undone(record)?.is_some();
    // A record with its end is of an earlier run: what was prepared, and may have been found good enough since.
    let has = |key: &str| anyhow::Ok(record.get::<Value>(key)?.is_some());
    let by_accident = lock.is_the_drivers() && !has("switch")? && !has("deploy")?;
    Ok(was_cold && (by_accident || !record.slot.listens()))
}
