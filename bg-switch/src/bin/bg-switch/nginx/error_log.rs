//! nginx's error log, with the reason why a reload that was accepted did not take place.

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

    /// The first grave complaint that has come since: the cause, where the last is often `still could not bind()`.
    pub(crate) fn complaint(&self) -> Option<String> {
        complaint(&self.added()?)
    }

    /// Whether the process of that pid, nginx's master, has logged since that it gives up. A port that is taken is tried
    /// several times, and may be free the next.
    pub(crate) fn has_given_up(&self, master: i32) -> bool {
        let by_master = format!("[emerg] {master}#");
        let gives_up = |line: &str| line.contains(&by_master) && !line.contains("bind() to ");
        self.added().is_some_and(|text| text.lines().any(gives_up))
    }

    /// The text added since, as far as it is read.
    fn added(&self) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        let end = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(self.length.max(end.saturating_sub(MOST)))).ok()?;
        let mut added = Vec::new();
        file.take(MOST).read_to_end(&mut added).ok()?;
        Some(String::from_utf8_lossy(&added).into_owned())
    }
}

/// The first line in which nginx reports an error, less the time and the process, with which a log begins it.
pub(crate) fn complaint(text: &str) -> Option<String> {
    let grave = |line: &str| line.find("[emerg]").or_else(|| line.find("[alert]"));
    let (line, at) = text.lines().find_map(|line| Some((line, grave(line)?)))?;
    let (level, words) = line[at..].split_once(' ')?;
    let process =
        |first: &str| first.ends_with(':') && first.contains('#') && first.starts_with(|c: char| c.is_ascii_digit());
    let words = words.split_once(' ').filter(|(first, _)| process(first)).map_or(words, |(_, words)| words);
    Some(say::clean(&format!("{level} {words}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaint_gives_the_cause_without_the_time() {
        for text in [
            "2026/11/21 21:09:27 [notice] 7#7: start\n2026/11/21 21:09:27 [emerg] 7#7: no port\n7 [emerg] 7#7: so not",
            "nginx: [warn] old\nnginx: [emerg] no port\nnginx: configuration file x test failed",
        ] {
            assert_eq!(complaint(text).as_deref(), Some("[emerg] no port"));
        }
        assert_eq!(complaint("sudo: a password is required"), None);
    }
}
