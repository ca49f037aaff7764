//! What `bg-launch` does, in the order that keeps what may be serving alive: everything that can be refused is
//! refused before anything is stopped.

use crate::args::Args;
use crate::boot_unit;
use crate::later;
use crate::occupant::Occupant;
use crate::preflight;
use crate::preflight::memory;
use crate::release::Release;
use crate::release::artifact;
use crate::release::prune::prune;
use crate::release::shelf;
use crate::release::template::Template;
use crate::revive;
use crate::start::agent;
use crate::start::detached;
use crate::start::mode::{Mode, Via};
use crate::start::systemd;
use crate::start::{self, Start};
use anyhow::{Context, Result};
use bg_launch::Launch;
use bg_launch::replaced::Replaced;
use bg_probe::cli::preflight::conclude;
use bg_probe::live::last_look::ensure_idle;
use bg_probe::live::pending;
use bg_probe::live::subject::subject;
use bg_probe::nginx::upstream::{ensure_movable, site_of};
use bg_probe::os::process::Process;
use bg_probe::record::Record;
use bg_probe::say::stdout::print;
use bg_probe::site::first_to_go::put_back;
use bg_probe::site::launched::Launched;
use bg_probe::site::lock::Lock;
use bg_probe::site::slot::Name;
use bg_probe::site::unit::Unit;
use std::time::Instant;

/// Runs the program.
pub(crate) fn run(args: &Args) -> Result<()> {
    // Before anything else: to check is to start nothing.
    if args.check.check {
        return conclude(&preflight::findings(args, &site_of(&args.settings)?), args.check.json, args.voice);
    }
    if args.print_unit {
        return print(&boot_unit::unit(args)?);
    }
    if args.live {
        return revive::run(args);
    }
    let mut record = subject(&args.settings, args.slot.as_ref())?;
    record.site.dir.ensure_own()?;
    match args.later.after {
        Some(after) if args.later.detached => return later::stop(args, &record, *after),
        Some(after) => return later::leave(args, &record, *after),
        None => {}
    }
    let lock = Lock::take(&record.site, args.wait, args.voice)?;
    if let Some(words) = pending::settle(&record.site)? {
        args.voice.warn(&words);
    }
    if args.stop {
        return stop(args, &record);
    }
    let launch = match &args.release {
        Some(wanted) => Some(another(args, &record, wanted)?),
        None if args.current => current(args, &record)?,
        None => Some(new(args, &record)?),
    };
    if let Some(launch) = launch {
        record.set("launch", &launch)?;
    }
    // The next stage begins as soon as it has the record, and may need the lock.
    drop(lock);
    record.print()
}

/// Puts a new release into the slot and starts it.
fn new(args: &Args, record: &Record) -> Result<Launch> {
    let (site, slot) = (&record.site, &record.slot);
    let artifact = artifact::choose(&args.artifact)?;
    let template = Template::new(&args.command, artifact)?;
    let mode = Mode::of(args, None)?;
    ensure_movable(site)?;
    ensure_idle(site, slot)?;
    Occupant::of(site, slot, args.adopt)?;
    let release = Release::make(&site.dir, artifact, &template)?;
    let ready = make_ready(args, record, &release, &mode);
    if ready.is_err() {
        // It is the failure that counts; what can't be removed is pruned by a later run.
        let _ = release.discard(&site.dir);
    }
    let command = ready?;
    let gives_way = gives_way(record);
    place(args, &Start { site, slot, release: &release, command: &command, mode: &mode, gives_way }, record)
}

/// The last checks, and room in the slot; the command to start then.
fn make_ready(args: &Args, record: &Record, release: &Release, mode: &Mode) -> Result<Vec<String>> {
    let (site, slot) = (&record.site, &record.slot);
    let command = start::command(release, slot)?;
    mode.ensure_folders(site, slot)?;
    if mode.via == Via::Systemd {
        systemd::ensure_possible(site, slot, Launched::of(&site.dir, &slot.name)?.as_ref())?;
    }
    vacate(args, record)?;
    Ok(command)
}

/// Has the slot hold the release, and starts it there; where that fails, it holds what it held before.
fn place(args: &Args, start: &Start, record: &Record) -> Result<Launch> {
    let (dir, slot) = (&start.site.dir, &start.slot.name);
    let replaced = Replaced::by_what_comes_into(dir, slot);
    let begun = start.release.put_into(dir, slot).and_then(|()| begin(args, start, record));
    if begun.is_err()
        && let Err(why) = replaced.put_back(dir, slot)
    {
        args.voice.warn(&format!("{slot} still holds release {}: {why:#}", start.release.name));
    }
    let launch = begun?;
    // Room is made last: a deploy does not fail for the sake of old files. The slot may have to hold the one before
    // again.
    if let Err(why) = prune(dir, args.keep, replaced.release()) {
        args.voice.warn(&format!("old releases stay: {why:#}"));
    }
    Ok(Launch { replaced: Some(replaced), ..launch })
}

