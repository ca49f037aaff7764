//! What was deployed before, by the history.

use crate::say::exit::Exit;
use crate::say::quoted;
use crate::site::digest;
use crate::site::dir::Dir;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How much of the end of the history is read: two of the longest records.
const MOST_HISTORY: u64 = 128 * 1024;

/// The records of the last deploys that were done, the newest first.
pub(crate) fn done(dir: &Dir) -> impl Iterator<Item = Value> {
    last(dir).filter(|record| record["deploy"]["exit"] == 0)
}

/// The records of the last deploys, the newest first, of a history that may have anything in it.
fn last(dir: &Dir) -> impl Iterator<Item = Value> {
    let bytes = tail(dir).unwrap_or_default();
    let lines: Vec<Value> =
        bytes.rsplit(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok()).collect();
    lines.into_iter()
}

/// When a release was taken back by its watch, if the last deploy of it ended so.
#[must_use]
pub fn taken_back(dir: &Dir, release: &str) -> Option<String> {
    let record = last(dir).find(|record| record["launch"]["release"] == release)?;
    let deploy = &record["deploy"];
    // Where nginx was not seen to follow, the ramp that was taken back has the exit of that.
    let of_a_ramp = || deploy["failed"].as_str().is_some_and(|step| step.starts_with("watch-"));
    let went_bad = deploy["exit"] == Exit::WentBad as u8 || deploy["exit"] == Exit::NotMoved as u8 && of_a_ramp();
    went_bad.then(|| quoted(deploy["at"].as_str().unwrap_or_default()))
}

/// The release on disk that nginx was moved to last and whose artifact is not the one with this SHA-256: that to go back to
/// where both slots have that.
#[must_use]
pub fn last_other(dir: &Dir, sha256: &str) -> Option<String> {
    done(dir).find_map(|record| {
        let release = record["launch"]["release"].as_str().filter(|release| dir.has_release(release))?;
        // That of the record may have been reckoned in another way, by an earlier version.
        let is_other = digest::of_release(dir, release).is_some_and(|other| other != sha256);
        (is_other && record["switch"].is_object()).then(|| release.to_owned())
    })
}

fn tail(dir: &Dir) -> Option<Vec<u8>> {
    let mut file = open(&dir.deploys())?;
    let end = file.seek(SeekFrom::End(0)).ok()?;
    file.seek(SeekFrom::Start(end.saturating_sub(MOST_HISTORY))).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST_HISTORY).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Opens a file of the folder, whose owner may have put anything in its place that never ends or leads elsewhere.
pub(crate) fn open(path: &Path) -> Option<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok().filter(std::fs::Metadata::is_file).map(|_| file)
}
