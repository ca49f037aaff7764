//! The record a stage works on.

use crate::live::front::FRONT_WITHIN;
use crate::live::lingering::Lingering;
use crate::live::verdict::{Verdict, live};
use crate::live::witnesses::By;
use crate::nginx::upstream::site_of;
use crate::record::Record;
use crate::say::exit::Exit;
use crate::site::closed::is_closed;
use crate::site::digest;
use crate::site::drained::is_drained;
use crate::site::prepared::Prepared;
use crate::site::settings::{Settings, Site};
use crate::site::slot::{Choice, Slot};
use anyhow::Result;

/// The record on stdin, or, where a slot is named by flags, a new one with the witnesses' verdict.
///
/// # Errors
/// [`Exit::NoRecord`] for stdin, [`Exit::Unsure`] for the witnesses.
pub fn subject(settings: &Settings, slot: Option<&Choice>) -> Result<Record> {
    subject_or(settings, slot, Exit::Refused)
}

/// The same, where to find that no slot is live ends with this code.
///
/// # Errors
/// Those of [`subject`].
pub fn subject_or(settings: &Settings, slot: Option<&Choice>, none_live: Exit) -> Result<Record> {
    let Some(choice) = slot else {
        return Record::from_stdin()?.overruled(settings);
    };
    let site = site_of(settings)?;
    choice.ensure_one_of(&site.slots)?;
    let verdict = live(&site, By::Both, FRONT_WITHIN)?;
    if *choice == Choice::Live && verdict.live.is_none() {
        return Err(verdict.none_is_live(&site, none_live));
    }
    let slot = choose(&site, choice, &verdict)?.clone();
    minted(site, slot, &verdict)
}

/// A new record for `slot`, with the verdict under `probe`.
///
/// # Errors
/// When the verdict can't be written as JSON.
pub fn minted(site: Site, slot: Slot, verdict: &Verdict) -> Result<Record> {
    let mut record = Record::new(site, slot, verdict.live.clone());
    if let Some(shares) = &verdict.shares {
        record.set("shares", &shares.to_json())?;
    }
    if let Some((release, sha256)) = live_release(&record) {
        record.set("live_release", &release)?;
        record.set("live_sha256", &sha256)?;
    }
    let is_idle = |prepared: &Prepared| verdict.live.as_ref().is_none_or(|live| live.name != *prepared.slot());
    if let Some(prepared) = Prepared::of(&record.site.dir).filter(is_idle) {
        record.set("prepared", &prepared.to_json())?;
    }
    if is_closed(&record.site.dir) {
        record.set("closed", &true)?;
    }
    if is_drained(&record.site.dir) {
        record.set("drained", &true)?;
    }
    if let Some(lingering) = Lingering::of(&record.site) {
        record.set("lingers", &lingering.to_json())?;
    }
    record.set("probe", &verdict.facts)?;
    Ok(record)
}

/// The release that the live slot holds, and the SHA-256 of its artifact.
fn live_release(record: &Record) -> Option<(String, Option<String>)> {
    let dir = &record.site.dir;
    let release = dir.release(&record.live.as_ref()?.name)?;
    let sha256 = digest::of_release(dir, &release);
    Some((release, sha256))
}

/// The slot that is meant by `choice`, given which one is live.
///
/// # Errors
/// When the live slot is meant and none is live, or the idle one and both serve, or a name is neither slot's.
pub fn choose<'a>(site: &'a Site, choice: &Choice, verdict: &'a Verdict) -> Result<&'a Slot> {
    match (choice, &verdict.live) {
        (Choice::Named(name), _) => site.slots.named(name.as_str()),
        (Choice::Idle, _) => verdict.ensure_one_is_idle(site).map(|()| verdict.idle(site)),
        (Choice::Live, Some(live)) => Ok(live),
        (Choice::Live, None) => Err(verdict.none_is_live(site, Exit::Refused)),
    }
}
