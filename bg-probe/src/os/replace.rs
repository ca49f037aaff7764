//! Changing what is on disk in one step.
//!
//! A file or a link that matters is made beside its place, synced, and renamed over it: a reader at any
//! moment, and after any kill, finds the old one or the new one, whole (`rename(2)`). The folder is synced after, so
//! that the same holds for power loss.

use crate::os::owner::{ensure_no_foreign_link, hand_over, hand_over_link};
use crate::say::exit::Exit;
use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;
use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

/// Puts `bytes` in place of the file at `path`, or makes it with `mode`. Mode and owner of a file that is there
/// are kept; where `path` is a symbolic link, the file it leads to is replaced, unless the link is another user's.
/// What root makes anew becomes that of the folder's owner.
///
/// # Errors
/// When anything on the way fails; what was at `path` is then still there, and nothing beside it. Where only the last
/// step fails, the fsync of the folder, the new one is there, whole, and may be gone after a power loss.
pub fn file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    ensure_no_foreign_link(path)?;
    let path = &real(path)?;
    let there = std::fs::metadata(path).ok();
    put(path, bytes, |file, beside| match &there {
        Some(there) => keep(there, file, path, beside),
        None => hand_over(file, beside).and_then(|()| chmod(file, mode, beside)),
    })
}

/// As [`file()`], but what is written is this user's own in any case, and a link is replaced itself: its
/// reader can see whose word it is.
///
/// # Errors
/// Those of [`file()`].
pub fn own_file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    put(path, bytes, |file, beside| chmod(file, mode, beside))
}

/// As [`own_file()`], for that owner and group: the file has them before it has its name.
///
/// # Errors
/// Those of [`file()`], and where the owner can't be changed.
pub fn file_of(path: &Path, bytes: &[u8], mode: u32, (uid, gid): (u32, u32)) -> Result<()> {
    put(path, bytes, |file, beside| {
        fchown(file, Some(uid), Some(gid)).with_context(|| format!("chown {}", beside.display()))?;
        chmod(file, mode, beside)
    })
}

/// Makes a file with `mode`, whole and synced, that may have its name from the start: an empty one, or one in a folder that
/// nobody looks into yet. Its name outlives a power loss once the folder is synced.
///
/// # Errors
/// When something is there already, or anything on the way fails.
pub fn new_file(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    write_beside(path, bytes, |file, path| hand_over(file, path).and_then(|()| chmod(file, mode, path)))
}

fn put(path: &Path, bytes: &[u8], dress: impl FnOnce(&File, &Path) -> Result<()>) -> Result<()> {
    let beside = beside(path)?;
    let written = write_beside(&beside, bytes, dress).and_then(|()| {
        std::fs::rename(&beside, path).with_context(|| format!("rename {} to {}", beside.display(), path.display()))
    });
    if written.is_err() {
        // It is the failure that counts; what can't be removed is removed by the next run.
        let _ = std::fs::remove_file(&beside);
    }
    written?;
    sync_folder_of(path)
}

/// Makes the symbolic link at `path` lead to `target`, in place of the link that is there.
///
/// # Errors
/// When anything on the way fails, or something other than a link is at `path`; it is then still there. Where only
/// the last step fails, the fsync of the folder, the new link is there, and may be gone after a power loss.
pub fn link(path: &Path, target: &Path) -> Result<()> {
    if let Ok(there) = std::fs::symlink_metadata(path) {
        ensure_link(&there, path)?;
    }
    let beside = beside(path)?;
    symlink(target, &beside).with_context(|| format!("make the link {}", beside.display()))?;
    let renamed = hand_over_link(&beside).and_then(|()| {
        std::fs::rename(&beside, path).with_context(|| format!("rename {} to {}", beside.display(), path.display()))
    });
    if renamed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    renamed?;
    sync_folder_of(path)
}

