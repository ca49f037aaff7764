//! The last step before the application: a process that waits until it is written down, and then becomes it.
//!
//! A launcher can be killed between starting a process and writing it down, and then an application runs that no record
//! names. So bg-launch starts itself first, as a holder. The holder has the application's pid and all of its
//! surroundings, but does nothing until bg-launch sends the word; if bg-launch dies before, it ends.

use crate::start::limits::Limits;
use crate::start::user;
use anyhow::{Context, Result, ensure};
pub(crate) use bg_probe::os::detached::GO;
use bg_probe::os::detached::let_go;
use nix::libc::{SIG_DFL, SIGRTMAX, signal};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, execv, getppid, setsid};
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// The first argument that makes bg-launch a holder. What follows is the user to become, which may be empty, the limits
/// to take on, and the command.
pub(crate) const HOLD: &str = "--hold-and-exec";

/// The same word for a command that is to end with bg-launch.
pub(crate) const BOUND: &[u8] = b"we";

/// What a holder holds.
pub(crate) struct Held {
    user: OsString,
    limits: OsString,
    command: Vec<OsString>,
}

/// What to hold, where this process was started as a holder.
pub(crate) fn held() -> Option<Held> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != HOLD {
        return None;
    }
    let (user, limits) = (args.next().unwrap_or_default(), args.next().unwrap_or_default());
    Some(Held { user, limits, command: args.collect() })
}

/// Waits for [`GO`] on stdin, a socket, and becomes the command. If that can't be done, writes why to the socket.
pub(crate) fn run(held: &Held) -> ExitCode {
    match wait() {
        Ok((mut socket, launcher)) => {
            // Returns only with an error.
            let Err(error) = become_it(held, &socket, launcher);
            // The launcher may be gone; the exit status shows it, too.
            let _ = write!(socket, "{error:#}");
            ExitCode::from(127)
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// The socket, and the launcher, where the command is bound to it.
fn wait() -> Result<(UnixStream, Option<Pid>)> {
    let launcher = getppid();
    setsid().context("setsid")?;
    // The copy is closed by exec, which is how bg-launch learns that the application runs.
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().context("keep the socket")?);
    let mut word = [0; GO.len()];
    socket.read_exact(&mut word).context("wait for the word")?;
    Ok((socket, (word == BOUND).then_some(launcher)))
}

/// Not by `execvp(3)`, as the standard library does it: that has the shell run what the kernel will not, a half
/// copied program too.
fn become_it(held: &Held, socket: &UnixStream, launcher: Option<Pid>) -> Result<Infallible> {
    let words: Vec<CString> =
        held.command.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?;
    let program = words.first().context("no command")?;
    detach(Some(socket.as_raw_fd()))?;
    Limits::from_word(&held.limits.to_string_lossy())?.take_on();
    // Last: a process that has become another user's may not even list its own descriptors any more.
    if !held.user.is_empty() {
        user::become_user(&held.user)?;
    }
    if let Some(launcher) = launcher {
        // After that: the kernel forgets it when the user changes (prctl(2)).
        set_pdeathsig(Signal::SIGTERM).context("be bound to bg-launch")?;
        ensure!(getppid() == launcher, "bg-launch has ended");
    }
    execv(program, &words).with_context(|| format!("execute {}", program.to_string_lossy()))
}

/// Frees this process, and the application it becomes, of the shell, CI step and lock that it came from.
///
/// # Errors
/// When the descriptors or the signals can't be let go of.
pub(crate) fn detach(socket: Option<RawFd>) -> Result<()> {
    let_go(socket)?;
    // A shell's `&` and nohup leave signals ignored, others block them, and an application that inherits that
    // can't be stopped. KILL, STOP and the C library's own two can't be changed, which is as well.
    for number in 1..=SIGRTMAX() {
        #[expect(unsafe_code, reason = "signal(2) is the C library's, and nix's covers no real-time signals")]
        // SAFETY: the default action is no handler, so no code of ours can run in a signal's context.
        unsafe {
            signal(number, SIG_DFL);
        }
    }
    Ok(())
}
