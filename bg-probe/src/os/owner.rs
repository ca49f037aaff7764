//! The owner of files, where root and a user work in one folder.
//!
//! `sudo bg-switch --convert link` works in the folder of the user who deploys. What root makes there becomes that
//! user's, or the next deploy could not write it; and what that user has put there leads root nowhere else.

use anyhow::{Context, Result, ensure};
use nix::fcntl::AtFlags;
use nix::libc::{O_NOFOLLOW, O_PATH};
use nix::unistd::{fchownat, geteuid};
use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

/// Gives an open file or folder that root has made to the owner of the folder it is in.
///
/// # Errors
/// When the owner can't be looked up or changed.
pub fn hand_over(file: &File, path: &Path) -> Result<()> {
    let Some((uid, gid)) = heir(path)? else { return Ok(()) };
    let meta = file.metadata().with_context(|| format!("look at {}", path.display()))?;
    // Another name for it may be anywhere, put there by that user.
    if meta.uid() == uid || !(meta.is_dir() || meta.nlink() == 1) {
        return Ok(());
    }
    fchown(file, Some(uid), Some(gid)).with_context(|| format!("chown {}", path.display()))
}

/// The same for a symbolic link.
///
/// # Errors
/// Those of [`hand_over`].
pub fn hand_over_link(path: &Path) -> Result<()> {
    let Some((uid, gid)) = heir(path)? else { return Ok(()) };
    // Held while it is looked at: that user may put a further name of one of root's files in its place.
    let mut options = File::options();
    let link = options.read(true).custom_flags(O_PATH | O_NOFOLLOW).open(path);
    let link = link.with_context(|| format!("open {}", path.display()))?;
    let meta = link.metadata().with_context(|| format!("look at {}", path.display()))?;
    if !meta.is_symlink() || meta.nlink() != 1 {
        return Ok(());
    }
    fchownat(&link, "", Some(uid.into()), Some(gid.into()), AtFlags::AT_EMPTY_PATH)
        .with_context(|| format!("chown {}", path.display()))
}

/// Refuses a symbolic link that another user has made: it may lead anywhere. Root's are everybody's.
///
/// # Errors
/// When there is such a link at `path`.
pub fn ensure_no_foreign_link(path: &Path) -> Result<()> {
    std::fs::symlink_metadata(path).map_or(Ok(()), |there| ensure_not_foreign(path, &there))
}

/// The same of what was looked at already.
///
/// # Errors
/// When it is such a link.
pub fn ensure_not_foreign(path: &Path, meta: &Metadata) -> Result<()> {
    ensure!(
        !meta.is_symlink() || is_trusted(meta),
        "{} is a link that another user (uid {}) has made: it is not followed",
        path.display(),
        meta.uid()
    );
    Ok(())
}

/// Whether a thing is this user's own or root's, and so nobody else's word.
#[must_use]
pub fn is_trusted(meta: &Metadata) -> bool {
    meta.uid() == 0 || meta.uid() == geteuid().as_raw()
}

/// Whether what is at `path` is this user's own, so that its mode alone can close it to this user.
#[must_use]
pub fn is_own(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.uid() == geteuid().as_raw())
}

/// The owner-to-be of what root makes at `path`; `None` where that stays with its maker.
fn heir(path: &Path) -> Result<Option<(u32, u32)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let meta = std::fs::metadata(folder).with_context(|| format!("look at {}", folder.display()))?;
    Ok((meta.uid() != 0).then(|| (meta.uid(), meta.gid())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    /// A user who is not root hands nothing over, and then there is nothing to see.
    #[test]
    fn another_name_of_a_file_is_not_handed_over_in_place_of_a_link() {
        if !geteuid().is_root() {
            return;
        }
        let folder = std::env::temp_dir().join(format!("bg-owner-{}", std::process::id()));
        let (users, root) = (folder.join("users"), folder.join("root"));
        std::fs::create_dir_all(&users).unwrap();
        chown(&users, Some(12345), Some(12345)).unwrap();
        std::fs::write(&root, "").unwrap();
        let owner = |path: &Path| std::fs::symlink_metadata(path).unwrap().uid();
        let (link, planted) = (users.join("link"), users.join("planted"));
        symlink("anywhere", &link).unwrap();
        std::fs::hard_link(&root, &planted).unwrap();
        hand_over_link(&link).unwrap();
        hand_over_link(&planted).unwrap();
        let owners = (owner(&link), owner(&root));
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(owners, (12345, 0));
    }
}
