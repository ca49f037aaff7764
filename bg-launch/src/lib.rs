//! The jar that a launch needs, the facts that it leaves in the record for the next stage, and the processes of a slot.

#![forbid(unsafe_code)]

pub mod jar;
pub mod replaced;
pub mod session;
pub mod unit;

use anyhow::Result;
use bg_probe::os::process::Process;
use bg_probe::os::stop_signal::StopSignal;
use bg_probe::say::Voice;
use bg_probe::site::family;
use bg_probe::site::launched::Launched;
use bg_probe::site::unit::Unit;
use replaced::Replaced;
use serde::{Deserialize, Serialize};
use session::Stopped;
use std::time::Duration;

/// What `bg-launch` adds to the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The process of the application. Its id is also that of its group and its session, but for a unit.
    #[serde(flatten)]
    pub process: Process,
    /// The release it runs.
    pub release: String,
    /// The release's own copy of the artifact, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// The artifact's SHA-256, in hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The file its output goes to; a unit's goes to the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The unit of systemd it runs as, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The name of this run of the unit in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
    /// The release that the slot held before, where this run has put another one into it.
    #[serde(default, deserialize_with = "replaced::there", skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
    /// Whether it was running already, so that this run started nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_running: bool,
    /// Whether it is what is live already, as it was asked for, so that there was nothing to launch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
}

impl Launch {
    /// Its processes: the one that was started, and all that this one has started since. None once they are all gone.
    ///
    /// # Errors
    /// When `/proc` can't be read, or systemd can't be asked.
    pub fn members(&self) -> Result<Vec<i32>> {
        family::of(self.unit.as_ref(), &self.process, &self.release)
    }
}

/// The processes of what was launched last in a slot.
///
/// # Errors
/// Those of [`Launch::members`].
pub fn members(launched: &Launched) -> Result<Vec<i32>> {
    family::members(launched)
}

/// Whether anything of a launch is left: a process, or a unit that systemd is about to start again.
///
/// # Errors
/// Those of [`Launch::members`].
pub fn is_there(launched: &Launched) -> Result<bool> {
    family::is_there(launched)
}

/// How something is asked to end.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// The signal for what was not started with one of its own.
    pub signal: StopSignal,
    /// How long it may take to end by itself before it is killed.
    pub within: Duration,
    /// Who says what is waited for, where that takes long.
    pub voice: Voice,
}

impl Grace {
    /// The same for what was launched: by the signal that it was started with, for it is that application's, and not
    /// that of the release which comes after it.
    #[must_use]
    pub fn of(self, launched: &Launched) -> Grace {
        Grace { signal: launched.stop_signal.unwrap_or(self.signal), ..self }
    }
}

/// Stops what was launched: by the signal it was launched with, then by SIGKILL; done when its processes are gone, and
/// with them every socket they held.
///
/// # Errors
/// When this user may not do that, or it outlives SIGKILL.
pub fn stop(launched: &Launched, grace: Grace) -> Result<Stopped> {
    match &launched.unit {
        Some(unit) => unit::stop(unit, &launched.release, grace.of(launched)),
        None => session::stop(launched, grace.of(launched)),
    }
}
