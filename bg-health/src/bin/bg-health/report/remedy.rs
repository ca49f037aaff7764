//! What to do about an application that is not healthy: settings to make, and commands to copy.

use crate::report::case::{Case, Failure};
use bg_health::verdict::Word;
use bg_probe::os::port;
use bg_probe::os::process::owner_of;
use bg_probe::site::advice::{Advice, flag_of, has_a_command, is_driven};
use bg_probe::site::family;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Slot;
use std::time::Duration;

/// How long a wait is that had no other time.
const TIMEOUT: Duration = Duration::from_secs(110);

impl Case<'_> {
    pub(super) fn of_another_port(&self) -> String {
        let ports: Vec<String> = self.other_ports().map(|port| port.to_string()).collect();
        let at = self.other_ports().next().unwrap_or(self.asked.port);
        let of = |slot: &Slot| {
            let port = if slot == self.slot { at } else { self.beside(at) };
            format!("{}={port}", slot.name)
        };
        let both = self.record.site.slots.both().each_ref().map(of).join(",");
        format!(
            "the application has no health page on {}, but listens on {} too; if its health page is there: {}; or name \
             one with {}",
            self.asked.port,
            ports.join(" and "),
            self.setting("port", &both),
            flag_of("health", "path")
        )
    }

    /// The other slot's port like this one of ours: one that what runs there listens on, else as far from its own.
    pub(super) fn beside(&self, at: u16) -> u16 {
        let launched = Launched::of(&self.record.site.dir, &self.other.name).ok().flatten();
        let members = launched.and_then(|launched| family::members(&launched).ok()).unwrap_or_default();
        let theirs = port::ports_of(&members).unwrap_or_default();
        let theirs = theirs.into_iter().find(|port| ![self.other.port, self.slot.port, at].contains(port));
        let as_far = i32::from(self.other.port) + i32::from(at) - i32::from(self.slot.port);
        theirs.or_else(|| u16::try_from(as_far).ok().filter(|port| *port > 0)).unwrap_or(at)
    }

    pub(super) fn of_own_word(&self, word: &Word, url: &str) -> String {
        let expect = self.setting("expect", word.text.as_deref().unwrap_or("TEXT"));
        format!(
            "the application runs and says {}; its own reasons: {url}; if that is how the application says it is well: {expect}",
            word.says
        )
    }

    /// A process that holds a slot's port; `who` begins with its pid.
    pub(super) fn held_by(&self, slot: &Slot, who: &str) -> String {
        let pid = who.split(' ').find_map(|word| word.parse::<i32>().ok());
        let stop = pid.map(kill).map_or_else(|| "stop it".to_owned(), |kill| format!("stop it: {kill}"));
        let adopt = self.adopt(slot).map(|adopt| format!("; or let bg-launch take it over: {adopt}"));
        format!("port {} is held by {who}; {stop}{}", slot.port, adopt.unwrap_or_default())
    }

    /// The launch once more, of what is on disk by now.
    fn adopt(&self, slot: &Slot) -> Option<Advice> {
        let site = &self.record.site;
        let release = self.launch.map(|launch| launch.release.as_str());
        if !is_driven() {
            return Some(Advice::launch(site, &["--slot", slot.name.as_str(), "--adopt", "--release", release?]));
        }
        // Of what was typed behind the dashes nothing is known here.
        Some(match release.filter(|_| has_a_command()) {
            Some(release) => Advice::call(site, "bg-deploy", &["--launch-adopt", "--rollback", "--to", release]),
            None => Advice::again_with(site, "launch", "adopt", None),
        })
    }

    /// A setting of bg-health's, made for good.
    pub(super) fn setting(&self, flag: &str, value: &str) -> Advice {
        Advice::setting(&self.record.site, "health", flag, value)
    }

    /// More time for the wait.
    pub(super) fn longer(&self) -> Advice {
        let within = match &self.failure {
            Failure::Late(pace) => pace.timeout,
            _ => TIMEOUT,
        };
        self.setting("timeout", &twice(within))
    }

    pub(super) fn speaks_https(&self) -> Advice {
        let url = format!("https://{}:{{port}}", self.record.site.address.asked());
        Advice::setting(&self.record.site, "", "slot-url", &url)
    }

    /// What to do about a host name that an application does not take.
    pub(super) fn name_the_host(&self) -> String {
        let known = self.record.site.front_host.as_deref().filter(|host| *host != self.host());
        match known {
            Some(host) => format!("name another: {}", self.setting("host", host)),
            None => format!("name one that it takes: {}", self.setting("host", "www.example.org")),
        }
    }
}

/// The command that stops a process.
pub(super) fn kill(pid: i32) -> Advice {
    Advice::by_owner(owner_of(pid).unwrap_or(0), &["kill", &pid.to_string()])
}

/// Twice as long, as a setting.
pub(super) fn twice(within: Duration) -> String {
    humantime::format_duration(within.saturating_mul(2)).to_string().replace(' ', "")
}
