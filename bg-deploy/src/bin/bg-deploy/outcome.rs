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

/// What became of a release that was launched and does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// It is healthy, and nginx would not move to it: when the cause of that is gone, one bg-switch is enough.
    Healthy,
    /// It is healthy, and nginx has moved to it all the same.
    Live,
    /// It was left running, as was asked for.
    Kept,
    /// It was stopped.
    Stopped,
    /// It could not be stopped.
    Running,
}
