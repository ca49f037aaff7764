//! What was launched last in a slot: the file `process.json`, and whether its process runs.

use crate::os::process::Process;
use crate::os::stop_signal::StopSignal;
use crate::site::dir::Dir;
use crate::site::slot::Name;
use crate::site::unit::Unit;
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;

/// What `process.json` says of a slot: which process is the slot's, and what it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// The process that was started. Its id is also that of its process group and its session. Of a unit, it is the
    /// main process of its first start, and its id is 0 until systemd has started it.
    #[serde(flatten)]
    pub process: Process,
    /// The port it was told to listen on.
    pub port: u16,
    /// The release it runs.
    pub release: String,
    /// The file its output goes to; a unit's goes to the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The unit of systemd it runs as, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The user it runs as, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The signal that asks it to end; `None` where nobody has said, as in a file of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<StopSignal>,
    /// Where it stood when the kernel chooses whom to end for want of memory (`proc_pid_oom_score_adj(5)`), before it was
    /// made the first to go until it is live; `None` where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
}

impl Launched {
    /// Whether that is its process: the one that was started, or the one systemd has started since in its place.
    #[must_use]
    pub fn is(&self, process: &Process) -> bool {
        self.process == *process || self.running().as_ref() == Some(process)
    }

    /// The process that runs now: the one that was started, or the one systemd has started since in its place.
    #[must_use]
    pub fn running(&self) -> Option<Process> {
        Some(&self.process).filter(|process| process.is_alive()).cloned().or_else(|| {
            let state = self.unit.as_ref()?.state().ok()?;
            Process::with_pid(state.main).filter(|_| state.is_up_with(&self.release))
        })
    }

    /// Whether the process of what was launched last in a slot runs.
    ///
    /// # Errors
    /// Those of [`Launched::of`].
    pub fn runs_in(dir: &Dir, slot: &Name) -> Result<bool> {
        Ok(Launched::of(dir, slot)?.is_some_and(|launched| launched.running().is_some()))
    }

    /// What was launched last in a slot; `None` where nothing ever was.
    ///
    /// # Errors
    /// When the file is there but can't be read or understood.
    pub fn of(dir: &Dir, slot: &Name) -> Result<Option<Launched>> {
        let path = dir.process(slot);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("read {}", path.display())),
        };
        Launched::parse(&text).map(Some).with_context(|| format!("understand {}", path.display()))
    }

    /// Understands the text of a `process.json`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Launched> {
        serde_json::from_str(text).map_err(|e| anyhow!(crate::say::quoted(&e.to_string())))
    }
}
