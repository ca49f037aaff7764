//! Room on the disk for one more release: known before anything is touched, and made where old releases are in the way.

use crate::memory::Megabytes;
use crate::release::names::newest_first;
use crate::release::parts::{Kind, Parts};
use crate::release::prune::{out_of_reach, used};
use crate::release::{INCOMING, gone, remains, remove};
use anyhow::{Context, Result};
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::dir::Dir;
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, FsType, statfs};
use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;
use std::fs::{Metadata, metadata, symlink_metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is written beside an artifact: its command and digest, what runs, the first lines of a log.
const BESIDE: Size = Size { bytes: 1 << 20, names: 16 };

/// A file takes whole blocks.
const BLOCK: u64 = 4096;

/// `XFS_SUPER_MAGIC`, which nix has not for every C library.
const XFS: FsType = FsType(0x5846_5342);

/// What something takes of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) bytes: u64,
    /// Files, folders and links: a disk may have room for no further one.
    pub(crate) names: u64,
}

impl Size {
    /// What a copy of these parts takes.
    pub(crate) fn of(parts: &Parts) -> Size {
        parts.all().fold(Size::default(), |size, part| {
            let bytes = if part.kind == Kind::File { part.state.size.next_multiple_of(BLOCK) } else { BLOCK };
            size.and(Size { bytes, names: 1 })
        })
    }

    fn and(self, other: Size) -> Size {
        Size { bytes: self.bytes.saturating_add(other.bytes), names: self.names.saturating_add(other.names) }
    }

    fn holds(self, other: Size) -> bool {
        self.bytes >= other.bytes && self.names >= other.names
    }
}

/// The room for a release, and what has to go for it.
pub(crate) struct Room {
    /// What this user may still write.
    pub(crate) free: Size,
    /// What the release takes.
    pub(crate) needed: Size,
    /// The old releases that are removed for it, the oldest first; nearly always none.
    pub(crate) in_the_way: Vec<String>,
}

impl Room {
    /// The room for an artifact of that size, as the disk is now; nothing is changed.
    ///
    /// # Errors
    /// When there is not enough, also without all releases that no slot uses; when that can't be seen.
    pub(crate) fn for_one(dir: &Dir, artifact: Option<&Path>, size: Size) -> Result<Room> {
        let there = nearest(dir.root());
        let shares = artifact.is_some_and(|artifact| shares_blocks(artifact, there));
        let size = if shares { Size { bytes: 0, ..size } } else { size };
        let (mut room, free, needed) = (free(there)?, free(there)?, size.and(BESIDE));
        let mut in_the_way = Vec::new();
        if !room.holds(needed) {
            let left = remains::of(&dir.releases()).unwrap_or_default();
            room =
                left.iter().chain([&dir.releases().join(INCOMING)]).fold(room, |room, path| room.and(taken_by(path)));
        }
        let mut old = if room.holds(needed) { Vec::new() } else { unused(dir)? }.into_iter();
        while !room.holds(needed) {
            let Some(oldest) = old.next() else { return Err(too_little(there, free, needed, room)) };
            room = room.and(taken_by(&dir.releases().join(&oldest)));
            in_the_way.push(oldest);
        }
        Ok(Room { free, needed, in_the_way })
    }

    /// Makes it: what is in the way goes, and before that what earlier runs have left.
    ///
    /// # Errors
    /// When something can't be removed.
    pub(crate) fn make(&self, dir: &Dir, voice: Voice) -> Result<()> {
        if self.free.holds(self.needed) {
            return Ok(());
        }
        remains::of(&dir.releases())?.iter().try_for_each(|path| remove(path))?;
        self.in_the_way.iter().try_for_each(|name| gone(&dir.releases(), name))?;
        if !self.in_the_way.is_empty() {
            voice.done("launch", &format!("removed, to make room on the disk: {}", self.in_the_way.join(", ")), None);
        }
        Ok(())
    }
}

