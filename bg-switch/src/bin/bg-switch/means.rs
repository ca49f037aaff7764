//! The means to carry an order out, as the operator's flags have them.

use crate::nginx::Nginx;
use crate::quiet::Quiet;
use bg_probe::say::Voice;
use bg_probe::site::lock::Wait;
use std::time::Duration;

/// The means of one run.
pub(crate) struct Means {
    /// nginx as a program.
    pub(crate) nginx: Nginx,
    /// How long nginx may take until it is seen to serve the slot.
    pub(crate) within: Duration,
    /// Which signals tell the releases of it.
    pub(crate) quiet: Quiet,
    /// How long another deploy that holds the lock is waited for.
    pub(crate) wait: Wait,
    /// How much is printed on stderr.
    pub(crate) voice: Voice,
}
