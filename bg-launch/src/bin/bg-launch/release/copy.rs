//! Copying an artifact that somebody may be writing: what is copied is one state of it, or nothing.
//!
//! A build that writes its jar in place while a deploy copies it makes a copy of two builds, and its zip directory may
//! pass for whole. Every write changes the file's times, so all that is copied is looked at before and after.

use crate::release::parts::{self, Kind, Part, Parts, State};
use crate::release::sums::Sums;
use anyhow::{Context, Result, ensure};
use bg_probe::os::deadline::Deadline;
use bg_probe::os::owner::{hand_over, hand_over_link};
use nix::libc::{FICLONE, ioctl};
use nix::unistd::syncfs;
use sha2::{Digest, Sha256};
use std::fs::{File, Permissions, create_dir, set_permissions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a file may go on changing before it is refused.
const WITHIN: Duration = Duration::from_secs(3);

/// The kernel may give two writes the same time within one of its ticks, which take 10 ms at most.
const TICKS: Duration = Duration::from_millis(20);

/// How long a file that changed is to have been left alone before it is copied once more.
const QUIET: Duration = Duration::from_millis(200);

/// How often to look whether it is left alone.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Copies a file or a folder to `to`, which is not there yet, as one state of it, synced; the sums of what was copied.
///
/// # Errors
/// When it can't be deployed, changes all the while, or can't be copied.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<Sums> {
    let deadline = Deadline::within(WITHIN);
    let mut quiet = TICKS;
    loop {
        let before = left_alone(from, quiet, deadline)?;
        let poured = pour_all(&before, from, to);
        // The names, and not what is open: another file may have taken one.
        if Parts::of(from).is_ok_and(|after| after == before) {
            return poured.and_then(|sums| sync(&before, to).map(|()| sums));
        }
        ensure!(!deadline.is_over(), "changes while it is copied; deploy again when the build is done");
        quiet = QUIET;
        clear(to).with_context(|| format!("remove {}", to.display()))?;
    }
}

/// The SHA-256 of an artifact as its release would have it, with nothing copied.
///
/// # Errors
/// When it can't be deployed, or changes while it is read.
pub(crate) fn digest_of(artifact: &Path) -> Result<String> {
    let parts = left_alone(artifact, TICKS, Deadline::within(WITHIN))?;
    let mut sums = Sums::of(Path::new(&parts::name_of(artifact)?));
    for part in parts.all() {
        let source = at(artifact, &part.path);
        match &part.kind {
            Kind::Folder => {}
            Kind::Link(leads) => sums.add_link(&part.path, leads),
            Kind::File => {
                let mut file = File::open(&source).with_context(|| format!("open {}", source.display()))?;
                sums.add_file(&part.path, digest(&mut file)?);
            }
        }
    }
    ensure!(Parts::of(artifact)? == parts, "changes while it is read; deploy again when the build is done");
    Ok(sums.whole())
}

/// The parts of an artifact, once nobody has changed one of them for as long as `quiet`, or at the deadline.
fn left_alone(from: &Path, quiet: Duration, deadline: Deadline) -> Result<Parts> {
    let mut seen = Parts::of(from)?;
    while let Some(left) = seen.all().filter_map(|part| left_of(quiet, &part.state)).max()
        && !deadline.is_over()
    {
        let _ = deadline.pause(left.min(LOOK_EVERY));
        seen = Parts::of(from)?;
    }
    Ok(seen)
}

fn pour_all(parts: &Parts, from: &Path, to: &Path) -> Result<Sums> {
    let mut sums = Sums::of(to);
    for part in parts.all() {
        let (source, target) = (at(from, &part.path), at(to, &part.path));
        match &part.kind {
            Kind::Folder => make(&target, part)?,
            Kind::Link(leads) => {
                symlink(leads, &target).with_context(|| format!("make the link {}", target.display()))?;
                hand_over_link(&target)?;
                sums.add_link(&part.path, leads);
            }
            Kind::File => {
                let digest = pour(&source, &target, part)?;
                sums.add_file(&part.path, digest);
            }
        }
    }
    Ok(sums)
}

