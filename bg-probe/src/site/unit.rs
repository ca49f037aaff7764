//! A slot's unit of systemd, where the application runs as one.
//!
//! The unit is known by its name and by the release in its environment: another folder's application may have
//! the same name, and its processes must not be taken for ours. Its main process changes when systemd restarts it,
//! so what runs is asked of systemd and not kept. What each property means is in `org.freedesktop.systemd1(5)`.

use crate::os::advice::Advice;
use crate::os::process::pids;
use crate::say::quoted;
use crate::site::slot::Name;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The unit of a slot: `bg-web-set2.service`, or, of a user's own systemd,
/// `user@1000.service/bg-web-set2.service`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Unit {
    /// The user whose systemd has it; `None` for the machine's.
    user: Option<u32>,
    name: String,
}

/// What systemd reports of a unit at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether systemd has a unit of that name at all, also one that ended.
    pub is_loaded: bool,
    /// Whether it runs, or systemd is about to start or stop it.
    pub is_up: bool,
    /// The main process; 0 while there is none.
    pub main: i32,
    /// The main process of the last start, which may have ended.
    pub last_main: i32,
    /// What names this run of it, one start to one end.
    pub invocation: String,
    control_group: String,
    environment: String,
}

impl Unit {
    /// The unit of a slot: of the machine's systemd for root, else of the user's own.
    #[must_use]
    pub fn of(app: &Name, slot: &Name) -> Unit {
        let me = nix::unistd::geteuid();
        Unit { user: (!me.is_root()).then_some(me.as_raw()), name: format!("bg-{app}-{slot}.service") }
    }

    /// Its name, without whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a user's own systemd has it, which ends with the user's last session unless that user lingers.
    #[must_use]
    pub fn is_a_users(&self) -> bool {
        self.user.is_some()
    }

    /// `systemctl` or `systemd-run`, for the systemd that has the unit.
    #[must_use]
    pub fn tool(&self, program: &str) -> Command {
        tool(self.user, program)
    }

    /// What a person types to see what it wrote.
    #[must_use]
    pub fn journal(&self) -> String {
        let of = if self.is_a_users() { "--user-unit" } else { "-u" };
        format!("journalctl {of} {}", self.name)
    }

    /// The command by which a person has `systemctl(1)` do this with it.
    #[must_use]
    pub fn by_hand(&self, verb: &str) -> Advice {
        if self.is_a_users() {
            return Advice::by_anybody(&["systemctl", "--user", verb, self.name()]);
        }
        Advice::by_root(&["systemctl", verb, self.name()])
    }

    /// Asks systemd.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub fn state(&self) -> Result<State> {
        let properties = "LoadState,ActiveState,MainPID,ExecMainPID,InvocationID,ControlGroup,Environment";
        let mut show = self.tool("systemctl");
        let asked = show.args(["show", "--property", properties, self.name()]).output().context("run systemctl")?;
        let why = String::from_utf8_lossy(&asked.stderr);
        ensure!(asked.status.success(), "systemctl show {self}: {}", quoted(why.trim()));
        Ok(State::parse(&String::from_utf8_lossy(&asked.stdout)))
    }
}

/// `systemctl` or `systemd-run`, for the machine's systemd or that of a user.
#[must_use]
pub fn tool(user: Option<u32>, program: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--no-ask-password").stdin(Stdio::null());
    let Some(user) = user else { return command };
    command.arg("--user");
    if user != nix::unistd::geteuid().as_raw() {
        command.arg(format!("--machine={user}@.host"));
    } else if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Cron and many CI runners have none, and then systemctl finds nobody to ask.
        command.env("XDG_RUNTIME_DIR", PathBuf::from(format!("/run/user/{user}")));
    }
    command
}

impl State {
    fn parse(text: &str) -> State {
        let mut state = State::default();
        for (property, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match property {
                "LoadState" => state.is_loaded = value != "not-found",
                "ActiveState" => state.is_up = !matches!(value, "inactive" | "failed"),
                "MainPID" => state.main = value.parse().unwrap_or(0),
                "ExecMainPID" => state.last_main = value.parse().unwrap_or(0),
                "InvocationID" => value.clone_into(&mut state.invocation),
                "ControlGroup" => value.clone_into(&mut state.control_group),
                "Environment" => value.clone_into(&mut state.environment),
                _ => {}
            }
        }
        state
    }

