//! Whether the disk has room for one more release.

use crate::memory::Megabytes;
use crate::release::names::newest_first;
use crate::release::parts::is_hidden;
use anyhow::{Context, Result};
use bg_probe::cli::preflight::Finding;
use bg_probe::site::dir::Dir;
use nix::sys::statvfs::statvfs;
use std::fs::Metadata;
use std::path::Path;

/// What a release may take where none is there to go by: itself, its log and some air.
const USUAL_ROOM: u64 = 512 * 1_000_000;

/// How full the disk of `there` is, the folder or the nearest one above it; `artifact` is what would be copied.
pub(crate) fn finding(dir: &Dir, there: &Path, artifact: Option<&Path>) -> Finding {
    let free = match free(there) {
        Ok(free) => free,
        Err(why) => return Finding::refused("disk", &why, "make sure that the disk is mounted"),
    };
    let (size, whose) = match artifact.and_then(size_of) {
        Some(size) => (Some(size), "three times the artifact"),
        None => (last_release(dir), "three times the last release"),
    };
    let (wanted, whose) = size.map_or((USUAL_ROOM, "what a release usually takes"), |size| (size * 3, whose));
    let detail = format!("{} free in {}", Megabytes(free), there.display());
    let remedy = "make room: bg-launch --keep 2 keeps fewer releases and logs";
    if free < size.unwrap_or_default() {
        return Finding::fail(
            "disk",
            format!("{detail}, less than a release takes ({})", Megabytes(wanted / 3)),
            remedy,
        );
    }
    if free < wanted {
        return Finding::warn("disk", format!("{detail}, less than {} ({whose})", Megabytes(wanted)), remedy);
    }
    Finding::ok("disk", detail)
}

/// The bytes that this user may still write; none where the disk has no room for a further file's name.
fn free(folder: &Path) -> Result<u64> {
    let disk = statvfs(folder).with_context(|| format!("statvfs {}", folder.display()))?;
    let no_names = disk.files() > 0 && disk.files_available() == 0;
    Ok(if no_names { 0 } else { disk.blocks_available() * disk.fragment_size() })
}

/// The size of the newest release's artifact; `None` where there is none to go by.
fn last_release(dir: &Dir) -> Option<u64> {
    let newest = dir.releases().join(newest_first(dir).ok()?.first()?);
    let files = std::fs::read_dir(newest).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.filter(|path| !is_hidden(path)).find_map(|path| size_of(&path))
}

fn size_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta: Metadata| meta.len())
}
