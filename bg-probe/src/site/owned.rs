//! Whose the folder of an application is, and who may change what is in it: it decides what is executed.

use crate::os::advice::Advice;
use crate::os::folder::make;
use crate::os::owner::is_trusted;
use crate::os::sudo::{called, typed_as};
use crate::say::exit::Exit;
use crate::site::dir::Dir;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

impl Dir {
    /// Makes the folder, mode 0755: nginx's workers must be able to look inside.
    ///
    /// # Errors
    /// When it can't be made, or is root's and this user may not write it; and those of [`Dir::look`].
    pub fn create(&self) -> Result<()> {
        self.ensure_no_foreign_link()?;
        make(self.root())?;
        let meta = self.look()?;
        self.ensure_not_roots_alone(&meta)
    }

    /// Refuses a folder that is root's and not this user's to write.
    ///
    /// # Errors
    /// With the command to deploy with.
    pub fn ensure_not_roots_alone(&self, meta: &Metadata) -> Result<()> {
        let me = nix::unistd::geteuid();
        let is_closed =
            !me.is_root() && meta.uid() == 0 && access(self.root(), AccessFlags::W_OK) == Err(Errno::EACCES);
        if !is_closed {
            return Ok(());
        }
        Err(Exit::Refused.refuse(
            format!("{} is root's, and {} may not write it", self.root().display(), called(me.as_raw())),
            format!("deploy as root: {}", typed_as(0)),
        ))
    }

    /// Refuses a folder that is named by way of another user's link, who could have it lead elsewhere at any time. Root's and
    /// this user's own are followed, as nginx follows them.
    ///
    /// # Errors
    /// With the name of the folder that it leads to now.
    pub fn ensure_no_foreign_link(&self) -> Result<()> {
        let meta = |path: &Path| Some((path.to_owned(), std::fs::symlink_metadata(path).ok()?));
        let is_foreign = |(_, meta): &(PathBuf, Metadata)| meta.is_symlink() && !is_trusted(meta);
        let Some((link, meta)) = self.root().ancestors().filter_map(meta).find(is_foreign) else { return Ok(()) };
        let real = std::fs::canonicalize(self.root()).unwrap_or_else(|_| self.root().to_owned());
        Err(Exit::Refused.refuse(
            format!(
                "{} is a link that another user ({}) has made, who could have it lead elsewhere: nothing was touched",
                link.display(),
                called(meta.uid())
            ),
            format!("give --dir as {} if that is meant", real.display()),
        ))
    }

    /// Looks at the folder: its owner, its mode.
    ///
    /// # Errors
    /// When it is not there, or when somebody else could change what is in it: it decides what is executed.
    pub fn look(&self) -> Result<Metadata> {
        self.ensure_no_foreign_link()?;
        let meta = std::fs::metadata(self.root()).with_context(|| format!("look at {}", self.root().display()))?;
        let owner = meta.uid();
        let me = nix::unistd::geteuid();
        if owner != me.as_raw() && owner != 0 && !me.is_root() {
            return Err(Exit::Refused.refuse(
                format!("{} belongs to another user (uid {owner})", self.root().display()),
                format!("deploy as that user: {}; or choose another --dir", typed_as(owner)),
            ));
        }
        if writable_by_others(&meta) && !is_shared() {
            return Err(Exit::Refused.refuse(
                format!("{} is writable by others, who could then choose what runs", self.root().display()),
                format!(
                    "take that from them: {}; or set BG_SHARED_DIR=1 if that is the wish",
                    Advice::by_owner(owner, &["chmod", "go-w", &self.root().to_string_lossy()])
                ),
            ));
        }
        Ok(meta)
    }

    /// Refuses to start or stop processes as root by what is in another user's folder, for that user could then choose
    /// what root executes.
    ///
    /// # Errors
    /// When this is root and the folder, or the one it would be made in, is not root's.
    pub fn ensure_own(&self) -> Result<()> {
        let user = nix::unistd::geteuid();
        let Some(owner) = self.root().ancestors().find_map(|folder| Some(std::fs::metadata(folder).ok()?.uid())) else {
            return Ok(());
        };
        if !user.is_root() || owner == 0 || is_shared() {
            return Ok(());
        }
        Err(Exit::Refused.refuse(
            format!(
                "{} belongs to another user (uid {owner}), who could choose what root executes",
                self.root().display()
            ),
            format!("deploy as that user: {}; or set BG_SHARED_DIR=1 if that is the wish", typed_as(owner)),
        ))
    }
}

/// Whether the operator allows that others choose what runs (`BG_SHARED_DIR=1`).
#[must_use]
pub fn is_shared() -> bool {
    std::env::var_os("BG_SHARED_DIR").is_some_and(|value| value == "1")
}

fn writable_by_others(meta: &Metadata) -> bool {
    meta.mode() & 0o022 != 0
}
