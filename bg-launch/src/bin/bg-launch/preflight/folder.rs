//! The folder that a release would be put into, looked at without touching it.

use bg_probe::cli::preflight::Finding;
use bg_probe::os::owner::is_own;
use bg_probe::os::sudo::{called, owner as owner_of, typed_as};
use bg_probe::site::advice::Advice;
use bg_probe::site::dir::Dir;
use nix::unistd::{AccessFlags, access, geteuid};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether a launch could work in the folder, and write these places in it; `there` is the folder, or the nearest one above
/// it that is there.
pub(crate) fn finding(dir: &Dir, there: &Path, places: &[PathBuf]) -> Finding {
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
        places.iter().filter(|path| path.exists() && may_write(path).is_err()).cloned().collect();
    if let Some(finding) = closed_to_us(&closed) {
        return finding;
    }
    let owner = called(meta.uid());
    let detail = format!("{root} belongs to {owner}, mode {:04o}, and can be written", meta.mode() & 0o7777);
    // Root may write anywhere, and a launch refuses all the same.
    if dir.ensure_own().is_err() {
        let remedy = format!("deploy as that user: {}", typed_as(meta.uid()));
        return Finding::fail("dir", format!("{detail}, but this is root"), remedy);
    }
    Finding::ok("dir", detail)
}

/// A folder that is still to be made in the one that is `there`.
fn not_there(dir: &Dir, there: &Path) -> Finding {
    let (root, me) = (dir.root().display(), geteuid().as_raw());
    if let Err(why) = dir.ensure_own() {
        return Finding::refused("dir", &why, "choose another --dir");
    }
    match may_write(there) {
        Ok(()) => Finding::ok("dir", format!("{root} is not there yet and can be made")),
        Err(_) => Finding::fail(
            "dir",
            format!("{root} is not there, and {} may not make it in {}", called(me), there.display()),
            format!(
                "make it: {}; or choose another --dir",
                Advice::by_root(&["install", "-d", "-o", &owner_of(me), &dir.root().to_string_lossy()])
            ),
        ),
    }
}

/// What an earlier run as another user, an agent's as root, has left. Its owner is advised to take back that alone, and
/// nothing below it: a release that runs, as another user maybe, owns the folder it works in. What is this user's own is closed
/// by its mode.
fn closed_to_us(paths: &[PathBuf]) -> Option<Finding> {
    let me = geteuid().as_raw();
    let (own, others): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| is_own(path));
    let first = others.first().or(own.first())?;
    let meta = std::fs::metadata(first).ok();
    let (detail, remedy) = if others.is_empty() {
        let mode = meta.map_or(0, |meta| meta.mode() & 0o7777);
        let detail = format!("{} is {}'s own, and its mode ({mode:04o}) has it closed", first.display(), called(me));
        let own: Vec<_> = own.iter().map(|path| path.to_string_lossy()).collect();
        let open = Advice::open_own(&own.iter().map(|path| &**path).collect::<Vec<_>>());
        (detail, format!("let it be written: {open}"))
    } else {
        let owner = meta.map_or("nobody".into(), |meta| called(meta.uid()));
        let detail = format!("{} belongs to {owner}, and {} may not write it", first.display(), called(me));
        let words = shell_words::join(others.iter().map(|path| path.to_string_lossy()));
        (detail, format!("take it over: sudo chown -h {} {words}", owner_of(me)))
    };
    Some(Finding::fail("dir", detail, remedy))
}

/// Everything in the folder that a deploy writes or adds to.
pub(crate) fn places(dir: &Dir) -> Vec<PathBuf> {
    let slots = std::fs::read_dir(dir.root().join("slots")).into_iter().flatten().flatten();
    let slots = slots.flat_map(|slot| [slot.path(), slot.path().join("logs")]);
    let fixed = [dir.root().to_owned(), dir.releases(), dir.root().join("slots"), dir.lock(), dir.deploys()];
    fixed.into_iter().chain(slots).collect()
}

fn may_write(path: &Path) -> nix::Result<()> {
    let folder = if path.is_dir() { AccessFlags::X_OK } else { AccessFlags::empty() };
    access(path, AccessFlags::W_OK | folder)
}
