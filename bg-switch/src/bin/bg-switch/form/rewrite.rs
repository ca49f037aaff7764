//! A rewrite of the upstream file that nginx reads: write it, have nginx test and read it, and see.
//!
//! An exit status of 0 from a reload proves nothing: nginx reads its configuration afterwards, and if it can't
//! use it, goes on with the old one and notes that in a log. Whatever goes wrong, the old file is put back.

use crate::form::change::Change;
use crate::form::permission::ensure_replaceable;
use crate::nginx::Nginx;
use crate::nginx::upgrade::Upgrade;
use crate::nginx::workers::{Generation, Master};
use crate::proof::{Asks, BRIEFLY, Evidence, Reloaded, Unseen, as_before};
use anyhow::Result;
use bg_probe::cli::preflight::Finding;
use bg_probe::live::front::Front;
use bg_probe::live::pending::Pending;
use bg_probe::os::replace;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::{Advice, flag_of};
use bg_probe::site::route::Route;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// A rewrite that is under way.
struct Rewrite<'a> {
    change: &'a Change<'a>,
    plan: &'a Pending,
    /// The slot that serves, where one does.
    from: Option<&'a Slot>,
    /// The bytes of the file as it was found, where there was one.
    found: Option<Vec<u8>>,
    /// Whether nginx may have been sent a reload.
    is_sent: bool,
}

/// Writes `text`, reloads, and waits for the proof that nginx serves `to`; which evidence there was.
///
/// # Errors
/// [`Exit::NotMoved`] when nginx refuses or does not move, [`Exit::Refused`] when the file can't be written. The
/// file is back as it was, and nginx on the slot it was on; the message says what was seen of that.
pub(super) fn apply(change: &Change, plan: &Pending, text: &str, to: &Slot) -> Result<Evidence> {
    let site = change.site;
    change.nginx.program()?;
    if let Some(upgrade) = change.nginx.ensure_one_serves()? {
        change.voice.warn(&format!("{}: {}", upgrade.in_words(), upgrade.remedy()));
    }
    ensure_replaceable(site)?;
    let from = plan.from.as_deref().and_then(|from| site.slots.named(from).ok());
    let found = std::fs::read(&site.upstream_file).ok();
    let mut rewrite = Rewrite { change, plan, from, found, is_sent: false };
    plan.begin(&site.dir)?;
    if let Err(why) = replace::file(&site.upstream_file, text.as_bytes(), 0o644) {
        return Err(rewrite.unwritten(why));
    }
    match rewrite.reload(to).and_then(|evidence| rewrite.end(to).map(|()| evidence)) {
        Ok(evidence) => Ok(evidence),
        Err(why) => Err(rewrite.back(&why)),
    }
}

/// Has `DIR/live` say which slot is live, for applications: nginx itself does not look at it here.
pub(crate) fn tell(site: &Site, live: &Slot, voice: Voice) {
    if let Err(why) = Route::whole(&site.slots, live).tell(&site.dir, &site.slots, &site.app) {
        let (link, again) = (site.dir.live(), Advice::call(site, "bg-switch", &["--to", live.name.as_str()]));
        voice.warn(&format!(
            "{live} serves, but applications that look at BG_LIVE do not see it, for {} could not be moved: {why:#}. Once \
             that can be done: {again}",
            link.display()
        ));
    }
}

/// The findings of a preflight about a rewrite.
pub(super) fn findings(site: &Site, nginx: &Nginx) -> Vec<Finding> {
    let file = &site.upstream_file;
    let mut findings = vec![
        match ensure_replaceable(site) {
            Ok(()) => Finding::ok("write", format!("{} can be replaced", file.display())),
            Err(why) => Finding::refused("write", &why, "run this as root"),
        },
        may_reload(nginx),
    ];
    match nginx.ensure_one_serves() {
        Ok(None) => {}
        Ok(Some(upgrade)) => findings.push(Finding::warn("upgrade", upgrade.in_words(), upgrade.remedy())),
        Err(why) => findings.push(Finding::refused("upgrade", &why, "finish the upgrade")),
    }
    if !nginx.is_certain() {
        return findings;
    }
    let generation = || nginx.running().as_ref().and_then(Master::generation);
    let provable = Front::of(site).and_then(|front| ensure_provable(front.as_ref(), generation().as_ref()));
    findings.extend(provable.err().map(|why| Finding::refused("proof", &why, "correct --front")));
    findings
}

fn may_reload(nginx: &Nginx) -> Finding {
    match nginx.may_reload() {
        Some(true) => Finding::ok("reload", "nginx may be told to reload"),
        Some(false) => Finding::fail(
            "reload",
            "this user may not tell nginx to reload",
            "let --nginx be 'sudo -n nginx', with a line of sudoers for nginx -t and nginx -s reload",
        ),
        None => {
            Finding::ok("reload", "nginx is told to reload by a program of yours; only an attempt shows whether it may")
        }
    }
}

/// Refuses a reload that nothing could be seen of: there must be a front, or workers to watch.
fn ensure_provable(front: Option<&Front>, before: Option<&Generation>) -> Result<()> {
    if front.is_some() || before.is_some() {
        return Ok(());
    }
    Err(Exit::NotMoved.refuse(
        "nothing could prove the switch: there is no front that names a slot, and nginx's workers can't be seen (does \
         it run?)",
        format!("give a --front, or with {} the file that has nginx's process id", flag_of("switch", "pid-file")),
    ))
}

