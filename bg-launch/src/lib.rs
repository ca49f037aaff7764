//! What a launch leaves behind, for the stage after it: the facts in the record, and the processes of a slot.

#![forbid(unsafe_code)]

pub mod session;

use bg_probe::process::Process;
use serde::{Deserialize, Serialize};

/// What `bg-launch` adds to the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The process id of the application; also that of its group and its session.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot it started in.
    pub boot_id: String,
    /// The release it runs.
    pub release: String,
    /// The release's own copy of the artifact, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// The file its output goes to.
    pub log: String,
    /// Whether it was running already, so that this run started nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_running: bool,
}

impl Launch {
    /// The process alone.
    #[must_use]
    pub fn process(&self) -> Process {
        Process { pid: self.pid, start_ticks: self.start_ticks, boot_id: self.boot_id.clone() }
    }
}
