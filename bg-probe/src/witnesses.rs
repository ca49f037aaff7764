//! The two witnesses, and what follows from what they say.
//!
//! A front that names no slot, a file that can't be read, a switch that was cut short, a process that runs and does not
//! listen: each is a line of the table in DESIGN.md, or one that it lacks.

use crate::exit::Exit;
use crate::front::{Answer, Front};
use crate::port;
use crate::probe::{By, Facts, Verdict};
use crate::process::Launched;
use crate::settings::Site;
use crate::slot::{Name, Slot};
use crate::unfinished::Unfinished;
use crate::upstream::{Form, Upstream};
use anyhow::Result;
use std::time::Duration;

/// What the witnesses say at one moment.
pub(crate) struct Heard {
    front: Option<Answer>,
    /// The slot the file points at, or why that is not known; `None` where it was not asked.
    file: Option<Result<Name, String>>,
}

impl Heard {
    pub(crate) fn now(site: &Site, by: By, front: Option<&Front>, within: Duration) -> Heard {
        let front = front.map(|front| front.ask(within));
        let file = (by != By::Front).then(|| file_says(site));
        Heard { front, file }
    }

    pub(crate) fn disagree(&self) -> bool {
        matches!((&self.front, &self.file), (Some(Answer::Slot(front)), Some(Ok(file))) if front != file)
    }

    /// The verdict table of DESIGN.md, line by line.
    pub(crate) fn verdict(&self, site: &Site) -> Result<Verdict> {
        let front_said = match &self.front {
            Some(Answer::Slot(slot)) => return self.named(site, slot),
            Some(Answer::NoSlot(said)) => Some(said.as_str()),
            None => None,
        };
        let listening: Vec<&Slot> = site.slots.both().iter().filter(|slot| port::listens(slot.port)).collect();
        if listening.is_empty() && !self.file_names_one_that_runs(site)? {
            return Ok(self.decided("ports", None, None));
        }
        ensure_not_cut_short(site)?;
        match &self.file {
            Some(Ok(slot)) => {
                let down = !listening.iter().any(|listening| listening.name == *slot);
                let warning = warning(site, slot, front_said, down);
                Ok(self.decided("file", Some(slot.clone()), warning))
            }
            unknown => {
                let why = unknown.as_ref().and_then(|file| file.as_ref().err()).map_or("was not asked", String::as_str);
                let names: Vec<&str> = listening.iter().map(|slot| slot.name.as_str()).collect();
                Err(Exit::Unsure.because(format!(
                    "can't tell which slot is live: {}, the upstream file {why}, and {} listens. Nothing was touched. \
                     If these are the settings of this application, make {} point at the slot that serves",
                    front_said.map_or("the front was not asked".into(), |said| unnamed(site, said)),
                    names.join(" and "),
                    site.upstream_file.display(),
                )))
            }
        }
    }

    /// The verdict where the front names a slot. A front that nginx answers by itself (`/_bg/slot`) names one also
    /// when nothing is there to serve.
    fn named(&self, site: &Site, slot: &Name) -> Result<Verdict> {
        if port::listens(site.slots.named(slot.as_str())?.port) {
            return Ok(self.decided("front", Some(slot.clone()), None));
        }
        // What runs may listen in a moment, or where an older --slots said.
        if Launched::runs_in(&site.dir, slot)? || port::listens(site.slots.other(slot).port) {
            return Ok(self.decided("front", Some(slot.clone()), warning(site, slot, None, true)));
        }
        Ok(self.decided("ports", None, None))
    }

    /// Whether nginx is set to serve a slot whose process runs, although nothing listens.
    fn file_names_one_that_runs(&self, site: &Site) -> Result<bool> {
        match &self.file {
            Some(Ok(slot)) => Launched::runs_in(&site.dir, slot),
            _ => Ok(false),
        }
    }

    fn decided(&self, by: &'static str, live: Option<Name>, warning: Option<String>) -> Verdict {
        let points_at = self.file.as_ref().and_then(|file| file.as_ref().ok()).map(ToString::to_string);
        let front_said = match &self.front {
            Some(Answer::NoSlot(said)) => Some(said.clone()),
            _ => None,
        };
        Verdict { live, facts: Facts { by, points_at, front_said }, warning }
    }

