//! The switch in the reload form: rewrite the file, have nginx test and read it, and see.
//!
//! An exit status of 0 from a reload proves nothing: nginx reads its configuration afterwards, and if it can't
//! use it, goes on with the old one and says so in a log. Whatever goes wrong, the old file is put back.

use crate::nginx::Nginx;
use crate::nginx::upgrade::Upgrade;
use crate::nginx::workers::Master;
use crate::proof::{AT_ONCE, Reloaded, Unseen, Witnesses, as_before};
use anyhow::Result;
use bg_probe::live::front::Front;
use bg_probe::live::pending::Pending;
use bg_probe::os::replace;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A change of the upstream file that takes a reload.
#[derive(Clone, Copy)]
pub(crate) struct Reload<'a> {
    pub(crate) site: &'a Site,
    pub(crate) nginx: &'a Nginx,
    pub(crate) front: Option<&'a Front>,
    pub(crate) within: Duration,
    pub(crate) interrupted: &'a AtomicBool,
    pub(crate) voice: Voice,
}

impl Reload<'_> {
    /// Writes `text`, reloads, and waits for the proof that nginx serves `to`; which evidence it was.
    ///
    /// # Errors
    /// [`Exit::NotMoved`] when nginx refuses or does not move, [`Exit::Refused`] when the file can't be written. The
    /// file is back as it was, and nginx on the slot it was on; the message says what was seen of that.
    pub(crate) fn apply(&self, plan: &Pending, text: &str, to: &Slot) -> Result<&'static str> {
        let dir = &self.site.dir;
        let found = std::fs::read(&self.site.upstream_file).ok();
        self.nginx.program()?;
        self.ensure_one_nginx()?;
        plan.begin(dir)?;
        if let Err(why) = replace::file(&self.site.upstream_file, text.as_bytes(), 0o644) {
            return Err(self.unwritten(plan, why, found.as_deref()));
        }
        let mut told = false;
        match self.reload(to, &mut told) {
            Ok(evidence) => match Pending::end(dir) {
                Ok(()) => Ok(evidence),
                // The next run would undo it.
                Err(why) if plan.is_conversion => Err(self.back(plan, &why, told, found.as_deref())),
                Err(why) => {
                    let words = format!("nginx has moved; the note of that is for the next run to remove: {why:#}");
                    self.voice.warn(&words);
                    Ok(evidence)
                }
            },
            Err(why) => Err(self.back(plan, &why, told, found.as_deref())),
        }
    }

    /// Refuses while two nginxes serve of which only one would read the file.
    fn ensure_one_nginx(&self) -> Result<()> {
        let Some(upgrade) = self.nginx.upgrade() else { return Ok(()) };
        if upgrade.serves() {
            let (what, remedy) = (upgrade.in_words(), upgrade.remedy());
            return Err(Exit::NotMoved.because(format!("{what}: nothing was touched. First {remedy}")));
        }
        self.voice.warn(&format!("{}: {}", upgrade.in_words(), upgrade.remedy()));
        Ok(())
    }

    /// `told` is set as soon as nginx may have been told to read its configuration.
    fn reload(&self, to: &Slot, told: &mut bool) -> Result<&'static str> {
        // A Ctrl-C reaches nginx too; its failure is then our own end and not a verdict on the configuration.
        let interrupted = || self.interrupted.load(Ordering::Relaxed);
        let our_end = || Exit::NotMoved.because(Unseen::Interrupted.in_words(to, self.within));
        let unless_interrupted = |why| if interrupted() { our_end() } else { why };
        let tested = self.nginx.test().map_err(unless_interrupted)?;
        let before = tested.master.as_ref().and_then(Master::generation);
        if before.is_none() && self.front.is_none() {
            return Err(Exit::NotMoved.because(
                "nothing could prove the switch: there is no front that names a slot, and nginx's workers can't be seen (does it run? --pid-file)",
            ));
        }
        let sent = self.nginx.reload(tested.master.as_ref());
        *told = sent.is_ok() || interrupted();
        sent.map_err(unless_interrupted)?;
        let reloaded = Some(Reloaded { before, tested: &tested });
        let witnesses = Witnesses { front: self.front, reloaded, interrupted: self.interrupted };
        let evidence = witnesses.see(to, self.within).map_err(|unseen| {
            let log = tested.complaint().map(|line| format!("; nginx's error log: {line}")).unwrap_or_default();
            Exit::NotMoved.because(unseen.in_words(to, self.within) + &log)
        })?;
        // One that has begun meanwhile: its old workers may never have been told.
        match self.nginx.upgrade().filter(Upgrade::serves) {
            Some(upgrade) => Err(Exit::NotMoved.because(upgrade.in_words())),
            None => Ok(evidence),
        }
    }

    /// Ends a change whose text could not be written. It may stand there all the same, where only the last fsync has
    /// failed.
    fn unwritten(&self, plan: &Pending, why: anyhow::Error, found: Option<&[u8]>) -> anyhow::Error {
        if std::fs::read_to_string(&self.site.upstream_file).ok() != plan.before {
            return self.back(plan, &why, false, found);
        }
        // A note that stays does no harm: file and nginx agree, and the next run sees that.
        let _ = Pending::end(&self.site.dir);
        why
    }

    /// Puts the old file back, has nginx read it if it may have read the new one, and says what serves now.
    fn back(&self, plan: &Pending, why: &anyhow::Error, told: bool, found: Option<&[u8]>) -> anyhow::Error {
        let file = self.site.upstream_file.display();
        let exit = Exit::of(why);
        if let Err(worse) = plan.undo(self.site) {
            return Exit::NotMoved.because(format!("{why:#}. The old text of {file} could not be put back: {worse:#}. Run the same command again once it can"));
        }
        let from = plan.from.as_deref().and_then(|from| self.site.slots.named(from).ok());
        let back = if told { self.reload_back(plan, from) } else { Ok((self.left_on(from), true)) };
        let ended = back.and_then(|(now, stays)| {
            // Else nginx may still move: the note stays, and whoever comes next waits until it does not.
            if stays { Pending::end(&self.site.dir).map(|()| now) } else { Ok(now) }
        });
        let file = self.compared(found, from);
        match ended {
            Ok(now) => exit.because(format!("{why:#}. {file}; {now}")),
            Err(worse) => {
                let now = self.left_on(from);
                exit.because(format!("{why:#}. {file}, but nginx did not read it again: {worse:#}; {now}"))
            }
        }
    }

    /// What the file is now, compared with what was found: an edit that nginx had never read is not put back, for nginx
    /// would move to where it never was.
    fn compared(&self, found: Option<&[u8]>, from: Option<&Slot>) -> String {
        let file = self.site.upstream_file.display();
        let now = std::fs::read(&self.site.upstream_file).ok();
        match from {
            _ if now.as_deref() == found => format!("{file} is as it was"),
            Some(from) => format!("{file} points at {from}"),
            None => format!("{file} is not as it was: somebody else has written it"),
        }
    }

    /// Has nginx read the old text again, and waits until it serves `from`: in words, and whether that is how it stays.
    fn reload_back(&self, plan: &Pending, from: Option<&Slot>) -> Result<(String, bool)> {
        // Written anew, it says how long ago nginx was told the last time.
        plan.begin(&self.site.dir)?;
        let tested = self.nginx.test()?;
        let before = tested.master.as_ref().and_then(Master::generation);
        self.nginx.reload(tested.master.as_ref())?;
        Ok(match (self.front, from) {
            (Some(front), Some(from)) => {
                as_before(front, from, Some(Reloaded { before, tested: &tested }), self.within)
            }
            (None, Some(from)) => (format!("{from} should be serving"), true),
            (_, None) => ("no slot was live before".to_owned(), true),
        })
    }

    /// Whether `from` serves where nginx was told nothing, in words.
    fn left_on(&self, from: Option<&Slot>) -> String {
        match (self.front, from) {
            (Some(front), Some(from)) => as_before(front, from, None, AT_ONCE).0,
            (None, Some(from)) => format!("nginx was left on {from}"),
            (_, None) => "no slot was live before".to_owned(),
        }
    }
}
