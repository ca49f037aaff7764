//! A process that works on when whoever has started it is gone.

use crate::os::replace;
use crate::say::exit::Exit;
use anyhow::{Context, Result};
use nix::sys::signal::SigSet;
use nix::unistd::{close, dup2_stdin};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// The variables by which CI runners find and kill what a job has left.
pub const MARKS: [&str; 3] = ["RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"];

/// The word by which it reports that it is on its own.
pub const GO: &[u8] = b"go";

/// Starts a program of ours that is to wait for something, hands it `line` on its stdin, and returns when it is on its own.
/// What it says goes to a new file at `log`, for nobody reads its stderr.
///
/// # Errors
/// [`Exit::Refused`] when it has ended before that; or when it can't be started.
pub fn leave(mut command: Command, line: &str, log: &Path) -> Result<()> {
    let file = new_log(log)?;
    let (mut ours, theirs) = UnixStream::pair().context("make a socket pair")?;
    for name in MARKS {
        command.env_remove(name);
    }
    command.current_dir("/").stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(file);
    command.spawn().context("start the process that is to wait")?;
    // It also has the other end of that stdin, which is closed only with it.
    drop(command);

    ours.write_all(line.as_bytes()).context("hand it the record")?;
    ours.shutdown(Shutdown::Write).context("hand it the record")?;
    let mut word = Vec::new();
    ours.read_to_end(&mut word).context("wait for its answer")?;
    if word == GO {
        return Ok(());
    }
    Err(Exit::Refused.refuse("the process that was to wait has ended", format!("see {}", log.display())))
}

fn new_log(path: &Path) -> Result<File> {
    replace::own_file(path, b"", 0o640)?;
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(nix::libc::O_NOFOLLOW);
    options.open(path).with_context(|| format!("open {}", path.display()))
}

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
