//! A signal by which an application is told something, and lives on: Sidekiq fetches no more jobs after TSTP.

use crate::os::process::hears;
use crate::os::stop_signal::named;
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// A signal that a process can hear, and that is not meant to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ToldSignal(Signal);

impl ToldSignal {
    /// Whom it is for, of the process that was started and all that are its: that one, or, where it has no handler, those that
    /// have. Who has none would be ended or stopped by it.
    #[must_use]
    pub fn hearers(self, leader: i32, members: &[i32]) -> Vec<i32> {
        let hearing = |pid: &i32| hears(*pid, self.0);
        if hearing(&leader) { vec![leader] } else { members.iter().copied().filter(hearing).collect() }
    }

    /// Sends it to these.
    ///
    /// # Errors
    /// When this user may not.
    pub fn send(self, pids: &[i32]) -> Result<()> {
        pids.iter().try_for_each(|pid| match kill(Pid::from_raw(*pid), self.0) {
            // It has ended meanwhile.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno).with_context(|| format!("{self} to pid {pid}")),
        })
    }
}

/// As it is typed and written down, `TSTP`.
impl Display for ToldSignal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0.as_str().trim_start_matches("SIG"))
    }
}

impl FromStr for ToldSignal {
    type Err = anyhow::Error;

    /// Reads `TSTP`, `SIGTSTP` or `tstp`.
    fn from_str(text: &str) -> Result<ToldSignal> {
        let signal = named(text)?;
        let lives_on = !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGTERM);
        ensure!(lives_on, "{signal} ends or stops a process: have the old release end with --stop-old of bg-deploy");
        Ok(ToldSignal(signal))
    }
}

impl From<ToldSignal> for String {
    fn from(signal: ToldSignal) -> String {
        signal.to_string()
    }
}

impl TryFrom<String> for ToldSignal {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<ToldSignal> {
        text.parse()
    }
}
