//! `--stop --after`: a slot is stopped later, by a process that nobody waits for.
//!
//! After a switch the old release stays for a while, so that going back takes no time; a small server wants its
//! memory back then. The CI step that deployed has ended by that time, and whatever it started has been killed. So a
//! process waits that is as detached as an application is. It looks again before it stops anything: it stops only the
//! very process that was meant, and not if that is live again. Of two that wait at one slot the one that was asked for last
//! rules: its `stop.log` is a new file, by which the other sees that it is called off.

use crate::hooks::Hooks;
use crate::start::agent::warning_of_a_wait;
use crate::start::hold::{GO, detach};
use crate::stop::{Clearing, vacate};
use crate::turn;
use anyhow::{Context, Result};
use bg_probe::live::last_look::ensure_idle;
use bg_probe::live::lingering::Lingering;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::detached;
use bg_probe::os::process::Process;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::site::advice::Advice;
use bg_probe::site::folder_app;
use bg_probe::site::holder::Errand;
use bg_probe::site::launched::Launched;
use bg_probe::site::lock::{INHERITED, Lock, Wait};
use nix::unistd::setsid;
use std::fs::Metadata;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// The pause between two looks at the process that is to be stopped.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much longer than draining and stopping it may hold the lock, on a machine that is busy.
const SLACK: Duration = Duration::from_secs(10);

/// Leaves a process behind that will stop the slot of `record`, and does not wait for it.
///
/// # Errors
/// When it can't be started; nothing will be stopped then.
pub(crate) fn leave(record: &Record, after: Duration, clearing: Clearing, hooks: &Hooks, voice: Voice) -> Result<()> {
    folder_app::ensure(&record.site)?;
    let slot = &record.slot;
    let Some((launched, running)) = meant(record)? else {
        voice.done("launch", &format!("nothing that bg-launch has started runs in {slot}"), None);
        return Ok(());
    };
    let when = when(record, after);
    let words = format!("pid {} in {slot} will be stopped {when}, unless it is live by then", running.pid);
    let mut its = record.clone();
    its.set("launch", &launched.process)?;
    start(&its, after, clearing, hooks)?;
    voice.done("launch", &words, None);
    if let Some(what) = warning_of_a_wait(running.pid) {
        let stop = Advice::call(&record.site, "bg-launch", &["--slot", slot.name.as_str(), "--stop"]);
        voice.warn(&format!("{what}; to stop it all the same: {stop}"));
    }
    Ok(())
}

/// When the slot will be stopped, in words: not before those have been moved who stay there after a switch.
fn when(record: &Record, after: Duration) -> String {
    let stays = Lingering::of(&record.site).filter(|now| now.old == record.slot && now.is_left().is_none());
    let until = stays.map(|now| humantime::format_rfc3339_seconds(now.until));
    let span = humantime::format_duration(after);
    match until {
        None if after.is_zero() => "now".to_owned(),
        None => format!("in {span}"),
        Some(until) if after.is_zero() => {
            format!("once nobody stays there any more, which is at {until} at the latest")
        }
        Some(until) => format!("in {span}, but not while anybody stays there, which is until {until} at the latest"),
    }
}

/// The last launch in the slot, and its process, if that runs and is the one in the record.
fn meant(record: &Record) -> Result<Option<(Launched, Process)>> {
    let Some(launched) = Launched::of(&record.site.dir, &record.slot.name)? else { return Ok(None) };
    let Some(running) = launched.running() else { return Ok(None) };
    let wanted = record.get::<Process>("launch")?;
    let is_meant = wanted.is_none_or(|wanted| wanted == launched.process || wanted == running);
    Ok(Some((launched, running)).filter(|_| is_meant))
}

/// Its log is a new one, which calls off who waits already.
fn start(record: &Record, after: Duration, clearing: Clearing, hooks: &Hooks) -> Result<()> {
    let time = |flag: &str, time: Duration| format!("--{flag}={}", humantime::format_duration(time));
    let mut command = Command::new("/proc/self/exe");
    command.arg0("bg-launch").args(["--stop", "--detached"]).arg(time("after", after));
    command.arg(time("drain", clearing.drain)).arg(time("stop-timeout", clearing.grace.within));
    command.arg(format!("--stop-signal={}", clearing.grace.signal));
    command.args(hooks.after_retire.iter().map(|hook| format!("--after-retire={hook}")));
    command.arg(time("hook-timeout", *hooks.hook_timeout));
    for name in [INHERITED, "BG_LAUNCH_SLOT", "BG_LAUNCH_ADOPT"] {
        command.env_remove(name);
    }
    detached::leave(command, &record.to_line()?, &path_of_log(record))
}

