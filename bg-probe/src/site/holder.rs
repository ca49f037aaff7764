//! The holder of the lock, as it has signed it: for people, and for who waits, how long it takes at most.

use crate::os::sudo::typed;
use crate::os::who::Who;
use crate::say::{masked, quoted};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::{Duration, SystemTime};

/// The most that is read of a signature, in bytes.
const MOST: u64 = 4096;

/// The most characters of a command that are signed with: those of one screen's line or two.
const MOST_COMMAND: usize = 200;

/// The holder of the lock.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    command: String,
    pid: u32,
    #[serde(flatten)]
    who: Who,
    since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) errand: Option<Errand>,
}

/// What a holder does that takes so long at most: who wants the lock waits for it, whatever `--wait` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    what: String,
    most_ms: u64,
}

impl Errand {
    /// An errand of so long at most.
    #[must_use]
    pub fn new(what: String, most: Duration) -> Errand {
        Errand { what, most_ms: u64::try_from(most.as_millis()).unwrap_or(u64::MAX) }
    }

    /// How long it takes at most.
    pub(super) fn most(&self) -> Duration {
        Duration::from_millis(self.most_ms)
    }
}

impl Holder {
    /// This process.
    pub(super) fn me(errand: Option<Errand>) -> Holder {
        let command = masked(&typed()).chars().take(MOST_COMMAND).collect();
        let since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Holder { command, pid: std::process::id(), who: Who::now(), since, errand }
    }

    /// Signs the lock. If it fails, the lock holds all the same.
    pub(super) fn sign(&self, mut file: &File) {
        let text = serde_json::to_string(self).unwrap_or_default() + "\n";
        // Written over, and cut after that: to empty a file first has the disk give its block back.
        let written = file.rewind().and_then(|()| file.write_all(text.as_bytes()));
        let _ = written.and_then(|()| file.set_len(text.len() as u64));
    }

    /// Whoever has signed last; or in what other words somebody has.
    pub(super) fn of(mut file: &File) -> Result<Holder, String> {
        let mut text = String::new();
        let _ = file.rewind().and_then(|()| file.take(MOST).read_to_string(&mut text));
        // Behind the line may stand the rest of a longer one, for a moment.
        let line = text.lines().next().unwrap_or_default().trim();
        serde_json::from_str(line).map_err(|_| match quoted(line) {
            text if text.is_empty() => "a holder who has not signed yet".to_owned(),
            text => text,
        })
    }
}

impl Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} (pid {}) of {} since {}", self.command, self.pid, self.who, self.since)?;
        self.errand.as_ref().map_or(Ok(()), |errand| write!(f, ", which {errand}"))
    }
}

impl Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let most = Duration::from_secs(self.most().as_secs());
        write!(f, "{} ({} at most)", self.what, humantime::format_duration(most))
    }
}
