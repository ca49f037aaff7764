//! What an application takes over from whoever starts it: the environment, the limits, the umask, the niceness; and as whom
//! and by whom it is started.
//!
//! A deploy has them of a person's shell or a CI's agent. What starts the same release again is cron with next to none of
//! it, or a person with others. So they are kept, a file for each release, and a release that is started again has those it
//! was launched with, whatever was launched in its slot since; only what a settings file says by then is newer. The file may
//! hold secrets: it is its owner's alone.

use crate::release::names::{is_name, names, names_in};
use crate::start::caller::is_of_the_call;
use crate::start::limits::Limits;
use crate::start::mode::{Mode, Via, Way, Wish};
use anyhow::{Context, Result, ensure};
use bg_probe::cli::origin::names_from_the_file;
use bg_probe::os::folder::{ensure_file, make};
use bg_probe::os::owner::is_trusted;
use bg_probe::os::replace;
use bg_probe::os::stop_signal::StopSignal;
use bg_probe::say::Voice;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The marks by which CI runners find what a job has left running, and kill it.
pub(crate) use bg_probe::os::detached::MARKS;

/// What an application takes over from whoever starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surroundings {
    variables: BTreeMap<OsString, OsString>,
    facts: Facts,
}

/// The part of them that is no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    #[serde(flatten)]
    limits: Limits,
    /// The variables that came from a settings file.
    from_file: Vec<String>,
    /// Whether systemd has started it; an earlier version did not write that down.
    #[serde(default)]
    unit: Option<bool>,
    /// The user it ran as, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The signal that asks it to end; an earlier version wrote neither that nor the user down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop_signal: Option<StopSignal>,
}

impl Facts {
    /// How it was started, where that was written down.
    fn way(&self) -> Option<Way> {
        let via = if self.unit? { Via::Systemd } else { Via::Session };
        Some(Way { via, user: self.user.clone(), stop_signal: Some(self.stop_signal?) })
    }

    fn set_way(&mut self, way: Way) {
        (self.unit, self.user, self.stop_signal) = (Some(way.via == Via::Systemd), way.user, way.stop_signal);
    }
}

impl Surroundings {
    /// Those of this process, less what is not for the application. Of what systemd starts they are the variables of the
    /// settings file alone: everything else is its own.
    pub(crate) fn of_this_process(mode: &Mode) -> Surroundings {
        let from_file = names_from_the_file();
        let is_for_it = |name: &OsStr| {
            let name = name.to_string_lossy();
            let is_ours =
                name.starts_with("BG_") || MARKS.contains(&&*name) || ["PORT", "SERVER_PORT"].contains(&&*name);
            !is_ours && (mode.via == Via::Session || from_file.iter().any(|one| *one == name))
        };
        let variables = std::env::vars_os().filter(|(name, _)| is_for_it(name)).collect();
        let limits = Limits::of_this_process();
        let mut facts = Facts { limits, from_file, unit: None, user: None, stop_signal: None };
        facts.set_way(mode.way());
        Surroundings { variables, facts }
    }

    /// Those with which the release was launched, with what a settings file says now; where they are not known, those of
    /// this process. It is started as it was then, where nothing else is wished. The slot, and what was launched there `last`,
    /// tell of a release that an earlier version has launched.
    ///
    /// # Errors
    /// Those of [`Mode::of`].
    pub(crate) fn again(
        dir: &Dir,
        release: &str,
        slot: &Name,
        last: Option<&Launched>,
        wish: &Wish,
        voice: Voice,
    ) -> Result<(Mode, Surroundings)> {
        let kept = Surroundings::kept(dir, release, slot);
        let known = kept.as_ref().ok().and_then(|kept| kept.as_ref()?.facts.way());
        let mode = Mode::of(wish, known.or_else(|| last.map(Way::of)).as_ref())?;
        let via = mode.via;
        let here = Surroundings::of_this_process(&mode);
        let was_so = |kept: &Surroundings| {
            let was_unit = kept.facts.unit.or_else(|| last.map(|last| last.unit.is_some()));
            was_unit == Some(via == Via::Systemd)
        };
        let again = match kept {
            Ok(Some(kept)) if was_so(&kept) => {
                let again = kept.renewed_by(&here);
                if via == Via::Session {
                    again.facts.limits.out_of_reach().iter().for_each(|what| voice.warn(what));
                }
                again
            }
            Ok(_) => here,
            Err(why) => {
                voice
                    .warn(&format!("it gets the environment and limits of this run, not those of its launch: {why:#}"));
                here
            }
        };
        Ok((mode, again))
    }

    /// The same with what a settings file says here: that of this run, and what came from one at the launch.
    fn renewed_by(mut self, here: &Surroundings) -> Surroundings {
        let names = self.facts.from_file.iter().chain(&here.facts.from_file);
        let newer = names.filter_map(|name| here.variables.get_key_value(OsStr::new(name)));
        self.variables.extend(newer.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>());
        self.facts.from_file.extend(here.facts.from_file.iter().cloned());
        self.facts.from_file.sort_unstable();
        self.facts.from_file.dedup();
        here.facts.way().into_iter().for_each(|way| self.facts.set_way(way));
        self
    }

    /// The names of the variables that differ from those with which a release was launched, but for those that differ from
    /// call to call. A change of a settings file is among them.
    ///
    /// # Errors
    /// When those are not known.
    pub(crate) fn differing(&self, dir: &Dir, release: &str, slot: &Name) -> Result<Vec<String>> {
        let kept = Surroundings::kept(dir, release, slot)?.context("what was around its launch is not known")?;
        let counted = |of: &Surroundings| -> BTreeMap<OsString, OsString> {
            let kept = of.variables.iter().filter(|(name, _)| !is_of_the_call(&name.to_string_lossy()));
            kept.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let (ours, theirs) = (counted(self), counted(&kept));
        let names = ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
        let differs = |name: &&OsString| ours.get(*name) != theirs.get(*name);
        Ok(names.filter(differs).map(|name| name.to_string_lossy().into_owned()).collect())
    }

    /// The variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.variables.iter()
    }

