//! The switch in the reload form: rewrite the file, have nginx test and read it, and see.
//!
//! An exit status of 0 from a reload proves nothing: nginx reads its configuration afterwards, and if it can't
//! use it, goes on with the old one and says so in a log. Whatever goes wrong, the old file is put back.

use crate::nginx::{Nginx, Tested};
use crate::proof::Witnesses;
use crate::workers::{Generation, Master};
use anyhow::Result;
use bg_probe::exit::{Exit, OrExit};
use bg_probe::front::Front;
use bg_probe::replace;
use bg_probe::settings::Site;
use bg_probe::slot::Name;
use bg_probe::unfinished::Unfinished;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A change of the upstream file that takes a reload.
pub(crate) struct Reload<'a> {
    pub(crate) site: &'a Site,
    pub(crate) nginx: &'a Nginx,
    pub(crate) front: Option<&'a Front>,
    pub(crate) within: Duration,
    pub(crate) interrupted: &'a AtomicBool,
}

impl Reload<'_> {
    /// Writes `text`, reloads, and waits for the proof that nginx serves `to`; which evidence it was.
    ///
    /// # Errors
    /// [`Exit::NotMoved`] when nginx refuses or does not move, [`Exit::Refused`] when the file can't be written. The
    /// file is back as it was, and nginx on the slot it was on; the message says what was seen of that.
    pub(crate) fn apply(&self, plan: &Unfinished, text: &str, to: &Name) -> Result<&'static str> {
        let dir = &self.site.dir;
        self.nginx.program()?;
        plan.begin(dir)?;
        if let Err(why) = replace::file(&self.site.upstream_file, text.as_bytes(), 0o644) {
            Unfinished::end(dir)?;
            return Err(why);
        }
        let mut reloaded = false;
        let moved = self.reload(to, &mut reloaded);
        match moved {
            Ok(evidence) => {
                Unfinished::end(dir)?;
                Ok(evidence)
            }
            Err(why) => Err(self.back(plan, &why, reloaded)),
        }
    }

    fn reload(&self, to: &Name, reloaded: &mut bool) -> Result<&'static str> {
        let tested = self.nginx.test()?;
        let before = tested.master.as_ref().map(Master::generation);
        if before.is_none() && self.front.is_none() {
            return Err(Exit::NotMoved.because(
                "nothing could prove the switch: --front is unset, and nginx's pid file was not found (--pid-file)",
            ));
        }
        self.nginx.reload(tested.master.as_ref())?;
        *reloaded = true;
        self.see(to, before).map_err(|seen| Exit::NotMoved.because(in_words(to, &seen, self.within, &tested)))
    }

    fn see(&self, slot: &Name, before: Option<Generation>) -> Result<&'static str, String> {
        Witnesses { front: self.front, before, reloaded: true, interrupted: self.interrupted }.see(slot, self.within)
    }

    /// Puts the old file back, has nginx read it if it may have read the new one, and says what serves now.
    fn back(&self, plan: &Unfinished, why: &anyhow::Error, reloaded: bool) -> anyhow::Error {
        let file = self.site.upstream_file.display();
        let exit = Exit::of(why);
        if let Err(worse) = plan.undo(self.site) {
            return Exit::NotMoved.because(format!("{why:#}. The old text of {file} could not be put back: {worse:#}. Run the same command again once it can"));
        }
        let now = if reloaded { self.reload_back(plan) } else { Ok(format!("{} is serving as before", name(plan))) };
        match now.and_then(|now| Unfinished::end(&self.site.dir).map(|()| now)) {
            Ok(now) => exit.because(format!("{why:#}. {file} is as it was; {now}")),
            Err(worse) => {
                exit.because(format!("{why:#}. {file} is as it was, but nginx did not read it again: {worse:#}"))
            }
        }
    }

    fn reload_back(&self, plan: &Unfinished) -> Result<String> {
        let tested = self.nginx.test()?;
        self.nginx.reload(tested.master.as_ref())?;
        let Some(from) = plan.from.as_deref() else { return Ok("no slot was live before".into()) };
        // An interrupt has been heard; what is left is to see that all is as it was. The workers can't be counted on:
        // a reload that did not take the new file does not take the old one either.
        let calm = AtomicBool::new(false);
        let witnesses = Witnesses { front: self.front, before: None, reloaded: true, interrupted: &calm };
        let from: Name = from.parse().or_exit(Exit::Refused)?;
        Ok(match witnesses.see(&from, self.within) {
            Ok(_) => format!("{from} is serving, seen at the front"),
            Err(_) if self.front.is_none() => format!("{from} should be serving"),
            Err(seen) => format!("{from} was not seen again within {}: {seen}", bg_probe::say::seconds(self.within)),
        })
    }
}

fn in_words(to: &Name, seen: &str, within: Duration, tested: &Tested) -> String {
    let log = tested.complaint().map(|line| format!("; nginx's error log: {line}")).unwrap_or_default();
    format!("nginx did not move to {to} within {}: {seen}{log}", bg_probe::say::seconds(within))
}

fn name(plan: &Unfinished) -> &str {
    plan.from.as_deref().unwrap_or("what was there")
}
