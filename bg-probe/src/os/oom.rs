//! Which process the kernel ends first when the machine is out of memory (`proc_pid_oom_score_adj(5)`).
//!
//! Each process has a place between -1000, never, and 1000, before all others, and hands it on to what it starts. A
//! user who may write to a process's file may raise it, and may lower it to the least that root has ever set.

use anyhow::{Context, Result};
use nix::unistd::{AccessFlags, access};
use std::fs::File;
use std::io::Write;

fn file_of(pid: i32) -> String {
    format!("/proc/{pid}/oom_score_adj")
}

/// The place of a process; `None` where it is gone.
#[must_use]
pub fn place_of(pid: i32) -> Option<i32> {
    std::fs::read_to_string(file_of(pid)).ok()?.trim().parse().ok()
}

/// Gives a process another place.
///
/// # Errors
/// When this user may not, or it is gone.
pub fn put(pid: i32, place: i32) -> Result<()> {
    Place::of(pid).and_then(|mut file| file.put(place)).with_context(|| format!("pid {pid}"))
}

/// Whether this user may give a process another place: that of a program with privileges of its own is root's to give.
#[must_use]
pub fn may_put(pid: i32) -> bool {
    access(file_of(pid).as_str(), AccessFlags::W_OK).is_ok()
}

/// How many processes the kernel has ended since boot because memory ran out, of the machine or of a control group
/// (`oom_kill` of `proc_vmstat(5)`); `None` where it does not count them.
#[must_use]
pub fn kills() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/vmstat").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// The place of a process, open: to be changed whatever the process becomes.
pub struct Place(File);

impl Place {
    /// Of a process that runs.
    ///
    /// # Errors
    /// When this user may not change it, or it is gone.
    pub fn of(pid: i32) -> Result<Place> {
        let path = file_of(pid);
        File::options().write(true).open(&path).map(Place).with_context(|| format!("open {path}"))
    }

    /// Changes it.
    ///
    /// # Errors
    /// When the kernel refuses, or the process is gone.
    pub fn put(&mut self, place: i32) -> Result<()> {
        self.0.write_all(place.to_string().as_bytes()).context("write its oom_score_adj")
    }
}
