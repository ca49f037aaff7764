//! Folders, made whole: one has its owner and mode before it has its name.

use anyhow::{Context, Result};
use bg_probe::os::replace::sync_folder_of;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use nix::errno::Errno;
use std::ffi::OsString;
use std::fs::{DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

/// Refuses a path at which no folder can be, since something else is there or on the way to it.
///
/// # Errors
/// [`Exit::Refused`].
pub(super) fn ensure_may_be(path: &Path) -> Result<()> {
    let there = path.ancestors().find(|path| path.symlink_metadata().is_ok()).filter(|there| !there.is_dir());
    let Some(there) = there else { return Ok(()) };
    let there = there.to_string_lossy();
    let away = Advice::by_root(&["mv", &there, &format!("{there}.old")]);
    let what = format!("{there} is not a folder, and one is needed there. Nothing was touched");
    Err(Exit::Refused.refuse(what, format!("give another path, or move it away: {away}")))
}

/// Makes a folder in one that is there.
///
/// # Errors
/// When it can't be made or given away; nothing is left then.
pub(super) fn make(path: &Path, mode: u32, (uid, gid): (u32, u32)) -> Result<()> {
    let mut hidden = OsString::from(".");
    hidden.push(path.file_name().with_context(|| format!("{} has no name", path.display()))?);
    hidden.push(".bg-new");
    let beside = path.with_file_name(hidden);
    // What a killed run has left.
    remove_if_empty(&beside)?;
    let done = DirBuilder::new().mode(0o700).create(&beside).and_then(|()| {
        chown(&beside, Some(uid), Some(gid))?;
        std::fs::set_permissions(&beside, Permissions::from_mode(mode))?;
        std::fs::rename(&beside, path)
    });
    if done.is_err() {
        let _ = std::fs::remove_dir(&beside);
    }
    done.with_context(|| format!("make {}", path.display()))?;
    sync_folder_of(path)
}

/// Removes a folder that is there and has nothing in it; whether it is gone.
///
/// # Errors
/// When it can't be removed for another reason.
pub(super) fn remove_if_empty(path: &Path) -> Result<bool> {
    match std::fs::remove_dir(path) {
        Ok(()) => sync_folder_of(path).map(|()| true),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(true),
        Err(why) if [Some(Errno::ENOTEMPTY as i32), Some(Errno::EEXIST as i32)].contains(&why.raw_os_error()) => {
            Ok(false)
        }
        Err(why) => Err(why).with_context(|| format!("remove {}", path.display())),
    }
}
