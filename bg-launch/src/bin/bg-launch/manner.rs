//! How a launch is done, whatever is launched.

use crate::hooks::Hooks;
use crate::start::mode::Wish;
use crate::stop::Clearing;

/// How a launch is done.
pub(crate) struct Manner {
    /// How the release is started.
    pub(crate) wish: Wish,
    /// How its slot is cleared before.
    pub(crate) clearing: Clearing,
    /// What is run before and after.
    pub(crate) hooks: Hooks,
    /// How many releases, and how many logs a slot, are kept.
    pub(crate) keep: usize,
}
