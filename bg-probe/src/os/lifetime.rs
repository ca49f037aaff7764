//! The rest of a process's life: waiting for its end costs nothing, and is over the moment it comes.
//!
//! The kernel gives a descriptor of a process that can be polled for its end (`pidfd_open(2)`, since Linux 5.3). Where there
//! is none, the process is looked at again and again.

use crate::os::deadline::Deadline;
use crate::os::process::Process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How often a process is looked at of which there is no descriptor.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The rest of a process's life.
#[derive(Debug)]
pub struct Lifetime<'a> {
    process: &'a Process,
    /// `None` where it is gone already, or this kernel gives none.
    descriptor: Option<OwnedFd>,
}

impl Lifetime<'_> {
    /// That of this very process, from now on.
    #[must_use]
    pub fn of(process: &Process) -> Lifetime<'_> {
        let descriptor = Pid::from_raw(process.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        // Looked at after it was opened: the pid could have been another's before.
        let descriptor = descriptor.filter(|_| process.is_alive());
        Lifetime { process, descriptor }
    }

    /// Whether it is over; a zombie's is.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ends_within(Duration::ZERO)
    }

    /// Waits for its end, that long at most; whether it has come.
    #[must_use]
    pub fn ends_within(&self, time: Duration) -> bool {
        let deadline = Deadline::within(time);
        let Some(descriptor) = &self.descriptor else {
            return deadline.wait(LOOK_EVERY, || Ok(!self.process.is_alive())).is_ok_and(|is_over| is_over);
        };
        loop {
            let left = Timespec::try_from(deadline.left()).ok();
            let mut ends = [PollFd::new(descriptor, PollFlags::IN)];
            match poll(&mut ends, left.as_ref()) {
                Ok(seen) if seen > 0 => return true,
                // A signal that is heeded, or a wait longer than the kernel counts, ends the call too early.
                _ if deadline.is_over() => return false,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};
    use std::time::Instant;

    fn sleeper(seconds: &str) -> (Child, Process) {
        let child = Command::new("sleep").arg(seconds).spawn().unwrap();
        let process = Process::with_pid(i32::try_from(child.id()).unwrap()).unwrap();
        (child, process)
    }

    #[test]
    fn a_wait_is_over_when_the_process_ends_and_not_before() {
        let (mut child, process) = sleeper("0.3");
        let life = Lifetime::of(&process);
        assert!(!life.is_over() && !life.ends_within(Duration::from_millis(20)));
        let began = Instant::now();
        assert!(life.ends_within(Duration::from_secs(60)), "its zombie is still there");
        assert!(life.is_over() && began.elapsed() < Duration::from_secs(20));
        child.wait().unwrap();
        assert!(life.is_over() && Lifetime::of(&process).is_over());
    }

    #[test]
    fn without_a_descriptor_the_process_is_looked_at() {
        let (mut child, process) = sleeper("60");
        let life = Lifetime { process: &process, descriptor: None };
        assert!(!life.ends_within(Duration::from_millis(20)));
        child.kill().unwrap();
        assert!(life.ends_within(Duration::from_secs(20)));
        child.wait().unwrap();
    }

    #[test]
    fn the_life_of_a_pids_earlier_holder_is_over() {
        let (mut child, process) = sleeper("60");
        assert!(Lifetime::of(&Process { start_ticks: process.start_ticks - 1, ..process }).is_over());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
