//! What was launched last in a slot: the file `process.json`, and whether its process runs.

use crate::os::folder::ensure_file;
use crate::os::process::Process;
use crate::os::process::{Stat, command_line, environment, pids};
use crate::os::replace;
use crate::os::stop_signal::StopSignal;
use crate::os::told_signal::ToldSignal;
use crate::say::exit::Exit;
use crate::site::dir::Dir;
use crate::site::place;
use crate::site::slot::Name;
use crate::site::unit::Unit;
use crate::site::unserved;
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
    /// The signal by which a switch away from it has told it to be quiet, and that nothing has undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quieted: Option<ToldSignal>,
    /// Whether nginx was seen to send visitors to this launch; `None` where not yet, and its release may have had some before:
    /// it was on disk already, or is one of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<bool>,
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

    /// What was launched last in a slot; `None` where nothing ever was, and where the file is damaged and nothing at stake.
    ///
    /// # Errors
    /// When the file is there but can't be read; [`Exit::Unsure`] when it is damaged, and something that was launched from
    /// this folder runs in the slot: it may be serving.
    pub fn of(dir: &Dir, slot: &Name) -> Result<Option<Launched>> {
        match Launched::read(dir, slot)? {
            Some(Ok(launched)) => Ok(Some(launched)),
            Some(Err(why)) => ensure_nobody_runs(dir, slot, &why).map(|()| None),
            None => Ok(None),
        }
    }

    /// Writes it down as what was launched last in a slot.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_down(&self, dir: &Dir, slot: &Name) -> Result<()> {
        let json = serde_json::to_string(self)? + "\n";
        replace::file(&dir.process(slot), json.as_bytes(), 0o640)
    }

    /// Whether it is known that nginx has sent visitors to it.
    #[must_use]
    pub fn has_served(&self) -> bool {
        self.served == Some(true)
    }

    /// Whether it is known of the release that a slot holds that no visitor has been in it.
    #[must_use]
    pub fn never_served(dir: &Dir, slot: &Name) -> bool {
        let last = Launched::of(dir, slot).ok().flatten();
        dir.release(slot).is_some_and(|held| Launched::is_unserved(dir, last.as_ref(), &held))
    }

    /// Whether it is known of a release that no visitor has been in it: the `last` launch in its slot tells, and where that is
    /// of another release, as after a launch that was undone, the sign of this one.
    #[must_use]
    pub fn is_unserved(dir: &Dir, last: Option<&Launched>, release: &str) -> bool {
        let of_it = last.filter(|last| last.release == release).and_then(|last| last.served);
        of_it.map_or_else(|| unserved::is(dir, release), |served| !served)
    }

    /// Writes down that nginx was seen to send visitors to it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note_visitors(self, dir: &Dir, slot: &Name) -> Result<()> {
        if self.has_served() {
            return Ok(());
        }
        // First, for while this file says `false` the next one to come by does both again.
        unserved::forget(dir, &self.release)?;
        Launched { served: Some(true), ..self }.write_down(dir, slot)
    }

    /// Why the file of a slot can't be understood; `None` where it can, and where it is not there.
    #[must_use]
    pub fn damage(dir: &Dir, slot: &Name) -> Option<String> {
        Launched::read(dir, slot).ok()??.err()
    }

    /// What the file of a slot says, or why it says nothing; `None` where it is not there.
    fn read(dir: &Dir, slot: &Name) -> Result<Option<Result<Launched, String>>> {
        let path = dir.process(slot);
        ensure_file(&path)?;
        match std::fs::read(&path) {
            Ok(bytes) if bytes.is_empty() => Ok(Some(Err("it is empty".to_owned()))),
            Ok(bytes) => Ok(Some(Launched::parse(&String::from_utf8_lossy(&bytes)).map_err(|why| format!("{why:#}")))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Understands the text of a `process.json`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Launched> {
        serde_json::from_str(text).map_err(|e| anyhow!(crate::say::quoted(&e.to_string())))
    }
}

/// Refuses to take a slot for empty whose `process.json` is damaged while a process carries its marks.
fn ensure_nobody_runs(dir: &Dir, slot: &Name, why: &str) -> Result<()> {
    let in_slot = format!("BG_SLOT={slot}");
    let is_ours = |pid: &i32| {
        if Stat::of(*pid).is_none() {
            return false;
        }
        let environ = environment(*pid).unwrap_or_default();
        let variables = || environ.split(|byte| *byte == 0);
        let release = variables().find_map(|variable| variable.strip_prefix(b"BG_RELEASE="));
        let Some(release) = release.map(String::from_utf8_lossy) else { return false };
        dir.has_release(&release)
            && variables().any(|variable| variable == in_slot.as_bytes())
            && place::is_in(dir, *pid, slot.as_str(), &release) != Some(false)
    };
    // A command that the release itself has run is none of what runs in the slot.
    let me = std::process::id();
    let runs = pids()?.into_iter().filter(|pid| u32::try_from(*pid) != Ok(me)).find(is_ours);
    let Some(pid) = runs else { return Ok(()) };
    let path = dir.process(slot);
    let (path, who) = (path.display(), command_line(pid));
    Err(Exit::Unsure.refuse(
        format!(
            "{path} is damaged ({why}), as after a full disk or by an editor, and pid {pid} ({who}) runs in {slot}. Nothing \
             was touched"
        ),
        format!("have bg-launch take it for one that it did not start from now on: rm {path}"),
    ))
}
