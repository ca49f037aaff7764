//! Folders that are made, and what may stand in the place of a file or folder of ours.

use crate::os::owner::{ensure_no_foreign_link, ensure_not_foreign, hand_over};
use crate::os::replace::sync_folder_of;
use crate::say::exit::Exit;
use anyhow::{Context, Result, ensure};
use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a folder and those above it for good, mode 0755 whatever the umask takes away from others; one that is
/// there is left as it is. What root makes in a user's folder becomes that user's.
///
/// # Errors
/// When it can't be made, something else has that name, or another user's link is on the way.
pub fn make(path: &Path) -> Result<()> {
    let made = |path: &Path| DirBuilder::new().mode(0o755).create(path);
    for folder in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
        // Nearly always all of them are there.
        if let Ok(there) = std::fs::symlink_metadata(folder) {
            ensure_not_foreign(folder, &there)?;
            continue;
        }
        match made(folder) {
            Ok(()) => {
                open_up(folder)?;
                // Else all that is synced inside it may be gone with its name after a power loss.
                sync_folder_of(folder)?;
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => ensure_no_foreign_link(folder)?,
            // A folder on the way that may not be written need not be, as long as the next one is there.
            Err(_) if folder.is_dir() => {}
            Err(e) => return Err(e).with_context(|| format!("make the folder {}", folder.display())),
        }
    }
    ensure!(path.is_dir(), "{} is not a folder", path.display());
    Ok(())
}

/// Lets everybody look inside, for the umask may have taken that from nginx.
fn open_up(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, mode).with_context(|| format!("chmod {}", folder.display()))?;
    let opened = File::open(folder).with_context(|| format!("open {}", folder.display()))?;
    hand_over(&opened, folder)
}

/// Refuses what is no folder, where a folder of ours belongs.
///
/// # Errors
/// With the command that moves it away.
pub fn ensure_folder(path: &Path) -> Result<()> {
    if path.is_dir() || std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let path = path.display();
    Err(Exit::Refused.refuse(format!("{path} is no folder"), format!("move it away: mv {path} {path}.old")))
}

/// Refuses a folder, or a link that leads nowhere, where a file of ours belongs.
///
/// # Errors
/// With the command that moves it away.
pub fn ensure_file(path: &Path) -> Result<()> {
    let Ok(there) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let what = match () {
        () if there.is_dir() => "is a folder, and no file",
        () if there.is_symlink() && !path.exists() => "is a link that leads nowhere",
        () => return Ok(()),
    };
    let path = path.display();
    Err(Exit::Refused.refuse(format!("{path} {what}"), format!("move it away: mv {path} {path}.old")))
}
