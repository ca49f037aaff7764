//! Whether the disk has room for one more release.

use crate::memory::Megabytes;
use crate::release::names::newest_first;
use crate::release::parts::{Parts, is_hidden};
use crate::release::room::{Room, Size, look_at};
use bg_probe::cli::preflight::Finding;
use bg_probe::site::dir::Dir;
use std::path::Path;

/// What a release may take where none is there to go by: itself, its log and some air.
const USUAL_ROOM: u64 = 512 * 1_000_000;

/// How full the disk of `there` is, the folder or the nearest one above it; `artifact` is what would be copied.
pub(crate) fn finding(dir: &Dir, there: &Path, artifact: Option<&Path>) -> Finding {
    let (size, whose) = match artifact.and_then(size_of) {
        Some(size) => (Some(size), "three times the artifact"),
        None => (last_release(dir), "three times the last release"),
    };
    let room = match Room::for_one(dir, artifact, size.unwrap_or_default()) {
        Ok(room) => room,
        Err(why) => return Finding::refused("disk", &why, "make sure that the disk is mounted"),
    };
    let detail = format!("{} free in {}", Megabytes(room.free.bytes), there.display());
    if !room.in_the_way.is_empty() {
        let (takes, old) = (Megabytes(room.needed.bytes), room.in_the_way.join(", "));
        let detail = format!("{detail}, less than a release takes ({takes}); a deploy removes for it {old}");
        return Finding::warn("disk", detail, look_at(there));
    }
    let (wanted, whose) = size.map_or((USUAL_ROOM, "what a release usually takes"), |size| (size.bytes * 3, whose));
    if room.free.bytes < wanted {
        return Finding::warn("disk", format!("{detail}, less than {} ({whose})", Megabytes(wanted)), look_at(there));
    }
    Finding::ok("disk", detail)
}

/// The size of the newest release's artifact; `None` where there is none to go by.
fn last_release(dir: &Dir) -> Option<Size> {
    let newest = dir.releases().join(newest_first(dir).ok()?.first()?);
    let files = std::fs::read_dir(newest).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.filter(|path| !is_hidden(path)).find_map(|path| size_of(&path))
}

fn size_of(path: &Path) -> Option<Size> {
    Some(Size::of(&Parts::of(path).ok()?))
}
