//! The releases in which no visitor has been: for each an empty file with its name, `unserved/RELEASE`.
//!
//! `process.json` says the same of the launch that was the last in its slot. Where another one has taken its place and was undone,
//! the slot holds the release before again, and this file still tells of it. It is there before the release is, and goes
//! when nginx was seen to send visitors to it.

use crate::os::folder::make;
use crate::site::dir::Dir;
use crate::site::sign;
use anyhow::Result;
use std::path::PathBuf;

fn file(dir: &Dir, release: &str) -> PathBuf {
    dir.unserved().join(release)
}

/// Whether it is known of a release that no visitor has been in it.
#[must_use]
pub fn is(dir: &Dir, release: &str) -> bool {
    sign::is_there(&file(dir, release))
}

/// Notes a release that nobody has seen yet.
///
/// # Errors
/// When the file can't be made.
pub fn note(dir: &Dir, release: &str) -> Result<()> {
    make(&dir.unserved())?;
    sign::make(&file(dir, release))
}

/// Forgets that of a release, for visitors are in it, or it is gone.
///
/// # Errors
/// When the file can't be removed.
pub fn forget(dir: &Dir, release: &str) -> Result<()> {
    sign::remove(&file(dir, release))
}
