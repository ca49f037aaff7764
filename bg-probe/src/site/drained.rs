//! A host that is taken out of a load balancer: the printed site's page for the balancer says so as long as a file is there.
//! Visitors who come all the same are served as ever.

use crate::site::dir::Dir;
use crate::site::sign;
use anyhow::Result;
use std::path::PathBuf;

/// The file that drains the host while it is there.
#[must_use]
pub fn file(dir: &Dir) -> PathBuf {
    dir.root().join("drained")
}

/// Whether the host is drained, if its site is one that looks.
#[must_use]
pub fn is_drained(dir: &Dir) -> bool {
    sign::is_there(&file(dir))
}

/// Drains it.
///
/// # Errors
/// When the file can't be made; [`crate::say::exit::Exit::Refused`] where something else is in its place.
pub fn drain(dir: &Dir) -> Result<()> {
    sign::make(&file(dir))
}

/// Ends that.
///
/// # Errors
/// When the file can't be removed.
pub fn end(dir: &Dir) -> Result<()> {
    sign::remove(&file(dir))
}
