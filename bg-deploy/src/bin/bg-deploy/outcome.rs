//! How a deploy ended, as data.

use nix::sys::signal::Signal;
use std::time::Duration;

/// How a run of the stages ended.
pub(crate) struct End {
    /// The last record that a stage printed.
    pub(crate) record: String,
    /// The stage that failed, or that a signal ended.
    pub(crate) failed: Option<&'static str>,
    /// The exit code.
    pub(crate) code: u8,
    /// The signal that asked for the end, if one did.
    pub(crate) signal: Option<Signal>,
    /// The stages that ran, and how long each took.
    pub(crate) took: Vec<(&'static str, Duration)>,
}