/// Says what fills the disk where that was why something failed.
pub(crate) fn with_advice(error: anyhow::Error, dir: &Dir) -> anyhow::Error {
    let is_full = |cause: &(dyn std::error::Error + 'static)| {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    };
    if !error.chain().any(is_full) {
        return error;
    }
    Exit::Refused.refuse(format!("{error:#}"), look_at(nearest(dir.root())))
}

/// The command that shows what fills the disk of a folder.
pub(crate) fn look_at(there: &Path) -> String {
    let device = |path: &Path| metadata(path).ok().map(|meta| meta.dev());
    let of_it = |path: &&Path| device(path) == device(there);
    let disk = there.ancestors().take_while(of_it).last().unwrap_or(there).to_string_lossy().into_owned();
    let sudo = if geteuid().is_root() { "" } else { "sudo " };
    format!(
        "remove what is not needed of what takes most: {sudo}du -xah {} | sort -rh | head -n 20",
        shell_words::quote(&disk)
    )
}

/// The folder, or the nearest one above it that is there.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

/// What this user may still write there.
fn free(folder: &Path) -> Result<Size> {
    let disk = statvfs(folder).with_context(|| format!("statvfs {}", folder.display()))?;
    // Some file systems have no table of files that could be full.
    let names = if disk.files() == 0 { u64::MAX } else { disk.files_available() };
    Ok(Size { bytes: disk.blocks_available() * disk.fragment_size(), names })
}

/// Whether a copy takes no blocks of its own: on the same file system, and of a kind that can share them.
fn shares_blocks(artifact: &Path, there: &Path) -> bool {
    let device = |path: &Path| metadata(path).ok().map(|meta| meta.dev());
    let can = statfs(there).is_ok_and(|disk| [BTRFS_SUPER_MAGIC, XFS].contains(&disk.filesystem_type()));
    can && device(artifact) == device(there)
}

/// The releases that no slot uses, the oldest first.
fn unused(dir: &Dir) -> Result<Vec<String>> {
    let mut names = newest_first(dir)?;
    if names.is_empty() {
        return Ok(names);
    }
    let used = used(dir)?;
    names.retain(|name| !used.contains(name));
    names.reverse();
    // It is the last that anybody wants to be without.
    let wanted = out_of_reach(dir, &used);
    names.sort_by_key(|name| Some(name) == wanted.as_ref());
    Ok(names)
}

/// What is on the disk at a path and below.
fn taken_by(path: &Path) -> Size {
    let Ok(meta) = symlink_metadata(path) else { return Size::default() };
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let inside: Vec<PathBuf> = if meta.is_dir() { inside.collect() } else { Vec::new() };
    inside.iter().map(|path| taken_by(path)).fold(on_disk(&meta), Size::and)
}

fn on_disk(meta: &Metadata) -> Size {
    Size { bytes: meta.blocks() * 512, names: 1 }
}

/// The refusal; `room` is what there would be without all old releases.
fn too_little(there: &Path, free: Size, needed: Size, room: Size) -> anyhow::Error {
    let there_is = there.display();
    let what = if room.bytes >= needed.bytes {
        format!("{there_is} has room for {} more files, less than a release takes ({})", room.names, needed.names)
    } else {
        format!("{} free in {there_is}, less than a release takes ({})", Megabytes(free.bytes), Megabytes(needed.bytes))
    };
    let old = Megabytes(room.bytes.saturating_sub(free.bytes));
    Exit::Refused.refuse(format!("{what}; the releases that no slot uses have {old}"), look_at(there))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_holds_what_it_has_bytes_and_names_for() {
        let size = |bytes, names| Size { bytes, names };
        assert!(size(2, 1).holds(size(2, 1)));
        assert!(!size(1, 9).holds(size(2, 1)) && !size(9, 0).holds(size(2, 1)));
        assert_eq!(size(u64::MAX, 1).and(size(1, 1)), size(u64::MAX, 2));
    }
}
