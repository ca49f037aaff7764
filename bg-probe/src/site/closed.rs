//! A site that is closed to visitors: nginx answers each of them with 503 and a page, as long as a file is there.

use crate::os::folder::make;
use crate::os::replace;
use crate::site::dir::Dir;
use crate::site::sign;
use crate::site::stand_in::VISITORS;
use anyhow::Result;
use std::path::PathBuf;

/// The most that a page may have, in bytes.
pub const MOST_PAGE: u64 = 1024 * 1024;

fn folder(dir: &Dir) -> PathBuf {
    dir.root().join("closed")
}

/// The page that visitors get.
#[must_use]
pub fn page(dir: &Dir) -> PathBuf {
    folder(dir).join("page.html")
}

/// The file that closes the site while it is there.
#[must_use]
pub fn file(dir: &Dir) -> PathBuf {
    folder(dir).join(VISITORS)
}

/// Whether visitors are answered with the page, if the site is one that looks.
#[must_use]
pub fn is_closed(dir: &Dir) -> bool {
    sign::is_there(&file(dir))
}

/// Closes the site with this page. The page is there before the first visitor may get it, and stays after the last one.
///
/// # Errors
/// When a file can't be made; the site is open then, or closed with a whole page. [`crate::say::exit::Exit::Refused`] where
/// something else is in the place of the file.
pub fn close(dir: &Dir, text: &[u8]) -> Result<()> {
    make(&folder(dir))?;
    sign::ensure_free(&file(dir))?;
    replace::file(&page(dir), text, 0o644)?;
    sign::make(&file(dir))
}

/// Opens the site.
///
/// # Errors
/// When the file can't be removed.
pub fn open(dir: &Dir) -> Result<()> {
    sign::remove(&file(dir))
}
