//! Which slot nginx is to move to, and whether it may: a verdict of bg-health on the record, or an operator who
//! named the slot; and something must answer there.

use crate::args::Args;
use anyhow::Result;
use bg_probe::live::whose;
use bg_probe::nginx::upstream::{Upstream, site_of};
use bg_probe::os::port;
use bg_probe::os::process::Process;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::launched::Launched;
use serde_json::Value;

/// The record on stdin, with a health verdict in it; or, with `--to`, what the operator says.
///
/// # Errors
/// [`Exit::NoRecord`] for stdin, [`Exit::Usage`] for a name that is neither slot's.
pub(crate) fn subject(args: &Args) -> Result<Record> {
    if let Some(to) = &args.to {
        let site = site_of(&args.settings)?;
        let slot = site.slots.named(to.as_str()).map_err(|e| Exit::Usage.because(format!("--to: {e}")))?.clone();
        let live = Upstream::read(&site.upstream_file).ok().and_then(|upstream| upstream.points_at(&site));
        return Ok(Record::new(site, slot, live));
    }
    let record = Record::from_stdin()?.overruled(&args.settings)?;
    // Before anything is touched: what is wrong with a record is said first.
    launched(&record)?;
    if !record.get::<Value>("health")?.is_some_and(|verdict| verdict.is_object()) {
        let slot = &record.slot.name;
        return Err(Exit::NoRecord.because(format!(
            "the record has no health verdict for {slot}: put bg-health before bg-switch, or name the slot yourself with --to {slot}"
        )));
    }
    Ok(record)
}

/// nginx only ever points at a slot that answers: something must listen there, and if it was launched and found
/// healthy in this run, it must still be that process.
///
/// # Errors
/// [`Exit::NotMoved`] when it is not so, [`Exit::Unsure`] where another application is in the slot.
pub(crate) fn ensure_fit(record: &Record) -> Result<()> {
    let slot = &record.slot;
    whose::ensure_ours(&record.site, slot)?;
    let address = &record.site.address;
    if !address.is_reachable(slot) {
        let elsewhere = if port::listens(slot.port) {
            format!(
                ", but at another address than {}: if nginx reaches it there, say so with BG_SLOT_URL",
                address.server(slot)
            )
        } else {
            String::new()
        };
        return Err(Exit::NotMoved.because(format!(
            "nothing listens on port {} of {}{elsewhere}: nginx stays where it is",
            slot.port, slot.name
        )));
    }
    let Some(launch) = launched(record)? else { return Ok(()) };
    let holds = Launched::of(&record.site.dir, &slot.name)?.is_some_and(|launched| launched.is(&launch));
    if holds && launch.is_alive() {
        return Ok(());
    }
    Err(Exit::NotMoved.because(format!(
        "{} no longer runs pid {}, which was found healthy: nginx stays where it is. Deploy again",
        slot.name, launch.pid
    )))
}

/// The process that was launched and found healthy, where the record tells of one.
fn launched(record: &Record) -> Result<Option<Process>> {
    record.get("launch")
}
