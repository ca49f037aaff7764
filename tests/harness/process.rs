//! Processes, known by id and start time, and how a world ends the ones that were started in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::wait::within;

const TIME_TO_END: Duration = Duration::from_secs(10);

/// True while the process runs; one that ended and was not waited for does not. Its first thread may have ended, and another
/// one still have its files.
#[must_use]
pub fn alive(pid: u32) -> bool {
    let runs = |fields: Vec<String>| !matches!(fields[0].as_str(), "Z" | "X");
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let numbers = threads.filter_map(|thread| thread.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter_map(|thread| fields(&format!("/proc/{pid}/task/{thread}/stat"))).any(runs)
}

/// The parent, the process group and the session of a process that runs.
#[must_use]
pub fn family(pid: u32) -> Option<(u32, u32, u32)> {
    let fields = stat(pid)?;
    let number = |at: usize| fields.get(at)?.parse().ok();
    Some((number(1)?, number(2)?, number(3)?))
}

/// When the process started, in clock ticks since boot.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    stat(pid)?.get(19)?.parse().ok()
}

/// The processes that a process has started, those of its first thread.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// What the descriptors of a process lead to; nothing for one that is gone.
#[must_use]
pub fn open_files(pid: u32) -> Vec<PathBuf> {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    fds.filter_map(|fd| fs::read_link(fd.path()).ok()).collect()
}

/// Every process that `is` says yes to, of those that run.
#[must_use]
pub fn all(is: impl Fn(u32) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is(*pid) && alive(*pid)).collect()
}

/// The environment that a process was started with, each `NAME=value`; nothing for one that is gone.
#[must_use]
pub fn environment(pid: u32) -> Vec<String> {
    words(pid, "environ")
}

/// The words of a process's command line; nothing for one that is gone.
#[must_use]
pub fn command_line(pid: u32) -> Vec<String> {
    words(pid, "cmdline")
}

fn words(pid: u32, file: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

/// How many connections to a port of this machine are established, from `/proc/net/tcp`.
#[must_use]
pub fn connections(port: u16) -> usize {
    established(port).len()
}

/// How many of them the application has accepted, and has read everything from that was sent.
pub(crate) fn connections_read(port: u16) -> usize {
    // What waits to be accepted has no inode yet.
    established(port).iter().filter(|fields| fields[9] != "0" && fields[4].ends_with(":00000000")).count()
}

/// The fields of each connection, `proc_pid_net(5)`.
fn established(port: u16) -> Vec<Vec<String>> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let local = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    rows.filter(|fields| fields[1].ends_with(&local) && fields[3] == "01").collect()
}

/// Sends a signal; that the process is gone already is no failure.
pub fn signal(pid: u32, signal: Signal) {
    // Only ESRCH and EPERM are possible, and both mean that there is nothing of ours to signal.
    let _ = kill(id(pid), signal);
}

/// Kills the processes that the `process.json` files under DIR name, each with its group.
pub(crate) fn end_recorded(state: &Path) {
    let slots = fs::read_dir(state.join("slots")).into_iter().flatten().flatten();
    for slot in slots {
        if let Some(pid) = recorded(&slot.path().join("process.json")) {
            let _ = killpg(id(pid), Signal::SIGKILL);
            gone(pid);
        }
    }
}

/// Kills the processes whose environment has the variable with that value: a daemon inherits it
/// even if its launcher was killed before it wrote anything down.
pub fn end_marked(variable: &str, value: &str) {
    // Once more after each kill, since what was killed may have started another just before.
    let all_gone = within(TIME_TO_END, || {
        let pids = marked(variable, value);
        for pid in &pids {
            signal(*pid, Signal::SIGKILL);
        }
        pids.is_empty()
    });
    if !all_gone {
        eprintln!("left over: {:?}", marked(variable, value));
    }
}

/// Waits until a process that was told to end has ended. It runs in `drop`, so it does not panic.
pub fn gone(pid: u32) {
    if !within(TIME_TO_END, || !alive(pid)) {
        eprintln!("left over: process {pid}");
    }
}

/// The processes whose environment has the variable with that value.
pub(crate) fn marked(variable: &str, value: &str) -> Vec<u32> {
    let mark = format!("{variable}={value}").into_bytes();
    let has_mark = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has_mark).collect()
}

/// The pid of a `process.json`, if that very process still runs.
fn recorded(file: &Path) -> Option<u32> {
    let record: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let pid = u32::try_from(record["pid"].as_u64()?).ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let same = record["start_ticks"].as_u64() == start_ticks(pid) && record["boot_id"] == boot.trim();
    same.then_some(pid)
}

/// The fields of `/proc/PID/stat` from the state on, proc(5).
fn stat(pid: u32) -> Option<Vec<String>> {
    fields(&format!("/proc/{pid}/stat"))
}

/// What a `stat` of a process or a thread says, `proc_pid_stat(5)`, from the state on.
fn fields(file: &str) -> Option<Vec<String>> {
    let line = fs::read_to_string(file).ok()?;
    // The name before it may hold spaces and parentheses of its own.
    let (_, fields) = line.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn id(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).expect("a pid fits"))
}
