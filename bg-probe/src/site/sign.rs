//! An empty file that tells something while it is there, mostly to nginx. nginx asks for a regular file (`if (-f)`), and so is it
//! asked here, so that nobody says other than nginx does.

use crate::os::advice::Advice;
use crate::os::replace;
use crate::say::exit::Exit;
use anyhow::Result;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether it is there for nginx.
pub(super) fn is_there(file: &Path) -> bool {
    file.is_file()
}

/// Makes it, where it is not there. It has its name from the start: nothing in it could be half written, and a kill leaves
/// nothing beside it.
///
/// # Errors
/// When it can't be made, and it is not there then; those of [`ensure_free`].
pub(super) fn make(file: &Path) -> Result<()> {
    if is_there(file) {
        return Ok(());
    }
    ensure_free(file)?;
    let made = replace::new_file(file, b"", 0o644).and_then(|()| replace::sync_folder_of(file));
    if made.is_err() {
        // It is the failure that counts.
        let _ = std::fs::remove_file(file);
    }
    made
}

/// Refuses where something is in its place that is no file.
///
/// # Errors
/// [`Exit::Refused`].
pub(super) fn ensure_free(file: &Path) -> Result<()> {
    if is_there(file) || !file.exists() && !file.is_symlink() {
        return Ok(());
    }
    let path = file.to_string_lossy();
    let owner = file.parent().and_then(|folder| folder.metadata().ok()).map_or(0, |meta| meta.uid());
    let away = Advice::by_owner(owner, &["mv", &path, &format!("{path}.old")]);
    let what = format!("{path} is no file, so it tells nginx nothing. Nothing was touched");
    Err(Exit::Refused.refuse(what, format!("move it away: {away}")))
}

/// Removes it, where it is there.
///
/// # Errors
/// When it can't be removed.
pub(super) fn remove(file: &Path) -> Result<()> {
    if is_there(file) { replace::remove(file) } else { Ok(()) }
}
