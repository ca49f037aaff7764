//! Starting a release in a slot.

pub(crate) mod agent;
pub(crate) mod detached;
pub(crate) mod exec;
pub(crate) mod hold;
pub(crate) mod mode;
pub(crate) mod systemd;
pub(crate) mod user;

use crate::release::Release;
use crate::release::template::Blanks;
use crate::start::mode::{Mode, Via};
use anyhow::Result;
use bg_probe::os::process::Process;
use bg_probe::os::replace;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// Everything there is to know before a release is started.
pub(crate) struct Start<'a> {
    pub(crate) site: &'a Site,
    pub(crate) slot: &'a Slot,
    pub(crate) release: &'a Release,
    /// The command, filled in.
    pub(crate) command: &'a [String],
    pub(crate) mode: &'a Mode,
    /// Whether another slot is live, which memory is to be kept for: then this one is the first to go.
    pub(crate) gives_way: bool,
}

/// The command of `release` in `slot`, filled in and its program found: what can fail before anything is stopped.
///
/// # Errors
/// When the program is missing.
pub(crate) fn command(release: &Release, slot: &Slot) -> Result<Vec<String>> {
    let (name, artifact) = (release.name.as_str(), release.artifact.as_deref());
    release.template.fill(&Blanks { slot: slot.name.as_str(), port: slot.port, release: name, artifact })
}

impl Start<'_> {
    /// Starts it. When this returns, the application runs and is written down; if this process dies on the way,
    /// nothing runs that is not.
    ///
    /// # Errors
    /// When it can't be started, or not be written down.
    pub(crate) fn run(&self) -> Result<Launched> {
        self.mode.give_work(self.site, self.slot)?;
        match self.mode.via {
            Via::Session => detached::start(self),
            Via::Systemd => systemd::start(self),
        }
    }

    /// What the application gets of our own in its environment.
    pub(crate) fn variables(&self) -> [(&'static str, String); 5] {
        let port = self.slot.port.to_string();
        [
            ("BG_APP", self.site.app.to_string()),
            ("BG_SLOT", self.slot.name.to_string()),
            ("BG_RELEASE", self.release.name.clone()),
            ("PORT", port.clone()),
            ("SERVER_PORT", port),
        ]
    }

    /// What is to be written down of it, as far as both ways to start it have that.
    pub(crate) fn launched(&self, process: Process) -> Launched {
        Launched {
            process,
            port: self.slot.port,
            release: self.release.name.clone(),
            log: None,
            unit: None,
            user: self.mode.user.as_ref().map(|user| user.name.clone()),
            oom_score_adj: None,
        }
    }

    /// Writes it down as the slot's.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write_down(&self, launched: &Launched) -> Result<()> {
        let json = serde_json::to_string(launched)? + "\n";
        replace::file(&self.site.dir.process(&self.slot.name), json.as_bytes(), 0o640)
    }
}
