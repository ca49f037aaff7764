//! nginx's error log: where it says why a reload that was accepted did not take place.

use bg_probe::say;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// As much of a log as is read for what a reload added, from its end.
const MOST: u64 = 64 * 1024;

/// An error log as it was at one moment.
pub(crate) struct ErrorLog {
    path: PathBuf,
    length: u64,
}

impl ErrorLog {
    /// The log at that path, as it is now; `None` where this user can't see it.
    pub(crate) fn now(path: PathBuf) -> Option<ErrorLog> {
        let length = std::fs::metadata(&path).ok()?.len();
        Some(ErrorLog { path, length })
    }

    /// The last grave complaint that has come since.
    pub(crate) fn complaint(&self) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        let end = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(self.length.max(end.saturating_sub(MOST)))).ok()?;
        let mut added = Vec::new();
        file.take(MOST).read_to_end(&mut added).ok()?;
        let added = String::from_utf8_lossy(&added).into_owned();
        let line = added.lines().rfind(|line| line.contains("[emerg]") || line.contains("[alert]"))?;
        Some(say::clean(line))
    }
}
