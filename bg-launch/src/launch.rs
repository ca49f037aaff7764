//! What `bg-launch` does, in the order that keeps what may be serving alive: everything that can be refused is
//! refused before anything is stopped.

use crate::args::Args;
use crate::artifact;
use crate::release::{self, Release};
use crate::start;
use crate::template::Template;
use crate::tenant::Tenant;
use anyhow::{Context, Result};
use bg_launch::{Launch, session};
use bg_probe::lock::Lock;
use bg_probe::port;
use bg_probe::probe::{ensure_idle, subject};
use bg_probe::process::Launched;
use bg_probe::record::Record;
use bg_probe::unfinished;
use std::time::Instant;

/// Runs the program.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut record = subject(&args.settings, args.slot.as_ref())?;
    record.site.dir.ensure_own()?;
    let lock = Lock::take(&record.site.dir, args.wait, "bg-launch")?;
    if let Some(words) = unfinished::settle(&record.site)? {
        args.voice.warn("bg-launch", &words);
    }
    if args.stop {
        return stop(args, &record);
    }
    let launch = if args.current { current(args, &record)? } else { Some(new(args, &record)?) };
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
    ensure_idle(site, slot)?;
    Tenant::of(site, slot, args.adopt)?;
    let release = Release::make(&site.dir, artifact, &template)?;
    let ready = make_ready(args, record, &release);
    if ready.is_err() {
        // It is the failure that counts; what can't be removed is pruned by a later run.
        let _ = release.discard(&site.dir);
    }
    let command = ready?;
    release.put_into(&site.dir, &slot.name)?;
    begin(args, record, &release, &command)
}

/// The last checks, and room in the slot; the command to start then.
fn make_ready(args: &Args, record: &Record, release: &Release) -> Result<Vec<String>> {
    let command = start::command(release, &record.slot)?;
    start::ensure_folders(&record.site, &record.slot, args.workdir.as_deref())?;
    vacate(args, record)?;
    Ok(command)
}

/// Starts the release that the slot holds already, unless something is there. `None` where what is there was not
/// started by bg-launch, as after a move from other scripts: it is left as it is, and bg-health decides.
fn current(args: &Args, record: &Record) -> Result<Option<Launch>> {
    let (site, slot) = (&record.site, &record.slot);
    let held = Release::in_slot(&site.dir, &slot.name)?;
    let last = Launched::of(&site.dir, &slot.name)?;
    if let Some(running) = last.as_ref().filter(|launched| launched.process().is_alive()) {
        let words = format!("release {} runs already in {} as pid {}", running.release, slot.name, running.pid);
        args.voice.done("launch", &words, None);
        return Ok(Some(facts(running, held.as_ref(), true)));
    }
    if port::listens(slot.port) {
        let words = format!("{} runs already, but not as bg-launch started it; left as it is", slot.name);
        args.voice.done("launch", &words, None);
        return Ok(None);
    }
    let release = held.with_context(|| format!("{} holds no release: there is nothing to start again", slot.name))?;
    let command = start::command(&release, slot)?;
    // Nothing listens, so nothing here can be serving, live or not: to start it again is how a live one comes back.
    if let Some(remains) = last {
        session::stop(&remains, *args.stop_timeout)?;
    }
    begin(args, record, &release, &command).map(Some)
}

/// Stops what is in the slot and starts nothing.
fn stop(args: &Args, record: &Record) -> Result<()> {
    // Before draining: nobody is to wait for visitors who will not go.
    ensure_idle(&record.site, &record.slot)?;
    if !vacate(args, record)? {
        args.voice.done("launch", &format!("nothing runs in {}", record.slot.name), None);
    }
    Ok(())
}

/// Drains the slot and stops what is in it; whether there was anything.
fn vacate(args: &Args, record: &Record) -> Result<bool> {
    let (site, slot) = (&record.site, &record.slot);
    let began = Instant::now();
    Tenant::of(site, slot, args.adopt)?.drain(*args.drain)?;
    // The record may be old, and draining took its time: this is the last look before the first harm.
    ensure_idle(site, slot)?;
    let stopped = Tenant::of(site, slot, args.adopt)?.stop(*args.stop_timeout)?;
    if let Some(words) = &stopped {
        args.voice.done("launch", words, Some(began.elapsed()));
    }
    Ok(stopped.is_some())
}

fn begin(args: &Args, record: &Record, release: &Release, command: &[String]) -> Result<Launch> {
    let (site, slot) = (&record.site, &record.slot);
    let began = Instant::now();
    let launched = start::start(site, slot, release, command, args.workdir.as_deref())?;
    // The program alone: what else is in the command may be a secret.
    args.voice.detail("bg-launch", &format!("running {}, its output is in {}", command[0], launched.log));
    args.voice.done("launch", &format!("release {} as pid {}", release.name, launched.pid), Some(began.elapsed()));
    // Room is made last: a deploy does not fail for the sake of old files.
    let pruned = release::prune(&site.dir, args.keep).and_then(|()| start::prune_logs(site, &slot.name, args.keep));
    if let Err(why) = pruned {
        args.voice.warn("bg-launch", &format!("old releases and logs stay: {why:#}"));
    }
    Ok(facts(&launched, Some(release), false))
}

fn facts(launched: &Launched, release: Option<&Release>, was_running: bool) -> Launch {
    let process = launched.process();
    let release = release.filter(|release| release.name == launched.release);
    let artifact = release.and_then(|release| Some(release.artifact.as_ref()?.to_str()?.to_owned()));
    Launch {
        pid: process.pid,
        start_ticks: process.start_ticks,
        boot_id: process.boot_id,
        release: launched.release.clone(),
        artifact,
        log: launched.log.clone(),
        was_running,
    }
}
