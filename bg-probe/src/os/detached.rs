//! A process that works on when whoever has started it is gone.

use anyhow::{Context, Result};
use nix::sys::signal::SigSet;
use nix::unistd::{close, dup2_stdin};
use std::fs::File;
use std::os::fd::RawFd;

/// The variables by which CI runners find and kill what a job has left.
pub const MARKS: [&str; 3] = ["RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"];

/// The word by which it reports that it is on its own.
pub const GO: &[u8] = b"go";

/// Lets go of the stdin, the descriptors and the blocked signals of the shell, CI step and lock that this process came from;
/// stdout, stderr and the socket stay.
///
/// # Errors
/// When the descriptors or the signals can't be let go of.
pub fn let_go(socket: Option<RawFd>) -> Result<()> {
    dup2_stdin(File::open("/dev/null").context("open /dev/null")?).context("stdin")?;
    let open = std::fs::read_dir("/proc/self/fd").context("read /proc/self/fd")?;
    let fds: Vec<RawFd> = open.filter_map(|fd| fd.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The descriptor that read the list is in it, and closed by now: not an error.
    for fd in fds.into_iter().filter(|fd| *fd > 2 && Some(*fd) != socket) {
        let _ = close(fd);
    }
    SigSet::empty().thread_set_mask().context("unblock signals")
}
