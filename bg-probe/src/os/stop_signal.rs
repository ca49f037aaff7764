//! The signal that asks an application to end.
//!
//! For most it is TERM. Some mean another thing by it: uWSGI reloads itself, unicorn drops the requests in flight and ends
//! in good order by QUIT.

use anyhow::{Result, anyhow, ensure};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// A signal that asks a process to end, and that the process can hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StopSignal(Signal);

impl Default for StopSignal {
    fn default() -> StopSignal {
        StopSignal(Signal::SIGTERM)
    }
}

impl StopSignal {
    /// The signal to send.
    #[must_use]
    pub fn signal(self) -> Signal {
        self.0
    }
}

/// As it is typed and written down, `QUIT`.
impl Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0.as_str().trim_start_matches("SIG"))
    }
}

impl FromStr for StopSignal {
    type Err = anyhow::Error;

    /// Reads `QUIT`, `SIGQUIT` or `quit`.
    fn from_str(text: &str) -> Result<StopSignal> {
        let signal = named(text)?;
        let is_heard = !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGCONT);
        ensure!(is_heard, "{signal} asks no process to end: to kill it at once, give --stop-timeout 0s");
        Ok(StopSignal(signal))
    }
}

/// The signal that is called so: `QUIT`, `SIGQUIT` or `quit`.
///
/// # Errors
/// When none is.
pub(crate) fn named(text: &str) -> Result<Signal> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let signal = Signal::from_str(&format!("SIG{name}"));
    signal.map_err(|_| anyhow!("\"{}\" is not a signal like QUIT", crate::say::quoted(text)))
}

impl From<StopSignal> for String {
    fn from(signal: StopSignal) -> String {
        signal.to_string()
    }
}

impl TryFrom<String> for StopSignal {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<StopSignal> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_reads_with_and_without_sig_in_any_case() {
        for text in ["QUIT", "SIGQUIT", "quit", "sigquit"] {
            assert_eq!(text.parse::<StopSignal>().unwrap().to_string(), "QUIT", "{text}");
        }
        for bad in ["", "SIG", "3", "QUITE", "KILL", "stop", "CONT", "Q\u{1b}"] {
            assert!(bad.parse::<StopSignal>().is_err(), "{bad:?}");
        }
    }
}