/// The place of a part. Joined with nothing, a path would end in a slash.
fn at(root: &Path, path: &Path) -> std::path::PathBuf {
    if path.as_os_str().is_empty() { root.to_owned() } else { root.join(path) }
}

/// Makes a folder that nobody but this user may write, and that this user may remove.
fn make(target: &Path, part: &Part) -> Result<()> {
    let named = |what: &str| format!("{what} {}", target.display());
    create_dir(target).with_context(|| named("make the folder"))?;
    hand_over(&File::open(target).with_context(|| named("open"))?, target)?;
    let mode = Permissions::from_mode(part.state.mode & 0o755 | 0o700);
    set_permissions(target, mode).with_context(|| named("chmod"))
}

/// Copies a file, with its mode; that of the only one is 0644, for whoever the application runs as must be able to read it.
/// A program stays one.
fn pour(source: &Path, target: &Path, part: &Part) -> Result<Sha256> {
    let is_all = part.path.as_os_str().is_empty();
    let name = || if is_all { "open".to_owned() } else { format!("open {}", source.display()) };
    let mut read = File::open(source).with_context(name)?;
    let opened = File::options().read(true).write(true).create_new(true).open(target);
    let mut written = opened.with_context(|| format!("make {}", target.display()))?;
    let digest = if shares_blocks(&read, &written) {
        digest(&mut written).with_context(|| format!("read {}", target.display()))?
    } else {
        pour_bytes(&mut read, &mut written, target)?
    };
    hand_over(&written, target)?;
    let mode = if is_all { 0o644 | part.state.mode & 0o111 } else { part.state.mode & 0o755 | 0o400 };
    written.set_permissions(Permissions::from_mode(mode)).with_context(|| format!("chmod {}", target.display()))?;
    Ok(digest)
}

/// Has an empty file share the blocks of another one, where the file system can (`ioctl_ficlone(2)`: btrfs, XFS): it takes no
/// room then, and no time.
fn shares_blocks(source: &File, target: &File) -> bool {
    #[expect(unsafe_code, reason = "the standard library and nix have no FICLONE")]
    // SAFETY: both descriptors are open for as long as the call takes, and its argument is one of them and no pointer.
    let failed = unsafe { ioctl(target.as_raw_fd(), FICLONE, source.as_raw_fd()) };
    failed == 0
}

fn digest(file: &mut File) -> Result<Sha256> {
    let mut digest = Sha256::new();
    read_all(file, |bytes| {
        digest.update(bytes);
        Ok(())
    })?;
    Ok(digest)
}

fn pour_bytes(source: &mut File, target: &mut File, to: &Path) -> Result<Sha256> {
    let mut digest = Sha256::new();
    read_all(source, |bytes| {
        digest.update(bytes);
        target.write_all(bytes).with_context(|| format!("write {}", to.display()))
    })?;
    Ok(digest)
}

fn read_all(file: &mut File, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut chunk).context("read")?;
        if count == 0 {
            return Ok(());
        }
        each(&chunk[..count])?;
    }
}

/// Has all of it outlive a power loss. Of a folder the whole file system is synced, once: to sync each of ten thousand files
/// takes a minute.
fn sync(parts: &Parts, to: &Path) -> Result<()> {
    let opened = File::open(to).with_context(|| format!("open {}", to.display()))?;
    if parts.is_folder() {
        return syncfs(&opened).with_context(|| format!("syncfs {}", to.display()));
    }
    opened.sync_all().with_context(|| format!("fsync {}", to.display()))
}

fn clear(to: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(to) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(to),
        Ok(_) => std::fs::remove_file(to),
        Err(_) => Ok(()),
    }
}

/// How long it is until nobody has changed it for as long as `quiet`; `None` where that is so already. Where another machine's
/// clock, which is ahead, gave it its time, that is unknown, and the file is taken for old.
fn left_of(quiet: Duration, state: &State) -> Option<Duration> {
    let (seconds, nanos) = (u64::try_from(state.changed.0).ok()?, u64::try_from(state.changed.1).ok()?);
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos);
    let age = SystemTime::now().duration_since(changed).ok()?;
    quiet.checked_sub(age).filter(|left| !left.is_zero())
}
