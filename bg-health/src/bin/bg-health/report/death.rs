//! The likely cause of an application's end before it was healthy. Nobody is told with which status it ended, but for systemd: so
//! no cause is named that nothing speaks for.

use crate::report::case::{Case, End, Holder};
use crate::report::remedy::kill;
use crate::report::signs;
use bg_health::verdict::Kind;
use bg_probe::os::process::command_line;
use bg_probe::site::advice::Advice;

/// What to do about a command that puts itself into the background.
const FOREGROUND: &str = "it must stay in the foreground (no &, no daemon mode, docker run without -d)";

impl Case<'_> {
    /// The likely cause, where this is the end of the application's log.
    pub(super) fn of_death(&self, log: &str) -> String {
        if let Some(Kind::Stranger(who, slot)) = self.answers.of_a_stranger() {
            return self.held_by(slot, who);
        }
        if let Some(pid) = self.survivor {
            return format!("the command went into the background (pid {pid} goes on): {FOREGROUND}");
        }
        match self.holder {
            Some(Holder { pid, is_younger: true }) => format!(
                "pid {pid} ({}) holds port {} and began after the launch; if the command has put it into the background, \
                 {FOREGROUND}; stop it: {}",
                command_line(pid),
                self.slot.port,
                kill(pid)
            ),
            Some(Holder { pid, is_younger: false }) => {
                self.held_by(self.slot, &format!("pid {pid} ({})", command_line(pid)))
            }
            None => self.in_the_log(log).or_else(|| signs::last_cause(log)).unwrap_or_else(|| self.of_an_end(log)),
        }
    }

    /// The end of an application whose log names no cause.
    fn of_an_end(&self, log: &str) -> String {
        match self.end {
            End::MemoryRanOut => {
                let kernel = Advice::by_root(&["journalctl", "-k"]);
                format!("memory ran out, and the kernel has ended a process meanwhile; which one: {kernel}")
            }
            End::Well => {
                format!("the command ended as if its work was done, and what it left was ended with it: {FOREGROUND}")
            }
            End::Unknown if log.trim().is_empty() => {
                "it ended without a word in its log: start its command by hand to see more".to_owned()
            }
            End::Unknown => "it ended, or somebody ended it: see the end of its log".to_owned(),
        }
    }
}
