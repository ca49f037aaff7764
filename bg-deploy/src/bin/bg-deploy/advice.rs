//! Commands that a message ends with: whole, with what was typed for this run. Without that, another application might be
//! meant, or health be asked elsewhere.

use crate::args::stages::Stages;
use crate::stage::Name;
use bg_probe::os::sudo::sudo;
use bg_probe::site::slot::Slot;
use nix::unistd::geteuid;

/// What was typed for this run, as far as the next command needs it.
pub(crate) struct Advice {
    /// `--env-file` and the settings.
    pub(crate) settings: Vec<String>,
    /// `--nginx`, where the environment does not have it.
    pub(crate) nginx: Vec<String>,
    pub(crate) stages: Stages,
}

impl Advice {
    /// Moves nginx to the other slot, whose release is started again where it does not run.
    pub(crate) fn rollback(&self) -> String {
        let stages: Vec<String> = self.stages.shown().collect();
        command("bg-deploy", &[&self.settings, &self.nginx, &stages, &["--rollback".to_owned()]])
    }

    /// Goes back to a release that is on disk.
    pub(crate) fn rollback_to(&self, release: &str) -> String {
        let stages: Vec<String> = self.stages.shown().collect();
        let words = ["--rollback", "--to", release].map(str::to_owned);
        command("bg-deploy", &[&self.settings, &self.nginx, &stages, &words])
    }

    /// Moves nginx to the release that is prepared.
    pub(crate) fn finish(&self) -> String {
        let stages: Vec<String> = self.stages.shown().collect();
        command("bg-deploy", &[&self.settings, &self.nginx, &stages, &["--finish".to_owned()]])
    }

    /// Stops the release that is prepared.
    pub(crate) fn abandon(&self) -> String {
        command("bg-deploy", &[&self.settings, &["--abandon".to_owned()]])
    }

    /// Moves nginx to a slot whose release runs and is healthy.
    pub(crate) fn switch_to(&self, slot: &Slot) -> String {
        let own: Vec<String> = self.stages.of(Name::Switch).collect();
        command("bg-switch", &[&self.settings, &self.nginx, &own, &["--to".to_owned(), slot.to_string()]])
    }

    /// Stops what runs in a slot.
    pub(crate) fn stop(&self, slot: &Slot) -> String {
        let words = ["--slot".to_owned(), slot.to_string(), "--stop".to_owned()];
        command("bg-launch", &[&self.settings, &words])
    }

    /// Shows both slots.
    pub(crate) fn look(&self) -> String {
        command("bg-probe", &[&self.settings, &["--format".to_owned(), "table".to_owned()]])
    }
}

/// What was done by sudo goes on by sudo.
fn command(program: &str, words: &[&[String]]) -> String {
    let line = std::iter::once(program).chain(words.iter().copied().flatten().map(String::as_str));
    format!("{}{}", sudo(geteuid().as_raw()), shell_words::join(line))
}
