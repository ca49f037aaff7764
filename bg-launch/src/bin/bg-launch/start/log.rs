//! The logs of a slot: one file a launch, `RELEASE.log`, of a further launch of the same release `RELEASE.again-2.log`.
//!
//! What else is in the folder is somebody else's: logrotate puts the pieces of a log there, with the newest lines in them. No
//! name that it makes of a log's is one of a launch's.

use crate::release::names::is_minted;
use crate::start::plan::Plan;
use anyhow::{Context, Result};
use bg_probe::os::owner::hand_over;
use bg_probe::os::replace;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Name;
use nix::unistd::geteuid;
use std::cmp::Reverse;
use std::fs::{DirEntry, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A new log, never one that is there already, and `app.log` leading to it.
///
/// # Errors
/// When the file can't be made, or not be given to the user who writes it.
pub(crate) fn new(plan: &Plan) -> Result<(PathBuf, File)> {
    let (folder, release) = (plan.site.dir.logs(&plan.slot.name), &plan.release.name);
    let mut count = 1;
    loop {
        let name = name_of(release, count);
        let path = folder.join(&name);
        match OpenOptions::new().append(true).create_new(true).mode(0o640).open(&path) {
            Ok(file) => {
                // An application that opens /dev/stdout opens the file once more, as itself.
                match plan.mode.user.as_ref().filter(|_| geteuid().is_root()) {
                    Some(user) => fchown(&file, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                        .with_context(|| format!("give {} to {}", path.display(), user.name))?,
                    None => hand_over(&file, &path)?,
                }
                replace::link(&folder.join("app.log"), Path::new(&name))?;
                return Ok((path, file));
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => count += 1,
            Err(e) => return Err(e).with_context(|| format!("make {}", path.display())),
        }
    }
}

fn name_of(release: &str, count: u32) -> String {
    if count == 1 { format!("{release}.log") } else { format!("{release}.again-{count}.log") }
}

/// Whether a file is called as the log of a launch is.
fn is_a_launchs(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".log") else { return false };
    match stem.split_once(".again-") {
        Some((release, count)) => {
            is_minted(release) && count.parse().is_ok_and(|count| name_of(release, count) == name)
        }
        None => is_minted(stem),
    }
}

/// Removes all but the newest `keep` logs of a slot, and never the one in use.
///
/// # Errors
/// When the folder can't be read or one of them can't be removed.
pub(crate) fn prune(dir: &Dir, slot: &Name, keep: usize) -> Result<()> {
    let folder = dir.logs(slot);
    let in_use = Launched::of(dir, slot)?.and_then(|last| last.log).map(PathBuf::from);
    let entries = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let now = SystemTime::now();
    let logs = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(is_a_launchs))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        // One from the future was begun by a clock that was wrong, and before all that the right one has dated.
        .filter_map(|entry| Some((Some(created(&entry)?).filter(|created| *created <= now), entry.path())))
        .collect();
    surplus(logs, in_use.as_deref(), keep).iter().try_for_each(|path| replace::remove(path))
}

/// The logs that are too many, of all there are with the time each was begun.
fn surplus(mut logs: Vec<(Option<SystemTime>, PathBuf)>, in_use: Option<&Path>, keep: usize) -> Vec<PathBuf> {
    // The one in use, whatever its time, is the first of those that are kept.
    logs.sort_unstable_by_key(|(begun, path)| Reverse((Some(path.as_path()) == in_use, *begun, path.clone())));
    logs.into_iter().skip(keep.max(1)).map(|(_, path)| path).collect()
}

/// When a log was begun. Its content changes later, so a filesystem without birth times gives the last change.
fn created(log: &DirEntry) -> Option<SystemTime> {
    let meta = log.metadata().ok()?;
    meta.created().or_else(|_| meta.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_piece_of_a_log_is_called_as_a_log() {
        for release in ["20261121T193000Z-1a2b3c4d", "20261121T193000Z-1a2b3c4d-12"] {
            for count in [1, 2, 17] {
                let log = name_of(release, count);
                assert!(is_a_launchs(&log), "{log}");
                let stem = log.strip_suffix(".log").unwrap();
                // logrotate.conf(5): numbered, dateext, dateformat, compress; and each of them with `extension .log`.
                for piece in ["1", "2.gz", "20261125", "202611", "1795600000", "2026112507", "bak"] {
                    for piece in [format!("{log}.{piece}"), format!("{log}-{piece}")] {
                        assert!(!is_a_launchs(&piece), "{piece}");
                    }
                    let dated = (piece.len() > 4).then(|| format!("{stem}-{piece}.log"));
                    for piece in [format!("{stem}.{piece}.log")].into_iter().chain(dated) {
                        assert!(!is_a_launchs(&piece), "{piece}");
                    }
                }
            }
        }
        for other in ["app.log", "gc.log", ".log", "20261121T193000Z-1a2b3c4d.again-1.log", "x.again-2.log"] {
            assert!(!is_a_launchs(other), "{other}");
        }
    }

    #[test]
    fn a_log_in_use_and_the_newest_are_kept_and_one_of_the_future_is_the_oldest() {
        let logs = || {
            let times = [("future", None), ("in-use", Some(1)), ("older", Some(2)), ("newer", Some(3))];
            let time = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            times.map(|(name, at)| (at.map(time), PathBuf::from(name))).to_vec()
        };
        let gone = |keep| surplus(logs(), Some(Path::new("in-use")), keep);
        assert_eq!(gone(3), [Path::new("future")]);
        assert_eq!(gone(1), ["newer", "older", "future"].map(Path::new));
        assert_eq!(gone(0), gone(1));
    }
}