    /// Where programs are found.
    pub(crate) fn path(&self) -> Option<OsString> {
        self.variables.get(OsStr::new("PATH")).cloned().or_else(|| std::env::var_os("PATH"))
    }

    /// The limits.
    pub(crate) fn limits(&self) -> &Limits {
        &self.facts.limits
    }

    /// Refuses what stands in the place of a release's file: before anything is stopped.
    ///
    /// # Errors
    /// With the command that moves it away.
    pub(crate) fn ensure_place(dir: &Dir, release: &str) -> Result<()> {
        ensure_file(&file(dir, release)?)
    }

    /// Keeps them for the next start of the release.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn keep(&self, dir: &Dir, release: &str) -> Result<()> {
        make(&dir.surroundings())?;
        replace::own_file(&file(dir, release)?, &self.to_bytes()?, 0o600)
    }

    /// Removes those of releases that are gone, and what a killed run has left of a file.
    ///
    /// # Errors
    /// When the folders can't be read; the first that can't be removed, after all the others are.
    pub(crate) fn prune(dir: &Dir) -> Result<()> {
        let folder = dir.surroundings();
        if !folder.exists() {
            return Ok(());
        }
        let releases = names(dir)?;
        let kept = names_in(&folder)?;
        let gone = kept.iter().filter(|name| !releases.contains(name)).map(|name| folder.join(name));
        let mut unused: Vec<PathBuf> = gone.collect();
        // Those of an earlier version serve until each release has its own.
        if releases.iter().all(|name| kept.contains(name)) {
            let slots = names_in(&dir.root().join("slots"))?;
            unused.extend(slots.iter().filter_map(|slot| Some(dir.older_surroundings(&slot.parse().ok()?))));
        }
        // A folder is none of ours, and is refused where it stands in the way.
        unused.retain(|path| !path.is_dir());
        unused.iter().map(|path| replace::remove(path)).fold(Ok(()), Result::and)
    }

    /// The facts in one line, then the variables as `environ(7)` has them.
    fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(&self.facts)?;
        bytes.push(b'\n');
        for (name, value) in &self.variables {
            bytes.extend([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
        }
        Ok(bytes)
    }

    /// Those that are kept of a release; where there are none, those that an earlier version has kept of its slot.
    fn kept(dir: &Dir, release: &str, slot: &Name) -> Result<Option<Surroundings>> {
        match Surroundings::read(&file(dir, release)?)? {
            Some(kept) => Ok(Some(kept)),
            None => Surroundings::read(&dir.older_surroundings(slot)),
        }
    }

    fn read(path: &Path) -> Result<Option<Surroundings>> {
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("open {}", path.display())),
        };
        let meta = file.metadata().with_context(|| format!("look at {}", path.display()))?;
        ensure!(meta.is_file() && is_trusted(&meta), "{} is no file of this user's own", path.display());
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
        Surroundings::parse(&bytes).map(Some).with_context(|| format!("{} is damaged", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Surroundings> {
        let end = bytes.iter().position(|byte| *byte == b'\n').context("it has no first line")?;
        let facts = serde_json::from_slice(&bytes[..end])?;
        ensure!(bytes.ends_with(b"\0") || end + 1 == bytes.len(), "it has no end");
        let variable = |text: &[u8]| {
            let equals = text.iter().position(|byte| *byte == b'=')?;
            Some((OsString::from_vec(text[..equals].to_vec()), OsString::from_vec(text[equals + 1..].to_vec())))
        };
        Ok(Surroundings { variables: bytes[end + 1..].split(|byte| *byte == 0).filter_map(variable).collect(), facts })
    }
}

/// The file of a release.
fn file(dir: &Dir, release: &str) -> Result<PathBuf> {
    ensure!(is_name(release), "{release:?} is not the name of a release");
    Ok(dir.surroundings().join(release))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &[u8])], from_file: &[&str]) -> Surroundings {
        let variables =
            variables.iter().map(|(name, value)| (name.into(), OsString::from_vec(value.to_vec()))).collect();
        let from_file = from_file.iter().map(|name| (*name).to_owned()).collect();
        let (limits, stop_signal) = (Limits::of_this_process(), Some(StopSignal::default()));
        Surroundings { variables, facts: Facts { limits, from_file, unit: Some(false), user: None, stop_signal } }
    }

    #[test]
    fn they_come_back_to_the_byte_or_not_at_all() {
        let kept = of(&[("A", b"a b\n=\"'$"), ("E", b""), ("N", b"\xff\x01")], &["A"]);
        assert_eq!(Surroundings::parse(&kept.to_bytes().unwrap()).unwrap(), kept);
        for damaged in ["", "{}\n", "nonsense", "{\"umask\":18,\"nice\":0,\"most\":{},\"from_file\":[]}\nA=b"] {
            assert!(Surroundings::parse(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }

    #[test]
    fn only_what_a_settings_file_says_is_newer() {
        let kept = of(&[("DB", b"old"), ("LANG", b"C.UTF-8"), ("PATH", b"/opt/java")], &["DB"]);
        let here = of(&[("DB", b"new"), ("KEY", b"k"), ("LANG", b"C"), ("PATH", b"/bin")], &["KEY"]);
        let again = kept.renewed_by(&here);
        let wanted = of(&[("DB", b"new"), ("KEY", b"k"), ("LANG", b"C.UTF-8"), ("PATH", b"/opt/java")], &["DB", "KEY"]);
        assert_eq!(again, wanted);
    }
}
