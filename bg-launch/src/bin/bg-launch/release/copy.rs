//! Copying an artifact that somebody may be writing: what is copied is one state of it, or nothing.
//!
//! A build that writes its jar in place while a deploy copies it makes a copy of two builds, and its zip directory may
//! pass for whole. Every write changes the file's times, so the file is looked at before and after.

use crate::release::artifact::is_hidden;
use anyhow::{Context, Result, bail, ensure};
use bg_probe::os::deadline::Deadline;
use bg_probe::os::owner::hand_over;
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
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

/// What changes with every write, and with every other file that takes the name (`inode(7)`).
#[derive(PartialEq, Eq)]
struct State {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Copies a file to `to`, which is not there yet, as one state of it, synced; the SHA-256 of what was copied.
///
/// # Errors
/// When it is no file, changes all the while, or can't be copied.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<Sha256> {
    let deadline = Deadline::within(WITHIN);
    let mut target = File::create_new(to).with_context(|| format!("make {}", to.display()))?;
    let mut quiet = TICKS;
    loop {
        wait_until_left_alone(from, quiet, deadline)?;
        let (mut source, before) = open(from)?;
        let digest = pour(&mut source, &mut target, to)?;
        // The name, and not what is open: another file may have taken it.
        if std::fs::metadata(from).is_ok_and(|after| State::of(&after) == State::of(&before)) {
            finish(&target, to, &before)?;
            return Ok(digest);
        }
        ensure!(!deadline.is_over(), "changes while it is copied; deploy again when the build is done");
        quiet = QUIET;
        // The file that was filled is open at its end.
        target = File::create(to).with_context(|| format!("empty {}", to.display()))?;
    }
}

/// Opens what can be deployed, with how it is at that moment.
///
/// # Errors
/// When it is not a file, is hidden, or can't be read.
pub(crate) fn open(from: &Path) -> Result<(File, Metadata)> {
    // Looked at before it is opened: to open a named pipe is to wait for its writer.
    if is_hidden(from) || !std::fs::metadata(from).context("look at")?.is_file() {
        bail!("not a file that can be deployed");
    }
    let source = File::open(from).context("open")?;
    let meta = source.metadata().context("look at")?;
    Ok((source, meta))
}

fn pour(source: &mut File, target: &mut File, to: &Path) -> Result<Sha256> {
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let count = source.read(&mut chunk).context("read")?;
        if count == 0 {
            return Ok(digest);
        }
        digest.update(&chunk[..count]);
        target.write_all(&chunk[..count]).with_context(|| format!("write {}", to.display()))?;
    }
}

fn finish(target: &File, to: &Path, source: &Metadata) -> Result<()> {
    hand_over(target, to)?;
    // A program stays one; whoever the application runs as must be able to read it.
    let mode = 0o644 | source.permissions().mode() & 0o111;
    target.set_permissions(Permissions::from_mode(mode)).with_context(|| format!("chmod {}", to.display()))?;
    target.sync_all().with_context(|| format!("fsync {}", to.display()))
}

/// Waits until nobody has changed the file for as long as `quiet`, or the deadline.
fn wait_until_left_alone(path: &Path, quiet: Duration, deadline: Deadline) -> Result<()> {
    let changes = || std::fs::metadata(path).is_ok_and(|meta| changed_within(quiet, &meta));
    deadline.wait(LOOK_EVERY, || Ok(!changes())).map(drop)
}

/// Whether it was changed that short a time ago. Where another machine's clock, which is ahead, gave it its time, that is
/// unknown, and the file is taken for old.
fn changed_within(quiet: Duration, meta: &Metadata) -> bool {
    let (seconds, nanos) = (u64::try_from(meta.ctime()), u64::try_from(meta.ctime_nsec()));
    let (Ok(seconds), Ok(nanos)) = (seconds, nanos) else { return false };
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos);
    SystemTime::now().duration_since(changed).is_ok_and(|age| age < quiet)
}

impl State {
    fn of(meta: &Metadata) -> State {
        State {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}