    /// The verdict where they disagree because a switch of ours was cut short: what nginx serves is live, and the
    /// next stage that holds the lock puts the file back.
    pub(crate) fn cut_short(&self, site: &Site) -> Option<Verdict> {
        let unfinished = Unfinished::of(&site.dir).ok()??;
        let (Some(Answer::Slot(front)), Some(Ok(file))) = (&self.front, &self.file) else { return None };
        let warning = format!("an earlier switch to {} was cut short; nginx serves {front}", unfinished.to);
        unfinished.is_between(front, file).then(|| self.decided("front", Some(front.clone()), Some(warning)))
    }

    pub(crate) fn disagreement(&self, site: &Site) -> anyhow::Error {
        let (Some(Answer::Slot(front)), Some(Ok(file))) = (&self.front, &self.file) else {
            return Exit::Unsure.because("the witnesses disagree");
        };
        let path = site.upstream_file.display();
        let why = match Upstream::read(&site.upstream_file).map(|upstream| upstream.form) {
            Ok(Form::Link { .. }) => "nginx's workers may not enter the link's folder, or an open_file_cache delays it",
            _ => "an edit that was never reloaded, or a reload that failed",
        };
        Exit::Unsure.because(format!(
            "nginx and its file disagree: {} answers {front}, but {path} points at {file}: {why} \
             (see nginx's error log). {front} is serving, nothing was touched. \
             Go on serving {front} with: bg-switch --to {front}; or move to {file} with: bg-switch --to {file}",
            site.front
        ))
    }
}

/// Refuses to go by the file while a switch is cut short: nobody knows then whether nginx has read it.
///
/// # Errors
/// [`Exit::Unsure`].
fn ensure_not_cut_short(site: &Site) -> Result<()> {
    let end = "nothing was touched. Choose one that serves, and end it by hand with";
    match Unfinished::of(&site.dir) {
        Ok(None) => Ok(()),
        Ok(Some(unfinished)) if unfinished.is_conversion => Ok(()),
        Ok(Some(unfinished)) => {
            let [one, other] = site.slots.both().each_ref().map(|slot| &slot.name);
            Err(Exit::Unsure.because(format!(
                "an earlier switch to {} was cut short, and no front says which slot nginx serves: {end}: \
                 bg-switch --to {one}; or: bg-switch --to {other}",
                unfinished.to
            )))
        }
        Err(why) => Err(Exit::Unsure.because(format!("{why:#}"))),
    }
}

/// Refuses other ports than those that what runs was launched on: nginx is still set to send it the traffic there, and
/// what the front names may be what it was set to name.
///
/// # Errors
/// [`Exit::Unsure`].
pub(crate) fn ensure_same_ports(site: &Site) -> Result<()> {
    for slot in site.slots.both() {
        let Some(launched) = Launched::of(&site.dir, &slot.name)?.filter(|launched| launched.port != slot.port) else {
            continue;
        };
        if let Some(process) = launched.running() {
            return Err(Exit::Unsure.because(format!(
                "{} runs on port {} (pid {}), but --slots says {}: nothing was touched. \
                 Give the same --slots as when it was launched; to change a port, stop the idle slot first, and print the site again",
                slot.name, launched.port, process.pid, slot.port
            )));
        }
    }
    Ok(())
}

fn file_says(site: &Site) -> Result<Name, String> {
    match Upstream::read(&site.upstream_file) {
        Ok(upstream) => upstream.points_at(site).ok_or_else(|| upstream.nowhere(site)),
        Err(why) => Err(format!("can't be used ({why:#})")),
    }
}

fn unnamed(site: &Site, front_said: &str) -> String {
    format!("no slot is named at {} ({front_said})", site.front)
}

fn warning(site: &Site, live: &Name, front_said: Option<&str>, down: bool) -> Option<String> {
    let said =
        front_said.map(|said| format!("{}; {} points at {live}", unnamed(site, said), site.upstream_file.display()));
    let down = down.then(|| format!("{live} is live but nothing listens on its port"));
    match (said, down) {
        (Some(said), Some(down)) => Some(format!("{said}; {down}")),
        (said, down) => said.or(down),
    }
}