/// Puts a release that is on disk into the slot and starts it, unless it runs there already.
fn another(args: &Args, record: &Record, wanted: &str) -> Result<Launch> {
    let (site, slot) = (&record.site, &record.slot);
    let release = shelf::pick(&site.dir, wanted)?;
    let last = Launched::of(&site.dir, &slot.name)?;
    let running = last.as_ref().and_then(|last| Some((last, last.running()?)));
    if let Some((last, process)) = running.filter(|(last, _)| last.release == release.name) {
        let words = format!("release {} runs already in {} as pid {}", last.release, slot.name, process.pid);
        args.voice.done("launch", &words, None);
        // A launch that could only be undone by half leaves it so.
        if site.dir.release(&slot.name).as_ref() != Some(&release.name) {
            release.put_into(&site.dir, &slot.name)?;
        }
        return Ok(facts(last, process, Some(&release), true));
    }
    ensure_movable(site)?;
    ensure_idle(site, slot)?;
    Occupant::of(site, slot, args.adopt)?;
    let mode = Mode::of(args, last.as_ref())?;
    let command = make_ready(args, record, &release, &mode)?;
    let gives_way = gives_way(record);
    place(args, &Start { site, slot, release: &release, command: &command, mode: &mode, gives_way }, record)
}

/// Starts the release that the slot holds already, unless something is there. `None` where what is there was not
/// started by bg-launch, as after a move from other scripts: it is left as it is, and bg-health decides.
pub(crate) fn current(args: &Args, record: &Record) -> Result<Option<Launch>> {
    let (site, slot) = (&record.site, &record.slot);
    let held = Release::in_slot(&site.dir, &slot.name)?;
    let last = Launched::of(&site.dir, &slot.name)?;
    // A watchdog finds that everything is as it should be once a minute.
    let say = |words: &str| {
        if args.live { args.voice.detail(words) } else { args.voice.done("launch", words, None) }
    };
    if let Some((last, process)) = last.as_ref().and_then(|last| Some((last, last.running()?))) {
        say(&format!("release {} runs already in {} as pid {}", last.release, slot.name, process.pid));
        if args.live {
            keep(args, last, &slot.name);
        }
        return Ok(Some(facts(last, process, held.as_ref(), true)));
    }
    if slot.listens() {
        say(&format!("{} runs already, but not as bg-launch started it; left as it is", slot.name));
        return Ok(None);
    }
    let release = held.with_context(|| format!("{} holds no release: there is nothing to start again", slot.name))?;
    let command = start::command(&release, slot)?;
    let mode = Mode::of(args, last.as_ref())?;
    mode.ensure_folders(site, slot)?;
    if mode.via == Via::Systemd {
        systemd::ensure_possible(site, slot, last.as_ref())?;
    }
    // Nothing listens, so nothing here can be serving, live or not: to start it again is how a live one comes back.
    if let Some(remains) = last {
        bg_launch::stop(&remains, *args.stop_timeout)?;
    }
    let gives_way = gives_way(record);
    begin(args, &Start { site, slot, release: &release, command: &command, mode: &mode, gives_way }, record).map(Some)
}

/// Stops what is in the slot and starts nothing. Where the record is of the launch that put it there, the slot
/// holds again what it held before.
fn stop(args: &Args, record: &Record) -> Result<()> {
    let undone = undone(record)?;
    // Before draining: nobody is to wait for visitors who will not go.
    ensure_not_serving(record)?;
    if !vacate(args, record)? {
        args.voice.done("launch", &format!("nothing runs in {}", record.slot.name), None);
    }
    let Some(replaced) = undone else { return Ok(()) };
    replaced.put_back(&record.site.dir, &record.slot.name)?;
    let held = replaced.release().map_or("no release".to_owned(), |name| format!("release {name}"));
    args.voice.done("launch", &format!("{} holds {held} again", record.slot.name), None);
    Ok(())
}

