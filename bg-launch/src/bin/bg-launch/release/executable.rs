//! Whether a release could be executed where it is put.

use crate::release::template::Template;
use anyhow::{Context, Result};
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::dir::Dir;
use nix::sys::statvfs::{FsFlags, statvfs};
use shell_words::quote;
use std::path::Path;

/// Refuses a file system on which nothing may be executed (`noexec`, `mount(8)`), where the command's program is the
/// artifact itself.
///
/// # Errors
/// [`Exit::Refused`]; else when the file system can't be looked at.
pub(crate) fn ensure_executable(template: &Template, dir: &Dir) -> Result<()> {
    if !template.runs_the_artifact() {
        return Ok(());
    }
    let there = nearest(dir);
    let mount = statvfs(there).with_context(|| format!("statvfs {}", there.display()))?;
    if !mount.flags().contains(FsFlags::ST_NOEXEC) {
        return Ok(());
    }
    Err(Exit::Refused.refuse(
        format!("{} is mounted noexec: the release could not be executed there", there.display()),
        format!("choose another --dir; or allow it there: {}", remount(there)),
    ))
}

fn remount(there: &Path) -> String {
    let folder = there.to_string_lossy();
    let find = format!("$(findmnt -n -o TARGET -T {})", quote(&folder));
    format!("{} {find}", Advice::by_root(&["mount", "-o", "remount,exec"]))
}

/// The folder, or the nearest one above it that is there.
pub(crate) fn nearest(dir: &Dir) -> &Path {
    dir.root().ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}
