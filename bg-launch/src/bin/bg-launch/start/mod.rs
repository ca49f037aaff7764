//! Starting a release in a slot.

pub(crate) mod agent;
mod caller;
pub(crate) mod detached;
pub(crate) mod exec;
pub(crate) mod hold;
pub(crate) mod limits;
mod log;
pub(crate) mod mode;
pub(crate) mod plan;
mod risks;
pub(crate) mod surroundings;
mod systemd;
mod user;

use crate::release::Release;
use crate::release::template::Blanks;
use crate::start::mode::{Mode, Via};
use crate::start::plan::Plan;
use crate::start::surroundings::Surroundings;
use anyhow::Result;
use bg_launch::Launch;
use bg_probe::os::process::Process;
use bg_probe::say::Voice;
use bg_probe::site::first_to_go::put_back;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::unit::Unit;
use std::time::Instant;

/// The command of `release` in `slot`, filled in and its program found: what can fail before anything is stopped.
///
/// # Errors
/// When the program is missing.
pub(crate) fn command(release: &Release, slot: &Slot, surroundings: &Surroundings) -> Result<Vec<String>> {
    let path = surroundings.path();
    release.template.fill(&Blanks { slot, release: &release.name, artifact: release.artifact.as_deref(), path })
}

/// Refuses where nothing could be started in this mode; `last` is what was started in the slot before. It changes
/// nothing, so a preflight asks it, too.
///
/// # Errors
/// When the folder it is to run in can't be used, or systemd would not start it.
pub(crate) fn ensure_possible(mode: &Mode, site: &Site, slot: &Slot, last: Option<&Launched>) -> Result<()> {
    mode.ensure_workdir()?;
    site.dir.ensure_places(&slot.name)?;
    match mode.via {
        Via::Session => Ok(()),
        Via::Systemd => systemd::ensure_possible(site, slot, last),
    }
}

/// Starts a release, with warnings of what may surprise somebody later. When this returns, the application runs and is
/// written down; if this process dies on the way, nothing runs that is not.
///
/// # Errors
/// When it can't be started, or not be written down.
pub(crate) fn begin(plan: &Plan, keep: usize, voice: Voice) -> Result<Launch> {
    // Those of a companion are those of its application, of which they were told.
    let risks = if plan.is_companion() { Vec::new() } else { risks::risks(plan) };
    for risk in risks {
        voice.warn(&risk);
    }
    if let Some(live) = plan.beside()
        && let Ok(Some(launched)) = Launched::of(&plan.site.dir, &live.name)
    {
        protect(&launched, live, voice);
        // A hand has moved nginx there, or a switch that was killed as it had moved.
        if launched.served == Some(false)
            && let Err(why) = launched.note_visitors(&plan.site.dir, &live.name)
        {
            voice.warn(&format!("that {live} has had visitors could not be written down: {why:#}"));
        }
    }
    let began = Instant::now();
    plan.mode.give_work(plan.site, plan.slot)?;
    // A companion has those of its application.
    if !plan.is_companion() {
        plan.surroundings.keep(&plan.site.dir, &plan.release.name)?;
    }
    let launched = match plan.mode.via {
        Via::Session => detached::start(plan)?,
        Via::Systemd => systemd::start(plan)?,
    };
    report(plan, &launched, began, voice);
    if let Err(why) = log::prune(&plan.site.dir, &plan.slot.name, keep) {
        voice.warn(&format!("old logs stay: {why:#}"));
    }
    let process = launched.process.clone();
    Ok(facts(&launched, process, Some(plan.release), false))
}

fn report(plan: &Plan, launched: &Launched, began: Instant, voice: Voice) {
    let journal = launched.unit.as_ref().map(Unit::journal);
    let output = launched.log.clone().or(journal).unwrap_or_default();
    // The program alone: the rest of the command may hold a secret.
    voice.detail(&format!("running {}, its output is in {output}", plan.command[0]));
    let name = launched.unit.as_ref().map_or_else(String::new, |unit| format!("{unit}, "));
    let what = if plan.is_companion() { "the companion of release" } else { "release" };
    let words = format!("{what} {} as {name}pid {}", plan.release.name, launched.process.pid);
    voice.done("launch", &words, Some(began.elapsed()));
}

/// Makes sure that what is live is not the first to go when memory runs out.
pub(crate) fn protect(live: &Launched, slot: &Slot, voice: Voice) {
    if let Err(why) = put_back(live) {
        voice.warn(&format!("{slot} is live, and still the first to go when memory runs out: {why:#}"));
    }
}

/// The facts for the record about a launch, of which `process` runs now.
pub(crate) fn facts(launched: &Launched, process: Process, release: Option<&Release>, was_running: bool) -> Launch {
    let release = release.filter(|release| release.name == launched.release);
    let artifact = release.and_then(|release| Some(release.artifact.as_ref()?.to_str()?.to_owned()));
    // It runs, even if systemd does not answer; then only its journal is not shown.
    let state = launched.unit.as_ref().and_then(|unit| unit.state().ok());
    Launch {
        process,
        release: launched.release.clone(),
        artifact,
        sha256: release.and_then(|release| release.sha256.clone()),
        log: launched.log.clone(),
        unit: launched.unit.clone(),
        invocation: state.map(|state| state.invocation),
        replaced: None,
        was_running,
        unchanged: false,
    }
}
