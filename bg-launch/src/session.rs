//! Stopping the processes of a launch that is a session of its own.

use crate::Grace;
use anyhow::{Context, Result, ensure};
use bg_probe::os::deadline::Deadline;
use bg_probe::os::lifetime::Lifetime;
use bg_probe::os::process::{Process, Stat, command_line};
use bg_probe::say::{self, Voice};
use bg_probe::site::family::{self, among, of_session as members};
use bg_probe::site::launched::Launched;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// The pause between two looks at what should end.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How soon most end that are asked to. So long the kernel says when, and nothing is looked at.
const PROMPTLY: Duration = Duration::from_millis(250);

/// How long the kernel may take to end a process after SIGKILL.
pub(crate) const KILL_WITHIN: Duration = Duration::from_secs(5);

/// How long something is waited for without a word.
const SILENT: Duration = Duration::from_secs(1);

/// How a session was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing of it was left.
    WasGone,
    /// It ended by itself after the signal that asks for that.
    Ended,
    /// It had to be killed.
    Killed,
}

/// Stops what was launched: the signal of `grace`, then SIGKILL; done when its processes are gone, and
/// with them every socket they held.
///
/// # Errors
/// When this user may not signal it, or it outlives SIGKILL.
pub fn stop(launched: &Launched, grace: Grace) -> Result<Stopped> {
    let leader = &launched.process;
    if !leader.is_alive() && members(leader, &launched.release)?.is_empty() {
        return Ok(Stopped::WasGone);
    }
    let life = Lifetime::of(leader);
    let signal = grace.signal.signal();
    let told = send_to(leader, &family::led(launched)?, signal)?;
    let signalled = Instant::now();
    let mut gone = gone(leader, &launched.release, signal, told);
    let _ = life.ends_within(grace.within.min(PROMPTLY));
    let left = Grace { within: grace.within.saturating_sub(signalled.elapsed()), ..grace };
    if asked(&format!("pid {}", leader.pid), left, &mut gone)? {
        return Ok(Stopped::Ended);
    }
    // Repeated: one of them may just have started another, in a group of its own.
    let killed = || {
        send_to(leader, &members(leader, &launched.release)?, Signal::SIGKILL)?;
        gone()
    };
    ensure!(
        wait(KILL_WITHIN, killed)?,
        "pid {} is still there {} after SIGKILL",
        leader.pid,
        say::seconds(KILL_WITHIN)
    );
    Ok(Stopped::Killed)
}

/// Whether nothing of a session is left, to be asked again and again: of the leader alone while it is there, then of those
/// that were found to outlive it, and only where none of these is left are all processes looked through. Who has not been
/// `told` to end, and was not in the leader's group, is told then.
fn gone(leader: &Process, release: &str, signal: Signal, mut told: Vec<i32>) -> impl FnMut() -> Result<bool> {
    let mut left = Vec::new();
    move || {
        if leader.is_alive() {
            return Ok(false);
        }
        left = among(&left, leader, release);
        if left.is_empty() {
            left = members(leader, release)?;
            let untold = left.iter().copied().filter(|pid| !told.contains(pid) && !is_in_group_of(leader, *pid));
            let untold: Vec<i32> = untold.collect();
            untold.iter().try_for_each(|pid| send(*pid, signal))?;
            told.extend(untold);
        }
        Ok(left.is_empty())
    }
}

fn is_in_group_of(leader: &Process, pid: i32) -> bool {
    Stat::of(pid).is_some_and(|stat| stat.group == leader.pid)
}

/// Stops processes that bg-launch did not start: the signal to each alone, for their group may hold others.
///
/// # Errors
/// Those of [`stop`].
pub fn stop_each(strangers: &[Process], grace: Grace) -> Result<Stopped> {
    let gone = || Ok(!strangers.iter().any(Process::is_alive));
    let signal_all = |signal| {
        strangers.iter().filter(|process| process.is_alive()).try_for_each(|process| send(process.pid, signal))
    };
    signal_all(grace.signal.signal())?;
    let alive = strangers.iter().find(|process| process.is_alive()).map_or(0, |process| process.pid);
    if asked(&format!("pid {alive}"), grace, gone)? {
        return Ok(Stopped::Ended);
    }
    signal_all(Signal::SIGKILL)?;
    ensure!(wait(KILL_WITHIN, gone)?, "the processes are still there {} after SIGKILL", say::seconds(KILL_WITHIN));
    Ok(Stopped::Killed)
}

/// Sends a signal to these members of a session: once to the leader's group, and to each of the others, which are returned.
fn send_to(leader: &Process, members: &[i32], signal: Signal) -> Result<Vec<i32>> {
    let (group, alone): (Vec<i32>, Vec<i32>) = members.iter().partition(|pid| is_in_group_of(leader, **pid));
    if !group.is_empty() {
        unless_gone(killpg(Pid::from_raw(leader.pid), signal), leader.pid, signal)?;
    }
    alone.iter().try_for_each(|pid| send(*pid, signal))?;
    Ok(alone)
}

fn send(pid: i32, signal: Signal) -> Result<()> {
    unless_gone(kill(Pid::from_raw(pid), signal), pid, signal)
}

/// The result of sending a signal: a process that is gone needs none.
fn unless_gone(sent: nix::Result<()>, pid: i32, signal: Signal) -> Result<()> {
    match sent {
        // It ended by itself between the look and the signal.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno).with_context(|| format!("{signal} to pid {pid} ({})", command_line(pid))),
    }
}

/// Waits until what was asked to end is gone, and says after a while that it is not and when it will be killed; whether it
/// was.
pub(crate) fn asked(who: &str, grace: Grace, gone: impl FnMut() -> Result<bool>) -> Result<bool> {
    let Grace { signal, within, voice } = grace;
    let words = |left| format!("{who} has not ended after SIG{signal}; SIGKILL in {}", say::seconds(left));
    wait_aloud(within, voice, words, gone)
}

/// Waits as [`wait`] does, and after a while says what for, of which `words` are told how long it may still take.
///
/// # Errors
/// Those of `done`.
pub fn wait_aloud(
    within: Duration,
    voice: Voice,
    words: impl FnOnce(Duration) -> String,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<bool> {
    let is_done = wait(within.min(SILENT), &mut done)?;
    if is_done || within <= SILENT {
        return Ok(is_done);
    }
    let left = within.saturating_sub(SILENT);
    voice.done("launch", &words(left), None);
    wait(left, done)
}

/// Waits until `done`, `within` at most; whether it was.
///
/// # Errors
/// Those of `done`.
pub fn wait(within: Duration, done: impl FnMut() -> Result<bool>) -> Result<bool> {
    Deadline::within(within).wait(LOOK_EVERY, done)
}
