//! Which slot is live: two witnesses, and what follows when they differ.
//!
//! The front is what nginx answers; the file is what nginx was told. Either alone has misled people: a 502
//! was read as "the other one is live", and a file changed by a reload that failed as the truth. So both are
//! heard, and where they can't be reconciled nobody guesses.

use crate::dir::Dir;
use crate::exit::Exit;
use crate::front::Front;
use crate::record::Record;
use crate::settings::{Settings, Site};
use crate::slot::{Choice, Name, Slot};
use crate::witnesses::{Heard, ensure_same_ports};
use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long a reload that is under way may take until front and file agree.
const AGREE_WITHIN: Duration = Duration::from_secs(2);

/// How often they are asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long the front may take for one answer, where nothing else is said.
pub const FRONT_WITHIN: Duration = Duration::from_secs(2);

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// What nginx answers at the front
    Front,
    /// What the upstream file says
    File,
    /// Both, the front first
    Both,
}

/// Which slot is live, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The live slot; `None` where none is.
    pub live: Option<Name>,
    /// What goes into the record under `probe`.
    pub facts: Facts,
    /// What the operator should know although the verdict stands.
    pub warning: Option<String>,
}

/// What `bg-probe` adds to the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Who decided: `front`, `file`, or `ports` where nothing listens at all.
    pub by: &'static str,
    /// The slot the upstream file points at, if it could be read.
    pub points_at: Option<String>,
    /// What the front answered, where that named no slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front_said: Option<String>,
}

/// Asks the witnesses which slot of `site` is live. The front gets `within` for each answer.
///
/// # Errors
/// [`Exit::Unsure`] when they disagree, or something serves and neither can say which slot it is.
pub fn live(site: &Site, by: By, within: Duration) -> Result<Verdict> {
    let front = match by {
        By::File => None,
        By::Front | By::Both => Front::of(site)?,
    };
    if by == By::Front && front.is_none() {
        return Err(Exit::Usage.because("--by front: there is no front to ask (--front is unset by -)"));
    }
    ensure_same_ports(site)?;
    let deadline = Instant::now() + AGREE_WITHIN;
    loop {
        let heard = Heard::now(site, by, front.as_ref(), within);
        if !heard.disagree() {
            return heard.verdict(site);
        }
        if Instant::now() >= deadline {
            return heard.cut_short(site).ok_or_else(|| heard.disagreement(site));
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// The slot that is meant by `choice`, given which one is live.
///
/// # Errors
/// When the live slot is meant and none is live, or a name is neither slot's.
pub fn choose<'a>(site: &'a Site, choice: &Choice, verdict: &Verdict) -> Result<&'a Slot> {
    match (choice, &verdict.live) {
        (Choice::Named(name), _) => site.slots.named(name.as_str()),
        (Choice::Idle, None) => Ok(first_idle(site, verdict)),
        (Choice::Idle, Some(live)) => Ok(site.slots.other(live)),
        (Choice::Live, Some(live)) => site.slots.named(live.as_str()),
        (Choice::Live, None) => Err(Exit::Refused.because("no slot is live")),
    }
}

/// The slot to begin with where none is live: the first. But where both are down after a crash or a reboot, it is the
/// one that nginx is not set to serve, as it was before.
fn first_idle<'a>(site: &'a Site, verdict: &Verdict) -> &'a Slot {
    let points_at = verdict.facts.points_at.as_ref().and_then(|name| site.slots.named(name).ok());
    match points_at.filter(|slot| site.dir.release(&slot.name).is_some()) {
        Some(served) => site.slots.other(&served.name),
        None => site.slots.first(),
    }
}

/// Refuses when `slot` is live or may be: the last look before anything in it is touched.
///
/// # Errors
/// [`Exit::Unsure`], also when nobody can tell.
pub fn ensure_idle(site: &Site, slot: &Slot) -> Result<()> {
    let verdict = live(site, By::Both, FRONT_WITHIN)?;
    if verdict.live.as_ref() == Some(&slot.name) {
        return Err(Exit::Unsure.because(format!(
            "{} is live on {}: nothing in it may be touched. Deploy to {}, or move nginx there first",
            slot.name,
            slot.port,
            site.slots.other(&slot.name).name
        )));
    }
    Ok(())
}

/// The artifact a slot holds, for messages; the slot's own name where it holds none.
#[must_use]
pub fn release_in(dir: &Dir, slot: &Name) -> String {
    dir.artifact(slot).map_or_else(|| slot.to_string(), |file| crate::say::clean(&file.to_string_lossy()))
}

/// The record a stage works on: the one on stdin, or, where a slot is named by flags, a new one with the
/// witnesses' verdict.
///
/// # Errors
/// [`Exit::NoRecord`] for stdin, [`Exit::Unsure`] for the witnesses.
pub fn subject(settings: &Settings, slot: Option<&Choice>) -> Result<Record> {
    let Some(choice) = slot else {
        return Record::from_stdin()?.overruled(settings);
    };
    let site = settings.site()?;
    choice.ensure_one_of(&site.slots)?;
    let verdict = live(&site, By::Both, FRONT_WITHIN)?;
    let slot = choose(&site, choice, &verdict)?.clone();
    let mut record = Record::new(site, slot, verdict.live);
    record.set("probe", &verdict.facts)?;
    Ok(record)
}
