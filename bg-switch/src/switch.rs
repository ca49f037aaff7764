//! What `bg-switch` does: check that the slot may be switched to, do what the file's form asks, and say what
//! was seen.

use crate::args::Args;
use crate::nginx::Nginx;
use crate::proof::{IN_A_ROW, Witnesses};
use crate::reload::Reload;
use crate::site::{self, Form};
use crate::{convert, explain, link};
use anyhow::{Context, Result};
use bg_probe::exit::Exit;
use bg_probe::front::Front;
use bg_probe::lock::Lock;
use bg_probe::port;
use bg_probe::process::{Launched, Process};
use bg_probe::record::{Record, print};
use bg_probe::settings::Site;
use bg_probe::slot::{Name, Slot};
use bg_probe::unfinished::{self, Unfinished};
use bg_probe::upstream::{self, Upstream, reload_form};
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
    let site = || args.settings.site();
    if args.print.server {
        return print(&site::server(&site()?, &args.print)?);
    }
    if args.print.upstream {
        return print(&site::upstream(&site()?, args.print.form)?);
    }
    if let Some(form) = args.convert {
        return change_form(args, &site()?, form);
    }
    let mut record = subject(args)?;
    let site = record.site.clone();
    let lock = Lock::take(&site.dir, args.wait, "bg-switch")?;
    ensure_fit(&record)?;
    let began = Instant::now();
    let switch = move_to(args, &site, &record.slot)?;
    say(args, &site, &switch, began.elapsed());
    record.set("switch", &switch)?;
    drop(lock);
    record.print()
}

fn change_form(args: &Args, site: &Site, form: Form) -> Result<()> {
    let _lock = Lock::take(&site.dir, args.wait, "bg-switch")?;
    let began = Instant::now();
    let (nginx, front, interrupted) = surroundings(args, site)?;
    let reload =
        Reload { site, nginx: &nginx, front: front.as_ref(), within: *args.verify_timeout, interrupted: &interrupted };
    settle(args, &reload)?;
    let (slot, evidence) = convert::convert(&reload, form)?;
    let file = site.upstream_file.display();
    let form = if form == Form::Link { "link" } else { "reload" };
    let said = match evidence {
        Some(_) => format!("{file} has the {form} form now; {} serves as before", slot.name),
        None => format!("{file} has the {form} form already; nothing was changed"),
    };
    args.voice.done("switch", &said, Some(began.elapsed()));
    Ok(())
}

/// Brings file and nginx together where an earlier switch or conversion was cut short.
fn settle(args: &Args, reload: &Reload) -> Result<()> {
    for words in [unfinished::settle(reload.site)?, convert::settle(reload)?].into_iter().flatten() {
        args.voice.warn("bg-switch", &words);
    }
    Ok(())
}

/// What a change needs: nginx as a program, the front, and an ear for signals, which from here on mean: undo, then
/// end.
fn surroundings(args: &Args, site: &Site) -> Result<(Nginx, Option<Front>, Arc<AtomicBool>)> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("listen for signals")?;
    }
    Ok((Nginx::new(&args.nginx, args.pid_file.clone())?, Front::of(site)?, interrupted))
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
    let (nginx, front, interrupted) = surroundings(args, site)?;
    let within = *args.verify_timeout;
    let reload = Reload { site, nginx: &nginx, front: front.as_ref(), within, interrupted: &interrupted };
    settle(args, &reload)?;
    let upstream = match Upstream::read(&site.upstream_file) {
        Ok(upstream) => Some(upstream),
        // The scripts' own `tee` makes the file; nginx must find it there when it reloads.
        Err(_) if !site.upstream_file.exists() => None,
        Err(why) => return Err(why),
    };
    let from = upstream.as_ref().and_then(|upstream| upstream.points_at(site));
    let form = upstream.as_ref().map_or("reload", |upstream| upstream.form.name());
    let witnesses = Witnesses { front: front.as_ref(), before: None, reloaded: false, interrupted: &interrupted };
    let already =
        front.is_some() && from.as_ref() == Some(&slot.name) && witnesses.see(&slot.name, ALREADY_WITHIN).is_ok();
    let evidence = match &upstream {
        _ if already => "front",
        Some(Upstream { form: upstream::Form::Link { flag, .. }, .. }) => {
            link::ensure_ours(&site.dir, flag)?;
            link::switch(&site.dir, &slot.name, &witnesses, within).map_err(|why| explained(why, site, &nginx))?
        }
        _ => rewrite(&reload, upstream.as_ref(), from.as_ref(), slot)?,
    };
    let took_ms = (began.elapsed().as_secs_f64() * 1e4).round() / 10.0;
    Ok(Switch { from: from.map(|from| from.to_string()), to: slot.name.to_string(), form, took_ms, evidence })
}

fn rewrite(reload: &Reload, upstream: Option<&Upstream>, from: Option<&Name>, slot: &Slot) -> Result<&'static str> {
    let text = match upstream {
        Some(upstream) => upstream.moved_to(slot)?,
        None => reload_form(slot),
    };
    let plan = Unfinished {
        from: from.map(Name::to_string),
        to: slot.name.to_string(),
        before: upstream.map(|upstream| upstream.text.clone()),
    };
    reload.apply(&plan, &text, &slot.name)
}

/// Adds what may have kept nginx from following the link.
fn explained(why: anyhow::Error, site: &Site, nginx: &Nginx) -> anyhow::Error {
    let reasons = explain::unseen(site, nginx);
    if Exit::of(&why) != Exit::NotMoved || reasons.is_empty() {
        return why;
    }
    Exit::NotMoved.because(format!("{why:#}\n  likely    {}", reasons.join("\n            ")))
}

fn say(args: &Args, site: &Site, switch: &Switch, took: Duration) {
    let seen = match switch.evidence {
        "front" => format!("seen {IN_A_ROW} of {IN_A_ROW} times at {}", site.front),
        "link" => "not seen, for there is no front to ask".to_owned(),
        _ => "seen in nginx's workers".to_owned(),
    };
    let moved = match &switch.from {
        Some(from) if *from == switch.to => format!("{} serves already", switch.to),
        Some(from) => format!("{from} -> {} by {}", switch.to, switch.form),
        None => format!("to {} by {}", switch.to, switch.form),
    };
    args.voice.done("switch", &format!("{moved}, {seen}"), Some(took));
}
