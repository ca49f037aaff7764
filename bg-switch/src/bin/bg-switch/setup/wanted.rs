//! What the operator wants of a setup.

use std::path::PathBuf;

/// The operator's choices about a setup.
pub(crate) struct Setup {
    /// What to do with the plan.
    pub(crate) what: What,
    /// The settings file, where it is not to be `/etc/bg/APP.env`.
    pub(crate) file: Option<PathBuf>,
    /// The user who will deploy, where it is not whoever has called.
    pub(crate) owner: Option<String>,
    /// How nginx is called, as it was given.
    pub(crate) nginx: String,
}

/// What to do with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Carry it out.
    Make,
    /// Print it as shell.
    Show,
    /// Take back what an earlier run made.
    Undo,
}
