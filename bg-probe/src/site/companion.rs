//! The companion: what a release has running beside its application, and once alone, as the worker of a queue.
//!
//! It has a place of its own beside the slots, with the same files in it (`slots/companion/process.json`), and follows the
//! live slot: the one of the old release is stopped, then that of the new one is started.

use crate::site::dir::Dir;
use crate::site::slot::Name;
use std::path::PathBuf;

/// Where in a release the command of its companion is kept.
pub const COMMAND: &str = ".companion.json";

/// Whether the release of this slot, now live, has a companion, or another one's may be running.
#[must_use]
pub fn is_due(dir: &Dir, slot: &Name) -> bool {
    is_there(dir) || dir.release(slot).is_some_and(|release| command(dir, &release).exists())
}

/// Whether one was started, and none has ended it since.
#[must_use]
pub fn is_there(dir: &Dir) -> bool {
    dir.process(&Name::companion()).exists()
}

fn command(dir: &Dir, release: &str) -> PathBuf {
    dir.releases().join(release).join(COMMAND)
}
