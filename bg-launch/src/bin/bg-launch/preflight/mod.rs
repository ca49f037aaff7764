//! `bg-launch --check`: could a release be put into the idle slot and started there?
//!
//! Each refusal comes from the function that a launch itself calls, so that the two can't disagree.

mod disk;
mod folder;
pub(crate) mod foreseen;
mod goods;
mod memory;
mod ports;

use crate::companion::fault;
use crate::hooks::{Hook, Hooks};
use crate::memory::Room;
use crate::occupant::Occupant;
use crate::release::executable::nearest;
use crate::release::given::Given;
use crate::start::mode::{Mode, Wish};
use crate::start::{agent, ensure_possible};
use anyhow::Result;
use bg_probe::cli::preflight::Finding;
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::last_look::ensure_not_live_by;
use bg_probe::live::verdict::{Verdict, live};
use bg_probe::live::witnesses::By;
use bg_probe::site::advice::Advice;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// Everything that bg-launch has to look at.
pub(crate) fn findings(site: &Site, given: &Given, wish: &Wish, hooks: &Hooks, adopt: bool) -> Vec<Finding> {
    let verdict = live(site, By::Both, FRONT_WITHIN);
    // Where nothing tells which slot is idle, one is as good as the other for all but its port.
    let slot = verdict.as_ref().map_or(site.slots.first(), |verdict| verdict.idle(site));
    let mut findings = goods::findings(given, &site.dir, slot, true);
    findings.extend(hooks.findings(&[Hook::BeforeLaunch, Hook::BeforeRollback, Hook::AfterRetire], Some(given), slot));
    let there = nearest(&site.dir);
    findings.push(folder::finding(&site.dir, there, &folder::places(&site.dir)));
    findings.push(disk::finding(&site.dir, there, given.artifact().ok().flatten()));
    findings.extend(mode(site, slot, wish));
    findings.extend(ports::finding(site));
    match &verdict {
        Ok(verdict) => {
            findings.extend(idle(site, verdict, slot, adopt));
            findings.extend(verdict.live.as_ref().and_then(|live| companion(site, live, verdict.shares.is_some())));
        }
        Err(_) => findings.push(Finding::fail(
            "port",
            "the idle slot's port and the memory were not looked at, for it can't be told which slot is idle",
            format!("see why: {}", Advice::call(site, "bg-probe", &["--check"])),
        )),
    }
    findings
}

/// Whether the slot may be touched, and has room for one more release.
fn idle(site: &Site, verdict: &Verdict, slot: &Slot, adopt: bool) -> Vec<Finding> {
    if let Err(why) = ensure_not_live_by(verdict, site, slot) {
        // By the name that bg-probe has for it, so that bg-deploy says it once.
        return vec![Finding::refused("live", &why, "fix that first")];
    }
    let room = verdict.live.as_ref().and_then(|live| Room::beside(site, live)?.without(site, slot));
    std::iter::once(port(site, slot, adopt)).chain(room.as_ref().map(memory::finding)).collect()
}

/// What keeps a release from being started so, or ends it with whoever deploys it; `None` where nothing does.
fn mode(site: &Site, slot: &Slot, wish: &Wish) -> Option<Finding> {
    let possible = || -> Result<Mode> {
        let mode = Mode::of(wish, None)?;
        // A file that can't be read is reported with the port.
        let last = Launched::of(&site.dir, &slot.name).ok().flatten();
        ensure_possible(&mode, site, slot, last.as_ref())?;
        Ok(mode)
    };
    match possible() {
        Err(why) => Some(Finding::refused("mode", &why, "fix that, or leave the flag out")),
        Ok(mode) => {
            let (what, remedy) = agent::warning(site, mode.via)?;
            Some(Finding::warn("agent", what, remedy))
        }
    }
}

/// What is wrong with the companion of what is live; `None` where nothing is.
fn companion(site: &Site, live: &Slot, has_shares: bool) -> Option<Finding> {
    match fault(site, live, has_shares) {
        Ok(fault) => fault.map(|(what, remedy)| Finding::ill("companion", what, remedy)),
        Err(why) => {
            Some(Finding::refused("companion", &why, "fix that, or run this as the user to whom --dir belongs"))
        }
    }
}

fn port(site: &Site, idle: &Slot, adopt: bool) -> Finding {
    let Slot { name, port } = idle;
    match Occupant::of(site, idle, adopt, false) {
        Err(why) => Finding::refused("port", &why, "fix that, or run this as the user to whom --dir belongs"),
        Ok(occupant) if occupant.is_empty() => Finding::ok("port", format!("port {port} of the idle {name} is free")),
        Ok(_) => Finding::ok("port", format!("port {port} of the idle {name} is held by what a deploy would replace")),
    }
}
