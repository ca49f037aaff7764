//! The folder and the disk that a release would be put on, looked at without touching either.

use crate::preflight::mb;
use anyhow::{Context, Result};
use bg_probe::cli::preflight::Finding;
use bg_probe::os::sudo::{called, owner as owner_of, typed_as};
use bg_probe::site::dir::{Dir, is_shared};
use bg_probe::site::settings::Site;
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access, geteuid};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a release may take where none is there to go by: itself, its log and some air.
const USUAL_ROOM: u64 = 512 * 1_000_000;

/// How the folder and its disk are found.
pub(crate) fn findings(site: &Site, artifact: Option<&Path>) -> Vec<Finding> {
    let there = site.dir.root().ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    vec![folder(&site.dir, there), disk(&site.dir, there, artifact)]
}

fn folder(dir: &Dir, there: &Path) -> Finding {
    let root = dir.root().display();
    if let Err(why) = dir.root().try_exists() {
        let remedy =
            format!("let {} enter the folders on the way, or run this as its owner", called(geteuid().as_raw()));
        return Finding::fail("dir", format!("{root} can't be looked at: {why}"), remedy);
    }
    if there != dir.root() {
        return not_there(dir, there);
    }
    let meta = match dir.look() {
        Ok(meta) => meta,
        Err(why) => return Finding::refused("dir", &why, "choose another --dir"),
    };
    if let Err(why) = dir.ensure_not_roots_alone(&meta) {
        return Finding::refused("dir", &why, "deploy as root");
    }
    let closed: Vec<PathBuf> =
        places(dir).into_iter().filter(|path| path.exists() && may_write(path).is_err()).collect();
    if let Some(finding) = not_ours(&closed) {
        return finding;
    }
    let owner = called(meta.uid());
    let detail = format!("{root} belongs to {owner}, mode {:04o}, and can be written", meta.mode() & 0o7777);
    if !geteuid().is_root() || meta.uid() == 0 {
        return Finding::ok("dir", detail);
    }
    let detail = format!("{detail}, but this is root");
    // Where it is the operator's wish, what root makes there is that user's.
    if is_shared() {
        return Finding::ok("dir", detail);
    }
    Finding::fail("dir", detail, format!("deploy as that user: {}", typed_as(meta.uid())))
}

/// A folder that is still to be made in the one that is `there`.
fn not_there(dir: &Dir, there: &Path) -> Finding {
    let (root, me) = (dir.root().display(), geteuid().as_raw());
    match may_write(there) {
        Ok(()) => Finding::ok("dir", format!("{root} is not there yet and can be made")),
        Err(_) => Finding::fail(
            "dir",
            format!("{root} is not there, and {} may not make it in {}", called(me), there.display()),
            format!("sudo install -d -o {} {root}, or choose another --dir", owner_of(me)),
        ),
    }
}

/// What an earlier run as another user, an agent's as root, has left. That alone is to be taken back, and nothing below
/// it: a release that runs, as another user maybe, owns the folder it works in.
fn not_ours(paths: &[PathBuf]) -> Option<Finding> {
    let first = paths.first()?;
    let owner = std::fs::metadata(first).map_or("nobody".into(), |meta| called(meta.uid()));
    let me = geteuid().as_raw();
    let detail = format!("{} belongs to {owner}, and {} may not write it", first.display(), called(me));
    let words: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    Some(Finding::fail("dir", detail, format!("sudo chown -h {} {}", owner_of(me), shell_words::join(words))))
}

/// Everything in the folder that a deploy writes or adds to.
fn places(dir: &Dir) -> Vec<PathBuf> {
    let slots = std::fs::read_dir(dir.root().join("slots")).into_iter().flatten().flatten();
    let slots = slots.flat_map(|slot| [slot.path(), slot.path().join("logs")]);
    let fixed = [dir.root().to_owned(), dir.releases(), dir.root().join("slots"), dir.lock(), dir.deploys()];
    fixed.into_iter().chain(slots).collect()
}

fn disk(dir: &Dir, there: &Path, artifact: Option<&Path>) -> Finding {
    let free = match free(there) {
        Ok(free) => free,
        Err(why) => return Finding::refused("disk", &why, "see that the disk is mounted"),
    };
    let (size, whose) = match artifact.and_then(size_of) {
        Some(size) => (Some(size), "three times the artifact"),
        None => (last_release(dir), "three times the last release"),
    };
    let (wanted, whose) = size.map_or((USUAL_ROOM, "what a release usually takes"), |size| (size * 3, whose));
    let detail = format!("{} free in {}", mb(free), there.display());
    let remedy = "make room: bg-launch --keep 2 keeps fewer releases and logs";
    if free < size.unwrap_or_default() {
        return Finding::fail("disk", format!("{detail}, less than a release takes ({})", mb(wanted / 3)), remedy);
    }
    if free < wanted {
        return Finding::warn("disk", format!("{detail}, less than {} ({whose})", mb(wanted)), remedy);
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
    let folders = std::fs::read_dir(dir.releases()).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let newest = folders.filter(|path| !is_hidden(path)).max()?;
    let files = std::fs::read_dir(newest).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.filter(|path| !is_hidden(path)).find_map(|path| size_of(&path))
}

fn size_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta: Metadata| meta.len())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn may_write(path: &Path) -> nix::Result<()> {
    let folder = if path.is_dir() { AccessFlags::X_OK } else { AccessFlags::empty() };
    access(path, AccessFlags::W_OK | folder)
}
