//! What a user who is not root may not do for a setup.

use bg_probe::os::sudo::{called, typed_as};
use bg_probe::say::exit::Exit;
use nix::unistd::geteuid;

/// The refusal of what this user may not do, with the command by which root does it.
pub(super) fn by_root(what: &str) -> anyhow::Error {
    let what = format!("{} {what}. Nothing was touched", called(geteuid().as_raw()));
    Exit::Refused.refuse(what, format!("run it as root: {}", typed_as(0)))
}
