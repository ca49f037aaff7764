//! The marks that bg-launch puts into the environment of what it starts, by which a process is known as a folder's.
//!
//! A port proves nothing of that, and `process.json` names only its own folder's. Marks outlive both: they go with every
//! process that the application starts (`environ(7)`). The process's own user and root may look at them
//! (`proc_pid_environ(5)`); of a process that this user may not look into, nothing is known.

use crate::os::process::{environment, pids, session};
use crate::site::launched::Launched;
use crate::site::place;
use crate::site::settings::Site;
use anyhow::Result;
use std::collections::HashMap;

/// The marks of a process that bg-launch has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The application's name: `BG_APP`.
    pub app: String,
    /// The slot it was launched into: `BG_SLOT`.
    pub slot: String,
    /// The release it runs: `BG_RELEASE`. Its name has a time and a digest, and may be in another folder as well.
    pub release: String,
    /// The port it was told to listen on: `PORT`, which the application may have changed for what it starts.
    pub port: Option<u16>,
}

impl Marks {
    /// Those of a process or, where it has none or has written over them, of the first of its session; `None` where
    /// there are none to be seen.
    #[must_use]
    pub fn of(pid: i32) -> Option<Marks> {
        Marks::in_environment(&environment(pid)?).or_else(|| Marks::in_environment(&environment(session(pid)?)?))
    }

    /// Those of every process that has any, by its pid. Whatever bg-launch starts is in a session of its own. Most of a machine's
    /// processes are the kernel's, which are in none: they are not looked into.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn of_all() -> Result<Vec<(i32, Marks)>> {
        let mut known = HashMap::new();
        let mut own = |pid: i32| {
            let look = || environment(pid).and_then(|environment| Marks::in_environment(&environment));
            known.entry(pid).or_insert_with(look).clone()
        };
        let mut marks_of = |pid: i32| {
            let session = session(pid);
            if session == Some(0) { None } else { own(pid).or_else(|| own(session?)) }
        };
        Ok(pids()?.into_iter().filter_map(|pid| Some((pid, marks_of(pid)?))).collect())
    }

    /// Those in the bytes of `/proc/PID/environ`: all three, for a person's shell may well have one.
    #[must_use]
    pub fn in_environment(bytes: &[u8]) -> Option<Marks> {
        // Of all processes of a machine nearly none has any, and a whole text is searched many times as fast.
        if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains("BG_RELEASE=")) {
            return None;
        }
        let value = |name: &str| {
            let mut variables = bytes.split(|byte| *byte == 0);
            let value = variables.find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
            value.map(|value| String::from_utf8_lossy(value).into_owned()).filter(|value| !value.is_empty())
        };
        let port = value("PORT").and_then(|port| port.parse().ok());
        Some(Marks { app: value("BG_APP")?, slot: value("BG_SLOT")?, release: value("BG_RELEASE")?, port })
    }

    /// Whether the process that carries these was launched from this folder: its release is one of the folder's, and where it,
    /// or the first of its session, writes and works is the folder's too. Where nothing tells that, its port is a slot's.
    #[must_use]
    pub fn are_of(&self, site: &Site, pid: i32) -> bool {
        let launched =
            || site.slots.both().iter().filter_map(|slot| Launched::of(&site.dir, &slot.name).ok().flatten());
        if !launched().any(|launched| launched.release == self.release) && !site.dir.has_release(&self.release) {
            return false;
        }
        let is_in = |pid: i32| place::is_in(&site.dir, pid, &self.slot, &self.release);
        is_in(pid).or_else(|| is_in(session(pid).filter(|session| *session > 0)?)).unwrap_or_else(|| {
            let is_ours = |port: u16| site.slots.both().iter().any(|slot| slot.port == port);
            self.port.is_none_or(|port| is_ours(port) || launched().any(|launched| launched.port == port))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_three_or_none() {
        let read = |text: &str| Marks::in_environment(text.replace(' ', "\0").as_bytes());
        let marks = Marks { app: "web".into(), slot: "set1".into(), release: "r-1".into(), port: Some(1) };
        assert_eq!(read("A=b BG_APP=web BG_SLOT=set1 BG_RELEASE=r-1 PORT=1"), Some(marks));
        for few in ["", "BG_APP=web BG_SLOT=set1", "BG_SLOT=set1 BG_RELEASE=r-1", "BG_APP=web BG_SLOT= BG_RELEASE=r"] {
            assert_eq!(read(few), None, "{few}");
        }
    }
}
