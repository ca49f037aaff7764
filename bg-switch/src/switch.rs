//! What `bg-switch` does: check that the slot may be switched to, do what the file's form asks, and say what
//! was seen.

use crate::args::Args;
use crate::nginx::Nginx;
use crate::proof::{IN_A_ROW, Witnesses};
use crate::reload::Reload;
use anyhow::{Context, Result};
use bg_probe::exit::Exit;
use bg_probe::front::Front;
use bg_probe::lock::Lock;
use bg_probe::port;
use bg_probe::process::{Launched, Process};
use bg_probe::record::Record;
use bg_probe::settings::Site;
use bg_probe::slot::{Name, Slot};
use bg_probe::unfinished::{self, Unfinished};
use bg_probe::upstream::{Upstream, reload_form};
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How long the front may take to show that nothing need be done.
const ALREADY_WITHIN: Duration = Duration::from_millis(500);

/// What `bg-switch` adds to the record.
#[derive(Debug, Serialize)]
struct Switch {
    from: Option<String>,
    to: String,
    form: &'static str,
    took_ms: f64,
    evidence: &'static str,
}

/// Runs the program.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut record = subject(args)?;
    let site = record.site.clone();
    let lock = Lock::take(&site.dir, args.wait, "bg-switch")?;
    if let Some(words) = unfinished::settle(&site)? {
        args.voice.warn("bg-switch", &words);
    }
    ensure_fit(&record)?;
    let began = Instant::now();
    let switch = move_to(args, &site, &record.slot)?;
    say(args, &site, &switch, began.elapsed());
    record.set("switch", &switch)?;
    drop(lock);
    record.print()
}

/// The record on stdin, with a health verdict in it; or, with `--to`, what the operator says.
fn subject(args: &Args) -> Result<Record> {
    if let Some(to) = &args.to {
        let site = args.settings.site()?;
        let slot = site.slots.named(to.as_str()).map_err(|e| Exit::Usage.because(format!("--to: {e}")))?.clone();
        let live = Upstream::read(&site.upstream_file).ok().and_then(|upstream| upstream.points_at(&site));
        return Ok(Record::new(site, slot, live));
    }
    let mut record = Record::from_stdin()?;
    record.site = args.settings.over(record.site)?;
    record.slot = record.site.slots.named(record.slot.name.as_str())?.clone();
    if record.get::<serde_json::Value>("health")?.is_none() {
        let slot = &record.slot.name;
        return Err(Exit::NoRecord.because(format!(
            "the record has no health verdict for {slot}: put bg-health before bg-switch, or name the slot yourself with --to {slot}"
        )));
    }
    Ok(record)
}

/// nginx only ever points at a slot that answers: something must listen there, and if it was launched and found
/// healthy in this run, it must still be that process.
fn ensure_fit(record: &Record) -> Result<()> {
    let slot = &record.slot;
    if !port::listens(slot.port) {
        return Err(Exit::NotMoved
            .because(format!("nothing listens on port {} of {}: nginx stays where it is", slot.port, slot.name)));
    }
    let Some(launch) = record.get::<Process>("launch")? else { return Ok(()) };
    let holds = Launched::of(&record.site.dir, &slot.name)?.is_some_and(|launched| launched.process() == launch);
    if holds && launch.is_alive() {
        return Ok(());
    }
    Err(Exit::NotMoved.because(format!(
        "{} no longer runs pid {}, which was found healthy: nginx stays where it is. Deploy again",
        slot.name, launch.pid
    )))
}

fn move_to(args: &Args, site: &Site, slot: &Slot) -> Result<Switch> {
    let began = Instant::now();
    let front = Front::of(site)?;
    // From here on a signal means: undo, then end.
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("listen for signals")?;
    }
    let upstream = match Upstream::read(&site.upstream_file) {
        Ok(upstream) => Some(upstream),
        // The scripts' own `tee` makes the file; nginx must find it there when it reloads.
        Err(_) if !site.upstream_file.exists() => None,
        Err(why) => return Err(why),
    };
    let from = upstream.as_ref().and_then(|upstream| upstream.points_at(site));
    let done = |evidence| Switch {
        from: from.as_ref().map(Name::to_string),
        to: slot.name.to_string(),
        form: "reload",
        took_ms: (began.elapsed().as_secs_f64() * 1e4).round() / 10.0,
        evidence,
    };
    let already = Witnesses { front: front.as_ref(), before: None, reloaded: false, interrupted: &interrupted };
    if front.is_some() && from.as_ref() == Some(&slot.name) && already.see(&slot.name, ALREADY_WITHIN).is_ok() {
        return Ok(done("front"));
    }
    let text = match &upstream {
        Some(upstream) => upstream.moved_to(slot)?,
        None => reload_form(slot),
    };
    let nginx = Nginx::new(&args.nginx, args.pid_file.clone())?;
    let within = *args.verify_timeout;
    let plan = Unfinished {
        from: from.as_ref().map(Name::to_string),
        to: slot.name.to_string(),
        before: upstream.map(|upstream| upstream.text),
    };
    let reload = Reload { site, nginx: &nginx, front: front.as_ref(), within, interrupted: &interrupted };
    reload.apply(&plan, &text, &slot.name).map(done)
}

fn say(args: &Args, site: &Site, switch: &Switch, took: Duration) {
    let seen = match switch.evidence {
        "front" => format!("seen {IN_A_ROW} of {IN_A_ROW} times at {}", site.front),
        _ => "seen in nginx's workers".to_owned(),
    };
    let moved = match &switch.from {
        Some(from) if *from == switch.to => format!("{} serves already", switch.to),
        Some(from) => format!("{from} -> {} by {}", switch.to, switch.form),
        None => format!("to {} by {}", switch.to, switch.form),
    };
    args.voice.done("switch", &format!("{moved}, {seen}"), Some(took));
}