    /// Whether it is up and was started for this release.
    #[must_use]
    pub fn is_up_with(&self, release: &str) -> bool {
        let mark = format!("BG_RELEASE={release}");
        self.is_up && self.environment.split_ascii_whitespace().any(|variable| variable == mark)
    }

    /// Its processes: those of its control group and of the groups below it.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn members(&self) -> Result<Vec<i32>> {
        if self.control_group.is_empty() {
            return Ok(Vec::new());
        }
        let groups = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        Ok(pids()?.into_iter().filter(|pid| is_in(&groups(pid), &self.control_group)).collect())
    }
}

/// Whether a `/proc/PID/cgroup` (`cgroups(7)`) names the group, or one below it, in systemd's own hierarchy.
fn is_in(groups: &str, group: &str) -> bool {
    groups.lines().any(|line| {
        let path = line.strip_prefix("0::").or_else(|| Some(line.split_once(":name=systemd:")?.1));
        path.and_then(|path| path.strip_prefix(group)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

impl Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl From<Unit> for String {
    fn from(unit: Unit) -> String {
        match unit.user {
            Some(user) => format!("user@{user}.service/{}", unit.name),
            None => unit.name,
        }
    }
}

impl TryFrom<String> for Unit {
    type Error = anyhow::Error;

    /// It comes from a record or a file and becomes an argument of systemctl, so only a name of ours passes.
    fn try_from(text: String) -> Result<Unit> {
        let (user, name) = match text.strip_prefix("user@").and_then(|rest| rest.split_once(".service/")) {
            Some((user, name)) => (Some(user.parse().ok()), name),
            None => (None, text.as_str()),
        };
        let inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        let slot = name.strip_prefix("bg-").and_then(|rest| rest.strip_suffix(".service"));
        let is_ours = slot.is_some_and(|slot| slot.contains('-') && slot.len() <= 65 && slot.bytes().all(inside));
        ensure!(is_ours && user != Some(None), "{} is not a unit like bg-web-set1.service", quoted(&text));
        Ok(Unit { user: user.flatten(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_comes_out_as_it_went_in_and_nothing_else_goes_in() {
        for good in ["bg-web-set2.service", "user@1000.service/bg-a-b-c_1.service"] {
            assert_eq!(String::from(Unit::try_from(good.to_owned()).unwrap()), good);
        }
        for bad in [
            "",
            "--help",
            "ssh.service",
            "bg-.service",
            "bg-web.service",
            "bg-a-b.socket",
            "bg-a-b.service ssh.service",
            "bg-a-b/../c.service",
            "user@x.service/bg-a-b.service",
            "user@1.service/ssh.service",
        ] {
            assert!(Unit::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_systemctl_shows() {
        let text = "MainPID=0\nExecMainPID=7\nControlGroup=/system.slice/bg-a-b.service\nLoadState=loaded\n\
                    Environment=A=1 BG_RELEASE=r-1\nActiveState=activating\nInvocationID=ab\n";
        let state = State::parse(text);
        assert!(state.is_loaded && state.is_up && state.is_up_with("r-1") && !state.is_up_with("r"));
        assert_eq!((state.main, state.last_main, state.invocation.as_str()), (0, 7, "ab"));
        let failed = State::parse(&text.replace("activating", "failed"));
        assert!(failed.is_loaded && !failed.is_up_with("r-1"));
        assert_eq!(State::parse("LoadState=not-found\nActiveState=inactive\n"), State::default());
    }

    #[test]
    fn a_group_holds_itself_and_those_below_it() {
        let group = "/system.slice/bg-a-b.service";
        for inside in ["0::/system.slice/bg-a-b.service", "1:name=systemd:/system.slice/bg-a-b.service/below\n0::/"] {
            assert!(is_in(inside, group), "{inside}");
        }
        for outside in ["0::/system.slice/bg-a-b.service2", "0::/x/system.slice/bg-a-b.service", "4:memory:/", ""] {
            assert!(!is_in(outside, group), "{outside}");
        }
    }
}
