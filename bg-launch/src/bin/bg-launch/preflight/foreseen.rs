//! What a deploy has in the way of its launch, looked at before anything is touched for it. Each refusal comes from the
//! function that the launch itself calls. What a launch of a release on disk refuses before it stops anything, as a command
//! that is missing, is left to it: nothing else was touched by then.

use crate::changed::Comparison;
use crate::current::Current;
use crate::hooks::{Hook, Hooks};
use crate::order::What;
use crate::preflight::{disk, folder, goods, mode, port};
use crate::release::executable::nearest;
use crate::release::shelf;
use crate::start::mode::Wish;
use anyhow::Result;
use bg_probe::cli::preflight::{Finding, State};
use bg_probe::live::last_look::ensure_stands_in_for_nobody;
use bg_probe::record::Record;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// What would keep this from being launched into the record's slot.
pub(crate) fn findings(record: &Record, what: &What, wish: &Wish, hooks: &Hooks, adopt: bool) -> Vec<Finding> {
    let (site, slot) = (&record.site, &record.slot);
    if let What::New(given) = what
        && given.if_changed
        && Comparison::of(given, wish, record).is_ok_and(|comparison| comparison.is_same())
    {
        return Vec::new();
    }
    let mut findings = match what {
        What::New(given) => {
            let goods = goods::findings(given, &site.dir, slot, false);
            // A command alone is not copied.
            let artifact = given.artifact().ok().flatten();
            let room = artifact.map(|artifact| disk::finding(&site.dir, nearest(&site.dir), Some(artifact)));
            let holder = port(site, slot, adopt);
            goods.into_iter().chain(room).chain([holder]).chain(place(site, slot, wish)).collect()
        }
        What::Named(wanted) => match startable(record, wanted) {
            Err(why) => vec![Finding::refused("release", &why, "name another one")],
            Ok(false) => Vec::new(),
            Ok(true) => [port(site, slot, adopt)].into_iter().chain(place(site, slot, wish)).collect(),
        },
        What::Current => match current(record, adopt) {
            Err(why) => vec![Finding::refused("release", &why, "deploy one")],
            Ok(false) => Vec::new(),
            Ok(true) => place(site, slot, wish),
        },
    };
    if !matches!(what, What::Current)
        && let Err(why) = ensure_stands_in_for_nobody(record)
    {
        findings.push(Finding::refused("slot", &why, "start the live one again"));
    }
    let (due, given) = match what {
        What::New(given) => (Hook::BeforeLaunch, Some(given)),
        What::Named(_) | What::Current => (Hook::BeforeRollback, None),
    };
    findings.extend(hooks.findings(&[due, Hook::AfterRetire], given, slot));
    findings.retain(|finding| finding.state == State::Fail);
    findings
}

/// Whether anything could be started there.
fn place(site: &Site, slot: &Slot, wish: &Wish) -> Vec<Finding> {
    let needed =
        [site.dir.root().to_owned(), site.dir.releases(), site.dir.slot(&slot.name), site.dir.logs(&slot.name)];
    let folder = folder::finding(&site.dir, nearest(&site.dir), &needed);
    mode(site, slot, wish).into_iter().chain([folder]).collect()
}

/// Whether the release that is meant is to be started, for it does not run already.
fn startable(record: &Record, wanted: &str) -> Result<bool> {
    let (dir, slot) = (&record.site.dir, &record.slot);
    let release = shelf::pick(dir, wanted)?;
    let last = Launched::of(dir, &slot.name)?;
    if last.is_some_and(|last| last.release == release.name && last.running().is_some()) {
        return Ok(false);
    }
    Ok(true)
}

/// The same of the one that the slot holds.
fn current(record: &Record, adopt: bool) -> Result<bool> {
    match Current::of(&record.site, &record.slot, adopt)? {
        Current::Runs { .. } | Current::Foreign => Ok(false),
        Current::Down(down) => down.ensure_held(&record.site, &record.slot).map(|()| true),
    }
}
