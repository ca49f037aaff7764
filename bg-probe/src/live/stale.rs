//! A record that is no longer true: hours may pass between bg-health and bg-switch, and by then another release may be in the slot,
//! or beside it.

use crate::nginx::upstream::Upstream;
use crate::os::process::{Process, boot_id};
use crate::record::Record;
use crate::say::exit::Exit;
use crate::say::quoted;
use crate::site::advice::Advice;
use crate::site::launched::Launched;
use crate::site::slot::Slot;
use anyhow::Result;
use serde::Deserialize;

/// What a record has of a launch.
#[derive(Deserialize)]
struct Launch {
    #[serde(flatten)]
    process: Process,
    release: Option<String>,
    #[serde(default)]
    was_running: bool,
}

/// Refuses a record of a launch that its slot has no longer.
///
/// # Errors
/// [`Exit::Unsure`], with what is there now.
pub fn ensure_in_slot(record: &Record) -> Result<()> {
    let Some(launch) = record.get::<Launch>("launch")? else { return Ok(()) };
    let (dir, slot, pid) = (&record.site.dir, &record.slot, launch.process.pid);
    if boot_id().is_some_and(|boot| boot != launch.process.boot_id) {
        return Err(stale(record, &format!("the machine was started anew since pid {pid} was launched in {slot}")));
    }
    let Some(last) = Launched::of(dir, &slot.name)?.filter(|last| !last.is(&launch.process)) else { return Ok(()) };
    let now = quoted(&last.release);
    let why = match launch.release {
        Some(release) if release != last.release => {
            format!("{slot} has release {now} by now, and the record is of {}", quoted(&release))
        }
        _ => format!("{slot} no longer runs pid {pid} of release {now}, which was started again since"),
    };
    Err(stale(record, &why))
}

/// Refuses a record after which nginx was moved, or another release has come beside its slot. One whose slot serves by now
/// has become true.
///
/// # Errors
/// [`Exit::Unsure`], with what has changed.
pub fn ensure_none_moved(record: &Record) -> Result<()> {
    let (site, slot) = (&record.site, &record.slot);
    let upstream = Upstream::read(&site.upstream_file).ok();
    let now = upstream.as_ref().and_then(|upstream| upstream.points_at(site));
    if now.as_ref() == Some(slot) || upstream.as_ref().is_some_and(|upstream| upstream.has_share(site, slot)) {
        return Ok(());
    }
    if let Some(why) = another_beside(record, now.as_ref())? {
        return Err(stale(record, &why));
    }
    let Some(launch) = record.get::<Launch>("launch")? else { return Ok(()) };
    let has_served = Launched::of(&site.dir, &slot.name)?.is_some_and(|last| last.has_served());
    if has_served && !launch.was_running {
        let why = format!("visitors have been in {slot} since, and nginx was moved away from it");
        return Err(stale(record, &why));
    }
    Ok(())
}

/// What serves now, where that is not what served when bg-probe looked.
fn another_beside(record: &Record, now: Option<&Slot>) -> Result<Option<String>> {
    let dir = &record.site.dir;
    let Some(live) = record.live_beside() else {
        let beside = now.filter(|now| record.live.is_none() && now.listens());
        return Ok(beside.map(|now| format!("{now} is live by now, and no slot was")));
    };
    let Some(then) = record.get::<String>("live_release")? else { return Ok(None) };
    let held = dir.release(&live.name).filter(|held| *held != then);
    Ok(held.map(|held| {
        format!("{live} has release {} by now, and had {} when this one was deployed", quoted(&held), quoted(&then))
    }))
}

fn stale(record: &Record, why: &str) -> anyhow::Error {
    let look = Advice::call(&record.site, "bg-probe", &["--format", "table"]);
    Exit::Unsure.refuse(
        format!("the record is no longer true: {why}. Nothing was touched"),
        format!("deploy it again; or see what is there: {look}"),
    )
}
