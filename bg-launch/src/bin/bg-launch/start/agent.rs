//! Whether a release that is started here ends with the CI agent that started it, which is itself a service of systemd.
//!
//! A session of its own is left alone by the agent, and not by systemd: all that a service has started stays in its
//! control group (`cgroups(7)`), and goes when that service is stopped or restarted, as after an update of the agent.
//! The service's `KillMode=` decides that (`systemd.kill(5)`), so systemd is asked: `cron.service`,
//! `atd.service` and `ssh.service` have `process`, and leave alone what they have started. A session of somebody who has
//! logged in is a scope and no service, and by default leaves it alone, too (`KillUserProcesses=` of `logind.conf(5)`).

use crate::start::mode::Via;
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::Site;
use bg_probe::site::unit::tool;
use std::fmt::{self, Display};

/// A service of systemd.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// The user whose systemd has it; `None` for the machine's.
    user: Option<u32>,
    name: String,
}

impl Service {
    /// The service that a process started here would end with; `None` where there is none.
    pub(crate) fn of_this_process() -> Option<Service> {
        let service = Service::parse(&std::fs::read_to_string("/proc/self/cgroup").ok()?)?;
        service.ends_all().then_some(service)
    }

    /// Whether a process is of this service as well, and so ends with it.
    fn has(&self, pid: i32) -> bool {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        Service::parse(&groups).as_ref() == Some(self)
    }

    /// The service that a `/proc/PID/cgroup` names in systemd's own hierarchy. What is below its group is its own as
    /// well, but for a scope.
    fn parse(groups: &str) -> Option<Service> {
        let paths = groups
            .lines()
            .filter_map(|line| line.strip_prefix("0::").or_else(|| Some(line.split_once(":name=systemd:")?.1)));
        paths.into_iter().find_map(Service::of_group)
    }

    fn of_group(path: &str) -> Option<Service> {
        let mut user = None;
        let mut innermost = None;
        for part in path.split('/') {
            if let Some(uid) = part.strip_prefix("user@").and_then(|rest| rest.strip_suffix(".service")) {
                // A user's own systemd: what it ends is its services, and itself at the last logout alone.
                (user, innermost) = (uid.parse().ok(), None);
                continue;
            }
            match part.rsplit_once('.') {
                Some((_, "scope")) => innermost = None,
                Some((_, "service")) => innermost = Some(part),
                _ => {}
            }
        }
        innermost.map(|name| Service { user, name: name.to_owned() })
    }

    /// Whether systemd ends everything in its group with it. That is the default, also where systemd gives no answer.
    fn ends_all(&self) -> bool {
        let mut show = tool(self.user, "systemctl");
        let asked = show.args(["show", "--property=KillMode", "--", &self.name]).output();
        let answer = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        !matches!(answer.strip_prefix("KillMode="), Some("process" | "none"))
    }
}

/// What ends a release that is started here in this way, and what to do about it; `None` where nothing does.
pub(crate) fn warning(site: &Site, via: Via) -> Option<(String, String)> {
    if via == Via::Systemd {
        return None;
    }
    let service = Service::of_this_process()?;
    let what = format!("what is started from here is ended whenever {service} is stopped or restarted");
    let unit = Advice::setting(site, "launch", "via", "systemd");
    Some((what, format!("have it started as a unit of its own: {unit}")))
}

/// What ends a process that waits here to stop `pid` later, so that `pid` runs on; `None` where nothing does, and where both
/// end together, of which the launch has warned.
pub(crate) fn warning_of_a_wait(pid: i32) -> Option<String> {
    let service = Service::of_this_process().filter(|service| !service.has(pid))?;
    Some(format!("what waits is ended whenever {service} is stopped or restarted, and pid {pid} runs on then"))
}

impl Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&bg_probe::say::clean(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(groups: &str) -> Option<(Option<u32>, String)> {
        Service::parse(groups).map(|service| (service.user, service.name))
    }

    #[test]
    fn an_agent_is_a_service_of_the_machine_or_of_a_user() {
        let runner = "actions.runner.org-web.1.service";
        let machines = Some((None, runner.to_owned()));
        assert_eq!(named(&format!("0::/system.slice/{runner}\n")), machines);
        assert_eq!(named(&format!("0::/system.slice/{runner}/job/7\n")), machines);
        assert_eq!(
            named(&format!("12:pids:/system.slice/x.service\n1:name=systemd:/system.slice/{runner}\n")),
            machines
        );
        assert_eq!(named(&format!("1:name=systemd:/system.slice/{runner}\n0::/\n")), machines);
        let users = format!("0::/user.slice/user-1000.slice/user@1000.service/app.slice/{runner}\n");
        assert_eq!(named(&users), Some((Some(1000), runner.to_owned())));
    }

    #[test]
    fn sessions_containers_and_other_hierarchies_are_none() {
        for none in [
            "",
            "0::/\n",
            "0::/user.slice/user-1000.slice/session-3.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice\n",
            "0::/system.slice/docker-0123.scope\n",
            "1:name=systemd:/docker/0123\n4:memory:/system.slice/jenkins.service\n",
            "nonsense",
        ] {
            assert_eq!(named(none), None, "{none}");
        }
    }
}
