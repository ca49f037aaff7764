//! The release that a slot holds already: started again, unless something runs there.

use crate::hooks::Hook;
use crate::manner::Manner;
use crate::occupant::Occupant;
use crate::release::Release;
use crate::release::names::newest_first;
use crate::start::plan::{Plan, Role};
use crate::start::surroundings::Surroundings;
use crate::start::{self, facts};
use anyhow::Result;
use bg_launch::Launch;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::launched::Launched;
use bg_probe::site::prepared::Prepared;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::stand_in;

/// What is found in a slot whose release is to run.
pub(crate) enum Current {
    /// What bg-launch has started there last runs.
    Runs { last: Launched, launch: Launch },
    /// Something else listens there, as after a move from other scripts. It is left as it is, and bg-health decides.
    Foreign,
    /// Nothing runs.
    Down(Down),
}

/// A slot in which nothing runs.
pub(crate) struct Down {
    held: Option<Release>,
    last: Option<Launched>,
}

/// `--current`: starts the release that the slot holds, unless something runs there. `None` where what runs was not
/// started by bg-launch.
///
/// # Errors
/// Those of [`Current::of`] and [`Down::start`].
pub(crate) fn run(record: &Record, manner: &Manner, voice: Voice) -> Result<Option<Launch>> {
    let slot = &record.slot;
    match Current::of(&record.site, slot, manner.clearing.adopt)? {
        Current::Runs { last, launch } => {
            if let Some(release) = Release::in_slot(&record.site.dir, &slot.name)? {
                manner.hooks.before_rollback(record, &release, &last, &manner.wish, voice)?;
            }
            let words = runs_already(&launch, slot);
            let is_prepared = Prepared::in_slot(&record.site.dir, &slot.name).is_some();
            let words = if is_prepared { format!("{words}; it was prepared, and was never live") } else { words };
            voice.done("launch", &words, None);
            Ok(Some(launch))
        }
        Current::Foreign => {
            if manner.hooks.has(Hook::BeforeRollback) {
                voice.warn("before-rollback was not run, for it is no release of bg-launch's that runs there");
            }
            voice.done("launch", &is_foreign(slot), None);
            Ok(None)
        }
        Current::Down(down) => down.start(record, Some(Hook::BeforeRollback), manner, voice).map(Some),
    }
}

/// What to report of a launch that runs already.
pub(crate) fn runs_already(launch: &Launch, slot: &Slot) -> String {
    format!("release {} runs already in {slot} as pid {}", launch.release, launch.process.pid)
}

/// What to report of a slot in which something else runs.
pub(crate) fn is_foreign(slot: &Slot) -> String {
    format!("{slot} runs already, but not as bg-launch started it; left as it is")
}

fn holds_none(site: &Site, slot: &Slot) -> anyhow::Error {
    let what = format!("{slot} holds no release: there is nothing to start again");
    Exit::Refused.refuse(what, one_on_disk(site, slot))
}

/// Refuses a process on the port of a slot that holds a release, where bg-launch did not start it: its health would be
/// asked for in place of the release's. Where the slot holds none, it is what other scripts have started.
fn ensure_no_stranger(site: &Site, slot: &Slot, last: Option<&Launched>) -> Result<()> {
    if last.is_none() && site.dir.release(&slot.name).is_none() {
        return Ok(());
    }
    Occupant::of(site, slot, false, false).map(drop)
}

impl Current {
    /// Looks into a slot. With `adopt`, what runs there is the slot's, whoever has started it.
    ///
    /// # Errors
    /// When its release, or what was launched there last, can't be read, or is not this user's to start; those of
    /// [`Occupant::of`] where a stranger is in the slot of a release.
    pub(crate) fn of(site: &Site, slot: &Slot, adopt: bool) -> Result<Current> {
        let held = Release::in_slot(&site.dir, &slot.name)?;
        let last = Launched::of(&site.dir, &slot.name)?;
        let running = last.as_ref().and_then(Launched::running);
        Ok(match (last, running) {
            (Some(last), Some(process)) => {
                let launch = facts(&last, process, held.as_ref(), true);
                Current::Runs { last, launch }
            }
            (last, _) if slot.listens() => {
                if !adopt {
                    ensure_no_stranger(site, slot, last.as_ref())?;
                }
                Current::Foreign
            }
            (last, _) => Current::Down(Down { held, last }),
        })
    }
}

/// How a slot without a release gets one: the newest on disk that does not serve in the other slot.
fn one_on_disk(site: &Site, slot: &Slot) -> String {
    let live = site.dir.release(&site.slots.other(&slot.name).name);
    let names = newest_first(&site.dir).unwrap_or_default();
    let newest = names.into_iter().find(|name| Some(name) != live.as_ref());
    let Some(newest) = newest else { return "deploy a release first".to_owned() };
    let start = Advice::launch(site, &["--slot", slot.name.as_str(), "--release", &newest]);
    format!("deploy one, or take the newest that is on disk: {start}")
}

impl Down {
    /// Refuses a slot that holds no release.
    ///
    /// # Errors
    /// [`Exit::Refused`].
    pub(crate) fn ensure_held(&self, site: &Site, slot: &Slot) -> Result<()> {
        self.held.as_ref().map(drop).ok_or_else(|| holds_none(site, slot))
    }

    /// Starts the release that the slot holds, after that hook. Nothing listens there, so nothing can be serving: that is also how a live
    /// slot comes back.
    ///
    /// # Errors
    /// When the slot holds no release, or it can't be started.
    pub(crate) fn start(self, record: &Record, before: Option<Hook>, manner: &Manner, voice: Voice) -> Result<Launch> {
        let (site, slot) = (&record.site, &record.slot);
        let Some(release) = self.held else { return Err(holds_none(site, slot)) };
        let last = self.last.as_ref();
        let (mode, surroundings) =
            Surroundings::again(&site.dir, &release.name, &slot.name, last, &manner.wish, voice)?;
        let command = start::command(&release, slot, &surroundings)?;
        start::ensure_possible(&mode, site, slot, last)?;
        Surroundings::ensure_place(&site.dir, &release.name)?;
        let (mode, surroundings) = (&mode, &surroundings);
        // The new process has served nobody in any case; that its release never has is not lost by that.
        let served = Launched::is_unserved(&site.dir, last, &release.name).then_some(false);
        let role = Role::Slot { beside: record.live_beside(), served };
        let plan = Plan { site, slot, release: &release, command: &command, mode, surroundings, role };
        mode.make_folders(site, slot)?;
        if let Some(before) = before {
            manner.hooks.run(before, &plan, voice)?;
        }
        stand_in::suspend(site, slot)?;
        if let Some(remains) = self.last {
            bg_launch::stop(&remains, manner.clearing.grace)?;
        }
        start::begin(&plan, manner.keep, voice)
    }
}