/// Refuses what is there and is no symbolic link, with the command that moves it away.
///
/// # Errors
/// When it is none.
pub fn ensure_link(there: &Metadata, path: &Path) -> Result<()> {
    let path = path.display();
    let remedy = || format!("move it away: mv {path} {path}.old");
    let is_link = there.is_symlink();
    if is_link {
        Ok(())
    } else {
        Err(Exit::Refused.refuse(format!("{path} is there and is not a symbolic link"), remedy()))
    }
}

/// Removes a file or link, if it is there, for good.
///
/// # Errors
/// When it is there and can't be removed.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e).with_context(|| format!("remove {}", path.display())),
    }
}

/// Syncs the folder that `path` is in, after which a name made or changed in it outlives a power loss (`fsync(2)`).
///
/// # Errors
/// When the folder can't be opened or synced.
pub fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("fsync {}", folder.display()))
}

/// The name a thing has until it is whole: always the same for the same path, so that what a killed run left
/// behind is found and removed by the next. It is removed here, also when somebody planted a link there.
pub(super) fn beside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().with_context(|| format!("{} has no file name", path.display()))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".bg-new");
    let beside = path.with_file_name(hidden);
    remove(&beside)?;
    Ok(beside)
}

pub(super) fn write_beside(beside: &Path, bytes: &[u8], dress: impl FnOnce(&File, &Path) -> Result<()>) -> Result<()> {
    // create_new is O_EXCL: a link that appears in between is not followed.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)
        .with_context(|| format!("make {}", beside.display()))?;
    file.write_all(bytes).with_context(|| format!("write {}", beside.display()))?;
    dress(&file, beside)?;
    file.sync_all().with_context(|| format!("fsync {}", beside.display()))
}

/// Gives a new file the owner, group and mode of the one at `path`, whose place it takes. A group that this user is
/// not in can't be given; the user's own takes its place, where the file was that user's already.
fn keep(there: &Metadata, file: &File, path: &Path, beside: &Path) -> Result<()> {
    let fresh = file.metadata().with_context(|| format!("look at what replaces {}", path.display()))?;
    let (uid, gid) = (there.uid(), there.gid());
    if (fresh.uid(), fresh.gid()) != (uid, gid) {
        let own_but_for_the_group = uid == geteuid().as_raw();
        match fchown(file, Some(uid), Some(gid)) {
            Err(e) if e.kind() == ErrorKind::PermissionDenied && own_but_for_the_group => {}
            kept => kept.with_context(|| format!("keep the owner of {} ({uid}:{gid})", path.display()))?,
        }
    }
    chmod(file, there.mode() & 0o7777, beside)
}

pub(super) fn chmod(file: &File, mode: u32, path: &Path) -> Result<()> {
    file.set_permissions(Permissions::from_mode(mode)).with_context(|| format!("chmod {}", path.display()))
}

fn real(path: &Path) -> Result<PathBuf> {
    match std::fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let hanging = std::fs::symlink_metadata(path).is_ok();
            ensure!(!hanging, "{} is a symbolic link that leads nowhere", path.display());
            Ok(path.to_owned())
        }
        Err(e) => Err(e).with_context(|| format!("look at {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("bg-replace-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn the_mode_of_a_file_is_kept_and_nothing_stays_beside_it() {
        let folder = folder("mode");
        let path = folder.join("f");
        file(&path, b"one", 0o640).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        file(&path, b"two", 0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_planted_at_the_temporary_name_is_not_followed() {
        let folder = folder("planted");
        let (path, victim) = (folder.join("f"), folder.join("victim"));
        std::fs::write(&victim, "mine").unwrap();
        symlink(&victim, folder.join(".f.bg-new")).unwrap();
        file(&path, b"new", 0o644).unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"mine");
        assert!(!std::fs::symlink_metadata(&path).unwrap().is_symlink());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_is_swapped_and_a_folder_is_not() {
        let folder = folder("link");
        let path = folder.join("live");
        link(&path, Path::new("a")).unwrap();
        link(&path, Path::new("b")).unwrap();
        assert_eq!(std::fs::read_link(&path).unwrap(), Path::new("b"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(link(&path, Path::new("c")).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
