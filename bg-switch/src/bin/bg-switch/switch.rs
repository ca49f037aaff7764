//! What `bg-switch` does: check that the slot may be switched to, do what the file's form asks, and say what
//! was seen.

use crate::args::Args;
use crate::form::convert;
use crate::form::link;
use crate::form::reload::Reload;
use crate::nginx::Nginx;
use crate::preflight;
use crate::preflight::obstacles;
use crate::print;
use crate::proof::{AT_ONCE, IN_A_ROW, Witnesses};
use crate::target::{ensure_fit, subject};
use anyhow::{Context, Result};
use bg_probe::cli::preflight::conclude;
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::front::{Answer, Front, LIMITED, Silence};
use bg_probe::live::pending::{self, Pending};
use bg_probe::nginx::upstream::{Form, Upstream, reload as reload_form, site_of};
use bg_probe::os::http::NoReply;
use bg_probe::os::signals::heeded;
use bg_probe::say::exit::Exit;
use bg_probe::say::stdout::print;
use bg_probe::site::first_to_go::put_back;
use bg_probe::site::launched::Launched;
use bg_probe::site::lock::Lock;
use bg_probe::site::settings::FrontSetting;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Name, Slot};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

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
    let site = || site_of(&args.settings);
    if args.check.check {
        return conclude(&preflight::findings(args, &site()?)?, args.check.json, args.voice);
    }
    if args.print.server {
        return print(&print::server(&site()?, &args.print)?);
    }
    if args.print.upstream {
        let nginx = Nginx::new(&args.nginx, args.pid_file.clone())?;
        return print(&print::upstream(&site()?, args.print.form, &nginx, args.voice)?);
    }
    if let Some(form) = args.convert {
        return change_form(args, &site()?, form);
    }
    let mut record = subject(args)?;
    let site = record.site.clone();
    let lock = Lock::take(&site, args.wait, args.voice)?;
    ensure_fit(&record)?;
    let began = Instant::now();
    let switch = move_to(args, &site, &record.slot)?;
    say(args, &site, &switch, began.elapsed());
    keep(args, &site, &record.slot.name);
    record.set("switch", &switch)?;
    drop(lock);
    if let Err(why) = record.print() {
        // nginx has moved: whoever reads the exit code must not take it for a failure, and end what serves.
        args.voice.warn(&format!("nginx has moved, but the record could not be printed: {why:#}"));
    }
    Ok(())
}

/// Puts what serves now back among those that the kernel ends last when memory runs out: while it booted beside a live
/// one, it was the first. Also where nginx was there already, for an earlier switch may have come no further.
fn keep(args: &Args, site: &Site, slot: &Name) {
    let launched = Launched::of(&site.dir, slot);
    if let Err(why) = launched.and_then(|launched| launched.as_ref().map_or(Ok(()), put_back)) {
        let words = format!(
            "{slot} serves, but is still the first to go when memory runs out: {why:#}. \
             As the user it runs as, or as root: bg-switch --to {slot}"
        );
        args.voice.warn(&words);
    }
}

fn change_form(args: &Args, site: &Site, form: Form) -> Result<()> {
    let _lock = Lock::take(site, args.wait, args.voice)?;
    let began = Instant::now();
    let (nginx, front, interrupted) = surroundings(args, site)?;
    let within = *args.verify_timeout;
    let reload =
        Reload { site, nginx: &nginx, front: front.as_ref(), within, interrupted: &interrupted, voice: args.voice };
    settle(args, &reload)?;
    let (slot, evidence) = convert::convert(&reload, form)?;
    if form == Form::Link {
        for obstacle in obstacles::obstacles(site, &nginx) {
            args.voice.warn(&obstacle.to_string());
        }
    }
    let file = site.upstream_file.display();
    let form = form.name();
    let said = match evidence {
        Some(_) => format!("{file} has the {form} form now; {} serves as before", slot.name),
        None => format!("{file} has the {form} form already; nothing was changed"),
    };
    args.voice.done("switch", &said, Some(began.elapsed()));
    Ok(())
}

/// Brings file and nginx together where an earlier switch or conversion was cut short; whether there was one.
fn settle(args: &Args, reload: &Reload) -> Result<bool> {
    let settled = [pending::settle(reload.site)?, convert::settle(reload)?];
    settled.iter().flatten().for_each(|words| args.voice.warn(words));
    Ok(settled.iter().any(Option::is_some))
}

/// What a change needs: nginx as a program, the front, and an ear for signals, which from here on mean: undo, then
/// end.
fn surroundings(args: &Args, site: &Site) -> Result<(Nginx, Option<Front>, Arc<AtomicBool>)> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in heeded() {
        signal_hook::flag::register(signal as i32, Arc::clone(&interrupted)).context("listen for signals")?;
    }
    Ok((Nginx::new(&args.nginx, args.pid_file.clone())?, Front::of(site)?, interrupted))
}

