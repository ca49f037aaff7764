//! nginx as a program: how it is called, what it prints of itself, and what is seen of its processes.

pub(crate) mod cache;
mod command;
mod configuration;
pub(crate) mod dump;
pub(crate) mod error_log;
pub(crate) mod groups;
pub(crate) mod parts;
mod places;
pub(crate) mod servers;
pub(crate) mod tested;
pub(crate) mod tree;
pub(crate) mod trial;
pub(crate) mod upgrade;
pub(crate) mod workers;

use crate::nginx::command::CommandLine;
use crate::nginx::dump::Dump;
use crate::nginx::places::{Built, Places};
use crate::nginx::upgrade::Upgrade;
use crate::nginx::workers::Master;
use anyhow::Result;
use bg_probe::say;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::cell::{Cell, OnceCell};
use std::path::PathBuf;

/// The nginx of a site. On a large configuration it takes seconds for an answer, so what does not change is asked for
/// once.
pub(crate) struct Nginx {
    command: CommandLine,
    pid_file: Option<PathBuf>,
    /// The main file of its configuration, once it has named it: a script may call it with another than its own.
    main: OnceCell<PathBuf>,
    /// Whether it has been asked to test its configuration, and so for its main file.
    was_asked: Cell<bool>,
    /// Whether it found its configuration bad. It prints none of it then, and is not asked in vain: it may take sudo.
    has_refused: Cell<bool>,
    /// Whether nothing is asked that takes long.
    is_brief: bool,
    built: OnceCell<Option<Built>>,
    configuration: OnceCell<Option<Dump>>,
}

impl Nginx {
    /// nginx as the operator calls it.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a command line that can't be split.
    pub(crate) fn new(command_line: &str, pid_file: Option<PathBuf>) -> Result<Nginx> {
        Ok(Nginx {
            command: CommandLine::parse(command_line)?,
            pid_file,
            main: OnceCell::new(),
            was_asked: Cell::new(false),
            has_refused: Cell::new(false),
            is_brief: false,
            built: OnceCell::new(),
            configuration: OnceCell::new(),
        })
    }

    /// The same nginx, of which nothing is asked that takes long: what it would print of its configuration is looked up in
    /// the files themselves, as far as they are short, and sudo is not asked for its rules.
    pub(crate) fn in_brief(self) -> Nginx {
        Nginx { was_asked: Cell::new(true), is_brief: true, ..self }
    }

    /// Whether it is certain which files are its own. A script may call nginx with another configuration than it was
    /// given: only nginx itself names that, when it tests it.
    pub(crate) fn is_certain(&self) -> bool {
        self.pid_file.is_some() || !self.is_brief || !self.command.is_a_script()
    }

    /// Where the program is.
    ///
    /// # Errors
    /// When it is missing.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        self.command.program()
    }

    /// The program that the command line begins with, where this machine has none of that name.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.command.words().next().filter(|_| self.program().is_err())
    }

    /// The version it prints, `nginx/1.22.1`; `None` where it prints none.
    pub(crate) fn version(&self) -> Option<String> {
        let text = self.command.run(&["-v"]).ok()?.stderr();
        text.lines().find_map(|line| Some(line.split_once(" version: ")?.1)).map(say::clean)
    }

    /// Has nginx read its configuration again: SIGHUP to its master where that is known and allowed, which is all
    /// that `nginx -s reload` does after it has parsed the configuration once more, else `nginx -s reload`.
    ///
    /// # Errors
    /// [`Exit::NotMoved`] when the signal can't be sent.
    pub(crate) fn reload(&self, master: Option<&Master>) -> Result<()> {
        if master.is_some_and(|master| kill(Pid::from_raw(master.pid()), Signal::SIGHUP).is_ok()) {
            return Ok(());
        }
        let printed = self.command.run(&["-s", "reload"])?;
        if printed.is_success() {
            return Ok(());
        }
        Err(Exit::NotMoved
            .because(format!("nginx could not be told to reload (does it run?): {}", printed.complaint())))
    }

    /// What a person types to call it with these words.
    pub(crate) fn by_hand(&self, words: &[&str]) -> Advice {
        let line: Vec<&str> = self.command.words().chain(words.iter().copied()).collect();
        // Who calls it by sudo, or in a container, has said how.
        if self.command.is_plain() { Advice::by_root(&line) } else { Advice::by_anybody(&line) }
    }

    /// Whether this user may have it read its configuration again, by a signal to its master or by the rules of sudo;
    /// `None` where only the attempt can show it, as through `docker exec`.
    pub(crate) fn may_reload(&self) -> Option<bool> {
        // Signal 0 is the question alone (kill(2)).
        if self.running().is_some_and(|master| kill(Pid::from_raw(master.pid()), None).is_ok()) {
            return Some(true);
        }
        if self.is_brief && (!self.is_certain() || !self.command.is_plain()) {
            return None;
        }
        let by_sudo = self.command.sudo_allows(&["-s", "reload"]);
        by_sudo.or_else(|| self.command.is_plain().then(|| geteuid().is_root()))
    }

    /// The master process of the nginx that runs, where it can be found; also where this user may not test its
    /// configuration.
    pub(crate) fn running(&self) -> Option<Master> {
        let _ = self.main();
        self.master(&self.places())
    }

    /// The binary upgrade of nginx that is under way, where one is.
    pub(crate) fn upgrade(&self) -> Option<Upgrade> {
        let pid_file = self.pid_file.clone().or_else(|| self.places().pid)?;
        Upgrade::of(&pid_file)
    }

    /// Refuses while two nginxes serve of which only one would read the configuration again. An old one that serves
    /// nothing any more is no reason to wait: it is returned.
    ///
    /// # Errors
    /// [`Exit::NotMoved`].
    pub(crate) fn ensure_one_serves(&self) -> Result<Option<Upgrade>> {
        match self.upgrade() {
            Some(upgrade) if upgrade.serves() => {
                let what = format!("{}: nothing was touched", upgrade.in_words());
                Err(Exit::NotMoved.refuse(what, format!("first {}", upgrade.remedy())))
            }
            upgrade => Ok(upgrade),
        }
    }

    /// Whether this is an nginx whose files and processes are those seen from here, and not one in a container: so it
    /// is called, or the operator has given its pid file.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        self.pid_file.is_some() || self.command.is_of_this_machine()
    }

    /// Where its files are; nowhere, where it is not one of this machine.
    fn places(&self) -> Places {
        if !self.is_on_this_machine() {
            return Places::default();
        }
        let built = self.built.get_or_init(|| self.ask_how_built()).as_ref();
        Places::of(self.command.options(), built, self.main.get().map(PathBuf::as_path))
    }

    fn ask_how_built(&self) -> Option<Built> {
        Built::parse(&self.command.run_without_root(&["-V"]).ok()?.stderr())
    }

    fn master(&self, places: &Places) -> Option<Master> {
        Master::from(self.pid_file.as_ref().or(places.pid.as_ref())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_nginx_whose_pid_file_is_given_is_on_this_machine() {
        let is_here = |pid_file| Nginx::new("web-server", pid_file).unwrap().is_on_this_machine();
        assert!(!is_here(None) && is_here(Some("/run/web.pid".into())));
    }
}