impl Rewrite<'_> {
    fn reload(&mut self, to: &Slot) -> Result<Evidence> {
        let (change, within) = (self.change, self.change.within);
        // A Ctrl-C reaches nginx too; its failure is then our own end and not a verdict on the configuration.
        let our_end = || Exit::NotMoved.because(Unseen::Interrupted.in_words(to, within));
        let unless_interrupted = |why| if change.is_interrupted() { our_end() } else { why };
        let tested = change.nginx.test().map_err(|rejected| unless_interrupted(rejected.why))?;
        let before = tested.master.as_ref().and_then(Master::generation);
        ensure_provable(change.front(), before.as_ref())?;
        let sent = change.nginx.reload(tested.master.as_ref());
        self.is_sent = sent.is_ok() || change.is_interrupted();
        sent.map_err(unless_interrupted)?;
        let witnesses = change.witnesses(Some(Reloaded { before, tested: &tested }));
        let evidence = witnesses.see(&Asks::of_all(to), within).map_err(|unseen| {
            let log = tested.complaint().map(|line| format!("; nginx's error log: {line}")).unwrap_or_default();
            Exit::NotMoved.because(unseen.in_words(to, within) + &log)
        })?;
        // One that has begun meanwhile: its old workers may never have got the reload.
        match change.nginx.upgrade().filter(Upgrade::serves) {
            Some(upgrade) => Err(Exit::NotMoved.because(upgrade.in_words())),
            None => Ok(evidence),
        }
    }

    /// Removes the note of what was begun. Where one of a conversion can't be removed, the next run would undo it.
    fn end(&self, to: &Slot) -> Result<()> {
        if self.plan.is_conversion {
            return Pending::end(&self.change.site.dir);
        }
        // Before the note goes: who ends a switch that was cut short here does this as well.
        tell(self.change.site, to, self.change.voice);
        if let Err(why) = Pending::end(&self.change.site.dir) {
            let words = format!("nginx has moved; the note of that is for the next run to remove: {why:#}");
            self.change.voice.warn(&words);
        }
        Ok(())
    }

    /// Ends a rewrite whose text could not be written. It may stand there all the same, where only the last fsync has
    /// failed.
    fn unwritten(&self, why: anyhow::Error) -> anyhow::Error {
        if std::fs::read_to_string(&self.change.site.upstream_file).ok() != self.plan.before {
            return self.back(&why);
        }
        // A note that stays does no harm: file and nginx agree, and the next run sees that.
        let _ = Pending::end(&self.change.site.dir);
        why
    }

    /// Puts the old file back, has nginx read it if it may have read the new one, and adds to `why` what serves now.
    fn back(&self, why: &anyhow::Error) -> anyhow::Error {
        let site = self.change.site;
        let exit = Exit::of(why);
        if let Err(worse) = self.plan.undo(site) {
            let file = site.upstream_file.display();
            let what = format!("{why:#}. The old text of {file} could not be put back: {worse:#}");
            let again = if self.plan.is_conversion {
                Advice::again(site, &[])
            } else {
                // Nothing is started where all is well: the next program with the lock ends what was begun.
                Advice::call(site, "bg-launch", &["--live"])
            };
            return Exit::NotMoved.refuse(what, format!("once it can: {again}"));
        }
        let back = if self.is_sent { self.reload_back() } else { Ok((self.left_on(), true)) };
        let ended = back.and_then(|(now, stays)| {
            // Else nginx may still move: the note stays, and the next run waits until it does not.
            if stays { Pending::end(&site.dir).map(|()| now) } else { Ok(now) }
        });
        let file = self.compared();
        match ended {
            Ok(now) => exit.because(format!("{why:#}. {file}; {now}")),
            Err(worse) => {
                let now = self.left_on();
                exit.because(format!("{why:#}. {file}, but nginx did not read it again: {worse:#}; {now}"))
            }
        }
    }

    /// The state of the file, compared with what was found: an edit that nginx had never read is not put back, for nginx
    /// would move to where it never was.
    fn compared(&self) -> String {
        let file = self.change.site.upstream_file.display();
        let now = std::fs::read(&self.change.site.upstream_file).ok();
        match self.from {
            _ if now == self.found => format!("{file} is as it was"),
            Some(from) => format!("{file} points at {from}"),
            None => format!("{file} is not as it was: another program has written it"),
        }
    }

    /// Has nginx read the old text again, and waits until it serves as before: in words, and whether that is how it
    /// stays.
    fn reload_back(&self) -> Result<(String, bool)> {
        let nginx = self.change.nginx;
        // Written anew, the note's age is that of the last reload.
        self.plan.begin(&self.change.site.dir)?;
        let tested = nginx.test()?;
        let before = tested.master.as_ref().and_then(Master::generation);
        nginx.reload(tested.master.as_ref())?;
        Ok(match (self.change.front(), self.from) {
            (Some(front), Some(from)) => {
                as_before(front, from, Some(Reloaded { before, tested: &tested }), self.change.within)
            }
            (None, Some(from)) => (format!("{from} should be serving"), true),
            (_, None) => ("no slot was live before".to_owned(), true),
        })
    }

    /// Whether the old slot serves where nginx was sent no reload, in words.
    fn left_on(&self) -> String {
        match (self.change.front(), self.from) {
            (Some(front), Some(from)) => as_before(front, from, None, BRIEFLY).0,
            (None, Some(from)) => format!("nginx was left on {from}"),
            (_, None) => "no slot was live before".to_owned(),
        }
    }
}
