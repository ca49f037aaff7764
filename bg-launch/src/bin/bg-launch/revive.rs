//! `--live`: the live slot's release runs, after a reboot or a crash too.
//!
//! It is for cron and for systemd at boot, so it speaks only where it has done something or somebody has to.

use crate::args::Args;
use crate::launch;
use anyhow::Result;
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::front::{Answer, Front};
use bg_probe::live::pending;
use bg_probe::live::verdict;
use bg_probe::live::witnesses::By;
use bg_probe::nginx::upstream::{Upstream, site_of};
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::lock::Lock;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// Starts the live slot's release again, unless it runs. A deploy that is under way is left alone: it knows better.
pub(crate) fn run(args: &Args) -> Result<()> {
    let site = site_of(&args.settings)?;
    site.dir.ensure_own()?;
    let lock = match Lock::take(&site, args.wait, args.voice) {
        Err(why) if Exit::of(&why) == Exit::Locked => {
            args.voice.detail(&format!("{why:#}"));
            return Ok(());
        }
        lock => lock?,
    };
    if let Some(words) = pending::settle(&site)? {
        args.voice.warn(&words);
    }
    let slots = site.slots.both();
    if slots.iter().all(|slot| site.dir.release(&slot.name).is_none()) {
        args.voice.detail("no slot holds a release yet");
        return Ok(());
    }
    let slot = slot(&site)?;
    launch::current(args, &Record::new(site, slot.clone(), Some(slot)))?;
    drop(lock);
    Ok(())
}

/// The live slot. Where nothing listens none is, and then it is the one that nginx is set to serve.
fn slot(site: &Site) -> Result<Slot> {
    if let Some(live) = verdict::live(site, By::Both, FRONT_WITHIN)?.live {
        return Ok(live);
    }
    if let Some(front) = Front::of(site)?
        && let Answer::Slot(named) = front.ask(FRONT_WITHIN)
    {
        return Ok(named);
    }
    let said = Upstream::read(&site.upstream_file).map_err(|why| Exit::Unsure.because(format!("{why:#}")))?;
    match said.points_at(site) {
        Some(slot) => Ok(slot),
        None => Err(Exit::Unsure.because(format!(
            "no slot is live, and {} points at neither: nobody can say which one to start",
            site.upstream_file.display()
        ))),
    }
}