fn move_to(args: &Args, site: &Site, slot: &Slot) -> Result<Switch> {
    let began = Instant::now();
    let (nginx, front, interrupted) = surroundings(args, site)?;
    let (front, within) = (front.as_ref(), *args.verify_timeout);
    let reload = Reload { site, nginx: &nginx, front, within, interrupted: &interrupted, voice: args.voice };
    let settled = settle(args, &reload)?;
    let upstream = there(site)?;
    let file_says = upstream.as_ref().and_then(|upstream| upstream.points_at(site));
    let served = serving(front);
    let from = served.clone().or_else(|| file_says.clone());
    let form = upstream.as_ref().map_or(Form::Reload, Upstream::form);
    let witnesses = Witnesses { front, reloaded: None, interrupted: &interrupted };
    let agreed = front.is_some() && file_says.as_ref() == Some(slot) && from == file_says;
    // What was cut short may have left a reload under way.
    let already = agreed && !settled && witnesses.see(slot, AT_ONCE).is_ok();
    let evidence = match form {
        _ if already => Ok("front"),
        Form::Link => {
            link::ensure_ours(&site.dir, upstream.as_ref().and_then(Upstream::flag).unwrap_or(Path::new("/")))?;
            link::switch(&site.dir, from.as_ref(), slot, &witnesses, within).map_err(|why| explained(why, site, &nginx))
        }
        Form::Reload => rewrite(&reload, upstream.as_ref(), from.as_ref(), slot),
    };
    let evidence = match (evidence, front) {
        (Err(why), Some(front)) if served.is_none() => Err(without_a_name(why, front, &site.front)),
        (evidence, _) => evidence,
    }?;
    let took_ms = (began.elapsed().as_secs_f64() * 1e4).round() / 10.0;
    Ok(Switch {
        from: from.map(|from| from.to_string()),
        to: slot.name.to_string(),
        form: form.name(),
        took_ms,
        evidence,
    })
}

/// The upstream file, if there is one. The scripts' own `tee` makes it, and so does bg-switch.
fn there(site: &Site) -> Result<Option<Upstream>> {
    match Upstream::read(&site.upstream_file) {
        Ok(upstream) => Ok(Some(upstream)),
        Err(_) if !site.upstream_file.exists() => Ok(None),
        Err(why) => Err(why),
    }
}

/// The slot that nginx serves, where the front names it.
fn serving(front: Option<&Front>) -> Option<Slot> {
    match front?.ask(FRONT_WITHIN) {
        Answer::Slot(slot) => Some(slot),
        Answer::NoSlot(_) | Answer::Limited(_) => None,
    }
}

fn rewrite(reload: &Reload, upstream: Option<&Upstream>, from: Option<&Slot>, slot: &Slot) -> Result<&'static str> {
    let site = reload.site;
    let text = upstream.map_or_else(|| Ok(reload_form::text(site, slot)), |upstream| upstream.moved_to(site, slot))?;
    let before = match (upstream, from) {
        // An edit that was never reloaded: to go back to it would move nginx to where it never was.
        (Some(upstream), Some(from)) if upstream.points_at(site).as_ref() != Some(from) => {
            Some(upstream.moved_to(site, from)?)
        }
        (upstream, _) => upstream.map(|upstream| upstream.text.clone()),
    };
    let plan = Pending { from: from.map(Slot::to_string), to: slot.name.to_string(), before, is_conversion: false };
    reload.apply(&plan, &text, slot)
}

/// Adds that a front which named no slot before either may be one that can't.
fn without_a_name(why: anyhow::Error, front: &Front, url: &FrontSetting) -> anyhow::Error {
    if Exit::of(&why) != Exit::NotMoved {
        return why;
    }
    let likely = match front.ask(AT_ONCE) {
        Answer::NoSlot(Silence::NoReply(NoReply::Refused)) => {
            format!("nothing listens at {url}: does nginx run? systemctl status nginx")
        }
        Answer::Limited(_) => LIMITED.to_owned(),
        _ => format!("{url} named no slot before either: if it never does, say so with --front - (BG_FRONT=-)"),
    };
    Exit::NotMoved.because(format!("{why:#}\n  likely    {likely}"))
}

/// Adds what may have kept nginx from following the link.
fn explained(why: anyhow::Error, site: &Site, nginx: &Nginx) -> anyhow::Error {
    let reasons: Vec<String> = obstacles::obstacles(site, nginx).iter().map(ToString::to_string).collect();
    if Exit::of(&why) != Exit::NotMoved || reasons.is_empty() {
        return why;
    }
    Exit::NotMoved.because(format!("{why:#}\n  likely    {}", reasons.join("\n            ")))
}

fn say(args: &Args, site: &Site, switch: &Switch, took: Duration) {
    let seen = match switch.evidence {
        "front" => format!("seen {IN_A_ROW} times at {}", site.front),
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