/// What the launch in the record has replaced, if that is the last one in its slot.
fn undone(record: &Record) -> Result<Option<Replaced>> {
    let (dir, slot) = (&record.site.dir, &record.slot.name);
    let Some(launch) = record.get::<Launch>("launch")? else { return Ok(None) };
    let is_last = Launched::of(dir, slot)?.is_some_and(|last| last.is(&launch.process))
        && dir.release(slot).as_ref() == Some(&launch.release);
    Ok(launch.replaced.filter(|_| is_last))
}

/// Refuses to stop what may be serving. What this very record has launched while no slot was live, and what does not
/// listen, serves nobody, whatever nginx is set to serve.
fn ensure_not_serving(record: &Record) -> Result<()> {
    let serves_nobody = record.live.is_none() && undone(record)?.is_some() && !record.slot.listens();
    if serves_nobody { Ok(()) } else { ensure_idle(&record.site, &record.slot) }
}

/// Drains the slot and stops what is in it; whether there was anything.
///
/// # Errors
/// When it is live by then, or somebody is in it who may not be stopped.
pub(crate) fn vacate(args: &Args, record: &Record) -> Result<bool> {
    let (site, slot) = (&record.site, &record.slot);
    let began = Instant::now();
    Occupant::of(site, slot, args.adopt)?.drain(*args.drain)?;
    // The record may be old, and draining took its time: this is the last look before the first harm.
    ensure_not_serving(record)?;
    let stopped = Occupant::of(site, slot, args.adopt)?.stop(*args.stop_timeout)?;
    if let Some(words) = &stopped {
        args.voice.done("launch", words, Some(began.elapsed()));
    }
    Ok(stopped.is_some())
}

/// Whether what is started now has another beside it that serves.
fn gives_way(record: &Record) -> bool {
    record.live_beside().is_some()
}

/// Sees that what is live is not the first to go when memory runs out: a switch to it may have been cut short.
fn keep(args: &Args, live: &Launched, slot: &Name) {
    if let Err(why) = put_back(live) {
        let words = format!("{slot} is live, and still the first to go when memory runs out: {why:#}");
        args.voice.warn(&words);
    }
}

fn begin(args: &Args, start: &Start, record: &Record) -> Result<Launch> {
    warn(args, start, record);
    if let Some(live) = record.live.as_ref().filter(|_| start.gives_way)
        && let Ok(Some(launched)) = Launched::of(&start.site.dir, &live.name)
    {
        keep(args, &launched, &live.name);
    }
    let began = Instant::now();
    let launched = start.run()?;
    let journal = launched.unit.as_ref().map(Unit::journal);
    let output = launched.log.clone().or(journal).unwrap_or_default();
    // The program alone: what else is in the command may be a secret.
    args.voice.detail(&format!("running {}, its output is in {output}", start.command[0]));
    let name = launched.unit.as_ref().map_or_else(String::new, |unit| format!("{unit}, "));
    let words = format!("release {} as {name}pid {}", start.release.name, launched.process.pid);
    args.voice.done("launch", &words, Some(began.elapsed()));
    if let Err(why) = detached::prune_logs(start.site, &start.slot.name, args.keep) {
        args.voice.warn(&format!("old logs stay: {why:#}"));
    }
    let process = launched.process.clone();
    Ok(facts(&launched, process, Some(start.release), false))
}

/// Says what may surprise somebody later, while it can still be prevented.
fn warn(args: &Args, start: &Start, record: &Record) {
    let (site, slot) = (start.site, start.slot);
    if start.mode.is_root_by_default() {
        args.voice.warn("the application runs as root; with --user NAME it runs as another user");
    }
    if start.mode.via == Via::Systemd {
        systemd::warn_of_logout(args.voice, site, slot);
    } else if let Some((what, remedy)) = agent::warning() {
        args.voice.warn(&format!("{what}: {remedy}"));
    }
    if let Some(words) = record.live_beside().and_then(|live| memory::warning(site, live)) {
        args.voice.warn(&words);
    }
}

/// What the record says of a launch, of which `process` runs now.
fn facts(launched: &Launched, process: Process, release: Option<&Release>, was_running: bool) -> Launch {
    let release = release.filter(|release| release.name == launched.release);
    let artifact = release.and_then(|release| Some(release.artifact.as_ref()?.to_str()?.to_owned()));
    // It runs, whether or not systemd says more of it; without this, its journal is not shown.
    let state = launched.unit.as_ref().and_then(|unit| unit.state().ok());
    Launch {
        process,
        release: launched.release.clone(),
        artifact,
        sha256: release.and_then(|release| release.sha256.clone()),
        log: launched.log.clone(),
        unit: launched.unit.clone(),
        invocation: state.map(|state| state.invocation),
        replaced: None,
        was_running,
    }
}