fn path_of_log(record: &Record) -> PathBuf {
    record.site.dir.slot(&record.slot.name).join("stop.log")
}

/// Whether another stop of the slot was asked for since: its log has the place of this one's, which is stderr.
fn is_called_off(record: &Record) -> bool {
    let same = |ours: &Metadata, now: &Metadata| (ours.dev(), ours.ino()) == (now.dev(), now.ino());
    let both = (std::fs::metadata("/proc/self/fd/2"), std::fs::symlink_metadata(path_of_log(record)));
    matches!(&both, (Ok(ours), Ok(now)) if !same(ours, now))
}

/// Waits, and then stops the process in the record, if it is still there and not live.
///
/// # Errors
/// When it can't be stopped, or may not.
pub(crate) fn stop(record: &Record, after: Duration, clearing: Clearing, hooks: &Hooks, voice: Voice) -> Result<()> {
    let began = SystemTime::now();
    be_left_alone()?;
    let (site, slot) = (&record.site, &record.slot);
    let process = record.get::<Process>("launch")?.context("the record has no launch")?;
    let since = humantime::format_rfc3339_seconds(began);
    let when = humantime::format_duration(after);
    voice.done("launch", &format!("to stop pid {} in {slot} {when} after {since}", process.pid), None);
    let _ = Deadline::within(after).wait(LOOK_EVERY, || Ok(is_called_off(record) || !still_there(record, &process)))?;
    // Who wants to go back now has not long to wait, and nobody to ask.
    let most = clearing.drain.saturating_add(clearing.grace.within).saturating_add(SLACK);
    let errand = Errand::new(format!("stops pid {} in {slot}, as --stop-old asked", process.pid), most);
    let lock = turn_without_visitors(record, &process, &errand, voice)?;
    if is_called_off(record) {
        return Ok(());
    }
    if !still_there(record, &process) {
        voice.done("launch", &format!("pid {} is not there any more; nothing was stopped", process.pid), None);
        return Ok(());
    }
    ensure_idle(site, slot)?;
    let old = Launched::of(&site.dir, &slot.name)?;
    vacate(record, clearing, voice)?;
    // Nobody should wait for what follows.
    drop(lock);
    if let Some(old) = old {
        hooks.retired(site, slot, &old, voice);
    }
    Ok(())
}

/// The lock, once no visitor is left in the slot: those who stay there are moved by a process, or by the next who holds the
/// lock, and a share is ended by whoever gave it.
fn turn_without_visitors(record: &Record, process: &Process, errand: &Errand, voice: Voice) -> Result<Lock> {
    let site = &record.site;
    let stays = || Lingering::of(site).is_some_and(|now| now.old == record.slot && now.is_left().is_none());
    let has_a_share = || Upstream::read(&site.upstream_file).is_ok_and(|file| file.has_share(site, &record.slot));
    loop {
        let may_go_on = || Ok(is_called_off(record) || !still_there(record, process) || !(stays() || has_a_share()));
        let _ = Deadline::within(Duration::MAX).wait(LOOK_EVERY, may_go_on)?;
        let lock = turn::take_on(site, Wait { within: Duration::MAX.into() }, voice, Some(errand.clone()))?;
        if may_go_on()? {
            return Ok(lock);
        }
    }
}

/// Leaves the session, the descriptors and the signals of the process that started this one, and reports that on stdin,
/// a socket.
fn be_left_alone() -> Result<()> {
    setsid().context("setsid")?;
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().context("keep the socket")?);
    detach(Some(socket.as_raw_fd()))?;
    socket.write_all(GO).context("report that it waits")
}

/// Whether the slot still has the process that was meant. One that systemd has started in its place is the same launch.
fn still_there(record: &Record, process: &Process) -> bool {
    let last = Launched::of(&record.site.dir, &record.slot.name).ok().flatten();
    last.is_some_and(|last| last.process == *process && (last.unit.is_some() || process.is_alive()))
}
