//! The slot that nginx is to move to, and whether it may: a verdict of bg-health in the record, or an operator who
//! named the slot; and something must answer there.

use anyhow::Result;
use bg_probe::live::{stale, whose};
use bg_probe::nginx::upstream::Upstream;
use bg_probe::os::process::Process;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::{Settings, Site};
use bg_probe::site::slot::Slot;
use serde_json::Value;

/// The source of the slot's name.
pub(crate) enum Target {
    /// The operator, who answers for its health.
    Named(Site, Slot),
    /// The record on stdin, which must have a health verdict; these settings win over it.
    OfRecord(Settings),
}

impl Target {
    /// The record of the switch: the one on stdin, or a new one for the slot that the operator named.
    ///
    /// # Errors
    /// [`Exit::NoRecord`] for what is on stdin.
    pub(crate) fn record(self) -> Result<Record> {
        match self {
            Target::Named(site, slot) => {
                let live = Upstream::read(&site.upstream_file).ok().and_then(|upstream| upstream.points_at(&site));
                Ok(Record::new(site, slot, live))
            }
            Target::OfRecord(settings) => {
                let record = Record::from_stdin()?.overruled(&settings)?;
                ensure_healthy(&record)?;
                Ok(record)
            }
        }
    }
}

/// Refuses a record that is not that of a healthy launch.
fn ensure_healthy(record: &Record) -> Result<()> {
    // Before anything is touched: a record that can't be understood is reported first.
    launched(record)?;
    if record.get::<Value>("health")?.is_some_and(|verdict| verdict.is_object()) {
        return Ok(());
    }
    let slot = &record.slot;
    Err(Exit::NoRecord.because(format!(
        "the record has no health verdict for {slot}: put bg-health before bg-switch, or name the slot yourself: {}",
        Advice::call(&record.site, "bg-switch", &["--to", slot.name.as_str()])
    )))
}

/// nginx only ever points at a slot that answers: something must listen there, and if it was launched and found
/// healthy in this run, it must still be that process.
///
/// # Errors
/// [`Exit::NotMoved`] when it is not so, [`Exit::Unsure`] where what runs was launched on other ports, another application is in
/// the slot, or the record is no longer true.
pub(crate) fn ensure_fit(record: &Record) -> Result<()> {
    let (site, slot) = (&record.site, &record.slot);
    // A file of ours that can't be understood tells no port, and bars no way back.
    if site.slots.both().iter().all(|slot| Launched::of(&site.dir, &slot.name).is_ok()) {
        whose::ensure_same_ports(site)?;
    }
    whose::ensure_ours(&record.site, slot)?;
    stale::ensure_in_slot(record)?;
    if !record.site.address.is_reachable(slot) {
        return Err(unreachable(&record.site, slot));
    }
    let Some(launch) = launched(record)? else { return Ok(()) };
    let holds = Launched::of(&record.site.dir, &slot.name)?.is_some_and(|launched| launched.is(&launch));
    if holds && launch.is_alive() {
        return stale::ensure_none_moved(record);
    }
    Err(Exit::NotMoved.refuse(
        format!("{slot} no longer runs pid {}, which was found healthy: nginx stays where it is", launch.pid),
        "deploy again",
    ))
}

fn unreachable(site: &Site, slot: &Slot) -> anyhow::Error {
    let what = format!("nothing listens on {}", slot.its_port());
    if !slot.listens() {
        let what = format!("{what}: nginx stays where it is");
        if site.dir.release(&slot.name).is_none() {
            return Exit::NotMoved.because(what);
        }
        let start = Advice::call(site, "bg-launch", &["--slot", slot.name.as_str(), "--current"]);
        return Exit::NotMoved.refuse(what, format!("start its release first: {start}"));
    }
    let server = site.address.server(slot);
    Exit::NotMoved.refuse(
        format!("{what} at {server}, but at another address: nginx stays where it is"),
        "if nginx reaches the slot at that one, give it with BG_SLOT_URL",
    )
}

/// The process that was launched and found healthy, where the record names one.
fn launched(record: &Record) -> Result<Option<Process>> {
    record.get("launch")
}
