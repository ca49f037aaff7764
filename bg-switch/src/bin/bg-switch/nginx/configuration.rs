//! The configuration of nginx: whether nginx accepts it, what is in it, and which file it begins with.

use crate::nginx::Nginx;
use crate::nginx::command::Printed;
use crate::nginx::dump::Dump;
use crate::nginx::error_log::ErrorLog;
use crate::nginx::tested::{Rejected, Tested, main_file};
use std::path::{Path, PathBuf};

/// As much of a configuration as is read where nothing is to take long, in bytes: some milliseconds.
const BRIEF: u64 = 512 << 10;

impl Nginx {
    /// Has nginx test its configuration (`nginx -t`), as it is now.
    ///
    /// # Errors
    /// When nginx finds it bad, or can't be asked; [`Exit::NotMoved`] or [`Exit::Refused`] in a message.
    pub(crate) fn test(&self) -> Result<Tested, Rejected> {
        self.was_asked.set(true);
        self.tested(&self.command.run(&["-t"])?)
    }

    /// Has nginx test its configuration and print it, in one call (`nginx -T`): each call takes seconds on a large one.
    ///
    /// # Errors
    /// Those of [`Nginx::test`].
    pub(crate) fn test_and_print(&self) -> Result<Tested, Rejected> {
        self.was_asked.set(true);
        let printed = self.command.run(&["-T"])?;
        if !printed.is_success() && main_file(&printed).is_none() {
            // That is not nginx's own word: the rules of sudo may allow the test alone.
            return self.test();
        }
        let tested = self.tested(&printed);
        let dump = Some(&printed).filter(|printed| printed.is_success()).and_then(|printed| printed.stdout());
        let _ = self.configuration.set(dump.map(Dump::parse).or_else(|| self.read()));
        tested
    }

    /// Has nginx test the configuration that begins with this file, in place of its own.
    ///
    /// # Errors
    /// Those of [`Nginx::test`].
    pub(crate) fn test_of(&self, main: &Path) -> Result<(), Rejected> {
        let main = main.to_string_lossy();
        let printed = self.command.run(&["-t", "-c", &main])?;
        if printed.is_success() { Ok(()) } else { Err(Rejected::by(&printed)) }
    }

    /// What nginx found in its test.
    fn tested(&self, printed: &Printed) -> Result<Tested, Rejected> {
        if let Some(file) = main_file(printed) {
            // Once it is known it stays so.
            let _ = self.main.set(file);
        }
        self.has_refused.set(!printed.is_success());
        if !printed.is_success() {
            return Err(Rejected::by(printed));
        }
        let places = self.places();
        Ok(Tested { master: self.master(&places), log: places.error_log.and_then(ErrorLog::now) })
    }

    /// The whole configuration as it was when first asked for: as nginx prints it (`nginx -T`), or from its files where
    /// nginx does not, because a file is missing or this user lacks a permission. `None` where nothing of it can be
    /// seen.
    pub(crate) fn configuration(&self) -> Option<&Dump> {
        let printed = || if self.is_brief || self.has_refused.get() { None } else { self.printed() };
        self.configuration.get_or_init(|| printed().or_else(|| self.read())).as_ref()
    }

    /// Whether nginx has that folder where it runs; `None` where it can't be asked. It is told that the folder is its
    /// configuration: it opens it, reads nothing of it, and what it says shows whether it is there.
    pub(crate) fn has_folder(&self, folder: &Path) -> Option<bool> {
        if self.is_brief {
            return None;
        }
        // With the dot it is no file, whoever may have put one there.
        let path = format!("{}/.", folder.display());
        let said = self.command.run(&["-t", "-c", &path]).ok()?.stderr();
        let is_there = said.contains(&format!("\"{path}\" failed (21: "));
        let is_not_there = said.contains(&format!("open() \"{path}\" failed (2: "));
        (is_there || is_not_there).then_some(is_there)
    }

    fn printed(&self) -> Option<Dump> {
        let printed = self.command.run(&["-T"]).ok().filter(Printed::is_success)?;
        printed.stdout().map(Dump::parse)
    }

    fn read(&self) -> Option<Dump> {
        if !self.is_on_this_machine() {
            return None;
        }
        let dump = if self.is_brief {
            // A script that is given its pid file may still call nginx with any configuration.
            let main = self.places().main.filter(|_| !self.command.is_a_script())?;
            Dump::read(&main, BRIEF)
        } else {
            Dump::read(self.main()?, u64::MAX)
        };
        Some(dump).filter(|dump| !dump.files.is_empty())
    }

    /// The main file of its configuration, where nginx names it.
    pub(super) fn main(&self) -> Option<&Path> {
        if !self.was_asked.get() {
            let _ = self.test();
        }
        self.main.get().map(PathBuf::as_path)
    }
}
