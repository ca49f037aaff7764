//! Which slot is live: two witnesses, and what follows when they differ.
//!
//! The front is what nginx answers; the file is what nginx was told. Either alone has misled people: a 502
//! was read as "the other one is live", and a file changed by a reload that failed as the truth. So both are
//! heard, and where they can't be reconciled nobody guesses.

use crate::live::front::{Answer, FRONT_WITHIN, Front, LIMITED, is_nginx_own};
use crate::live::pending::Pending;
use crate::live::whose;
use crate::live::witnesses::{By, Heard};
use crate::nginx::upstream::{Form, Upstream, site_of};
use crate::record::Record;
use crate::say::exit::Exit;
use crate::site::dir::Dir;
use crate::site::launched::Launched;
use crate::site::settings::{Settings, Site};
use crate::site::slot::{Choice, Name, Slot};
use crate::site::tenant;
use anyhow::Result;
use serde::Serialize;
use std::fmt::{self, Display};
use std::time::{Duration, Instant};

/// How long a reload that is under way may take until front and file agree.
const AGREE_WITHIN: Duration = Duration::from_secs(2);

/// How often they are asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Which slot is live, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The live slot; `None` where none is.
    pub live: Option<Slot>,
    /// What goes into the record under `probe`.
    pub facts: Facts,
    /// What the operator should know although the verdict stands.
    pub warning: Option<String>,
}

/// Who decided which slot is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decider {
    /// The front, which named it.
    Front,
    /// The upstream file.
    File,
    /// The ports, on which nothing listens at all.
    Ports,
}

impl Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Decider::Front => "front",
            Decider::File => "file",
            Decider::Ports => "ports",
        })
    }
}

/// What `bg-probe` adds to the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Who decided.
    pub by: Decider,
    /// The slot the upstream file points at, if it could be read.
    pub points_at: Option<Name>,
    /// What the front answered, where that named no slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front_said: Option<String>,
}

/// Asks the witnesses which slot of `site` is live. The front gets `within` for each answer.
///
/// # Errors
/// [`Exit::Unsure`] when they disagree, or something serves and neither can say which slot it is; and when what serves,
/// or the folder, is another application's.
pub fn live(site: &Site, by: By, within: Duration) -> Result<Verdict> {
    let front = match by {
        By::File => None,
        By::Front | By::Both => Front::of(site)?,
    };
    if by == By::Front && front.is_none() {
        return Err(Exit::Usage.because("--by front: there is no front to ask (--front is unset by -)"));
    }
    tenant::ensure(site)?;
    if by != By::Front {
        whose::ensure_our_link(site)?;
    }
    ensure_same_ports(site)?;
    let verdict = agreed(site, by, front.as_ref(), within)?;
    if let Some(live) = &verdict.live {
        whose::ensure_ours(site, live)?;
    }
    Ok(verdict)
}

/// What the witnesses say once they agree.
fn agreed(site: &Site, by: By, front: Option<&Front>, within: Duration) -> Result<Verdict> {
    let deadline = Instant::now() + AGREE_WITHIN;
    let mut named = None;
    loop {
        let heard = Heard::now(site, by, front, within).unless_refused(&mut named);
        let verdict = (!heard.disagree()).then(|| heard.verdict(site));
        // A front that was refused may still say something that the file does not.
        let decided = verdict.is_some() && !heard.is_refused();
        if decided || Instant::now() >= deadline {
            return verdict.unwrap_or_else(|| heard.cut_short(site).ok_or_else(|| heard.disagreement(site)));
        }
        std::thread::sleep(ASK_EVERY);
    }
}

impl Heard {
    /// The verdict table of DESIGN.md, line by line.
    fn verdict(&self, site: &Site) -> Result<Verdict> {
        if let Some(Answer::Slot(slot)) = &self.front {
            return self.named(site, slot);
        }
        let front_said = self.front_said_and_why();
        let front_said = front_said.as_deref();
        let listening: Vec<&Slot> = site.slots.both().iter().filter(|slot| slot.listens()).collect();
        if listening.is_empty() && !self.file_names_one_that_runs(site)? {
            return Ok(self.decided(Decider::Ports, None, None));
        }
        self.ensure_not_cut_short(site)?;
        match &self.file {
            Some(Ok(slot)) => {
                let down = !listening.contains(&slot);
                let warning = warning(site, slot, front_said, down);
                Ok(self.decided(Decider::File, Some(slot.clone()), warning))
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

    /// The verdict where the front names a slot. One that nginx answers by itself names one also when nothing is there
    /// to serve; any other answer comes from an application, wherever that runs.
    fn named(&self, site: &Site, slot: &Slot) -> Result<Verdict> {
        if slot.listens() {
            return Ok(self.decided(Decider::Front, Some(slot.clone()), None));
        }
        // What runs may listen in a moment, or where an older --slots said.
        let other = site.slots.other(&slot.name);
        if !is_nginx_own(&site.front) || Launched::runs_in(&site.dir, &slot.name)? || other.listens() {
            return Ok(self.decided(Decider::Front, Some(slot.clone()), warning(site, slot, None, true)));
        }
        Ok(self.decided(Decider::Ports, None, None))
    }

    /// Whether nginx is set to serve a slot whose process runs, although nothing listens.
    fn file_names_one_that_runs(&self, site: &Site) -> Result<bool> {
        match &self.file {
            Some(Ok(slot)) => Launched::runs_in(&site.dir, &slot.name),
            _ => Ok(false),
        }
    }

    fn decided(&self, by: Decider, live: Option<Slot>, warning: Option<String>) -> Verdict {
        let points_at = self.file.as_ref().and_then(|file| file.as_ref().ok()).map(|slot| slot.name.clone());
        Verdict { live, facts: Facts { by, points_at, front_said: self.front_said() }, warning }
    }

    /// The verdict where they disagree because a switch of ours was cut short: what nginx serves is live, and the
    /// next stage that holds the lock puts the file back.
    fn cut_short(&self, site: &Site) -> Option<Verdict> {
        let pending = Pending::of(&site.dir).ok()??;
        let (Some(Answer::Slot(front)), Some(Ok(file))) = (&self.front, &self.file) else { return None };
        let warning = format!("an earlier switch to {} was cut short; nginx serves {front}", pending.to);
        pending
            .is_between(&front.name, &file.name)
            .then(|| self.decided(Decider::Front, Some(front.clone()), Some(warning)))
    }

    /// Refuses to go by the file while a switch is cut short: nobody knows then whether nginx has read it.
    fn ensure_not_cut_short(&self, site: &Site) -> Result<()> {
        let pending = match Pending::of(&site.dir) {
            Ok(pending) => pending.filter(|pending| !pending.is_conversion),
            Err(why) => return Err(Exit::Unsure.because(format!("{why:#}"))),
        };
        let Some(pending) = pending else { return Ok(()) };
        let [one, other] = site.slots.both().each_ref().map(|slot| &slot.name);
        Err(Exit::Unsure.because(format!(
            "an earlier switch to {} was cut short, and no front says which slot nginx serves{}: nothing was touched. \
             Choose one that serves, and end it by hand with: bg-switch --to {one}; or: bg-switch --to {other}",
            pending.to,
            if self.is_refused() { format!(" ({LIMITED})") } else { String::new() }
        )))
    }

    fn disagreement(&self, site: &Site) -> anyhow::Error {
        let (Some(Answer::Slot(front)), Some(Ok(file))) = (&self.front, &self.file) else {
            return Exit::Unsure.because("the witnesses disagree");
        };
        let path = site.upstream_file.display();
        let form = Upstream::read(&site.upstream_file).map_or(Form::Reload, |upstream| upstream.form());
        let why = form.suspicion();
        Exit::Unsure.because(format!(
            "nginx and its file disagree: {} answers {front}, but {path} points at {file}: {why} \
             (see nginx's error log). {front} is serving, nothing was touched. \
             Go on serving {front} with: bg-switch --to {front}; or move to {file} with: bg-switch --to {file}",
            site.front
        ))
    }
}

/// Refuses other ports than those that what runs was launched on: nginx is still set to send it the traffic there, and
/// what the front names may be what it was set to name.
///
/// # Errors
/// [`Exit::Unsure`].
fn ensure_same_ports(site: &Site) -> Result<()> {
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

fn unnamed(site: &Site, front_said: &str) -> String {
    format!("no slot is named at {} ({front_said})", site.front)
}

fn warning(site: &Site, live: &Slot, front_said: Option<&str>, down: bool) -> Option<String> {
    let said =
        front_said.map(|said| format!("{}; {} points at {live}", unnamed(site, said), site.upstream_file.display()));
    let down = down.then(|| format!("{live} is live but nothing listens on its port"));
    match (said, down) {
        (Some(said), Some(down)) => Some(format!("{said}; {down}")),
        (said, down) => said.or(down),
    }
}

/// The slot that is meant by `choice`, given which one is live.
///
/// # Errors
/// When the live slot is meant and none is live, or a name is neither slot's.
pub fn choose<'a>(site: &'a Site, choice: &Choice, verdict: &Verdict) -> Result<&'a Slot> {
    match (choice, &verdict.live) {
        (Choice::Named(name), _) => site.slots.named(name.as_str()),
        (Choice::Idle, _) => Ok(verdict.idle(site)),
        (Choice::Live, Some(live)) => site.slots.named(live.name.as_str()),
        (Choice::Live, None) => Err(Exit::Refused.because("no slot is live")),
    }
}

impl Verdict {
    /// The slot that the next deploy is for: the one that is not live. Where none is live it is the first; but where
    /// both are down after a crash or a reboot, it is the one that nginx is not set to serve, as it was before.
    #[must_use]
    pub fn idle<'a>(&self, site: &'a Site) -> &'a Slot {
        if let Some(live) = &self.live {
            return site.slots.other(&live.name);
        }
        let points_at = self.facts.points_at.as_ref().and_then(|name| site.slots.named(name.as_str()).ok());
        match points_at.filter(|slot| site.dir.release(&slot.name).is_some()) {
            Some(served) => site.slots.other(&served.name),
            None => site.slots.first(),
        }
    }
}

/// Refuses when `slot` is live or may be: the last look before anything in it is touched.
///
/// # Errors
/// [`Exit::Unsure`], also when nobody can tell.
pub fn ensure_idle(site: &Site, slot: &Slot) -> Result<()> {
    let verdict = live(site, By::Both, FRONT_WITHIN)?;
    if verdict.live.as_ref() == Some(slot) {
        return Err(Exit::Unsure.because(format!(
            "{} is live on {}: nothing in it may be touched. Deploy to {}, or move nginx there first",
            slot.name,
            slot.port,
            site.slots.other(&slot.name).name
        )));
    }
    Ok(())
}

/// Whether nginx serves a slot or is set to, whatever else is said of it: nobody there may be taken over.
///
/// # Errors
/// When the front can't be looked up.
pub fn is_named(site: &Site, slot: &Slot) -> Result<bool> {
    let front = Front::of(site)?;
    let heard = Heard::now(site, By::Both, front.as_ref(), FRONT_WITHIN);
    Ok(heard.front == Some(Answer::Slot(slot.clone())) || heard.file == Some(Ok(slot.clone())))
}

/// The artifact a slot holds, for messages; the slot's own name where it holds none.
#[must_use]
pub fn release_in(dir: &Dir, slot: &Name) -> String {
    dir.artifact(slot).map_or_else(|| slot.to_string(), |file| crate::say::clean(&file.to_string_lossy()))
}

/// The record a stage works on: the one on stdin, or, where a slot is named by flags, a new one with the
/// witnesses' verdict.
///
/// # Errors
/// [`Exit::NoRecord`] for stdin, [`Exit::Unsure`] for the witnesses.
pub fn subject(settings: &Settings, slot: Option<&Choice>) -> Result<Record> {
    let Some(choice) = slot else {
        return Record::from_stdin()?.overruled(settings);
    };
    let site = site_of(settings)?;
    choice.ensure_one_of(&site.slots)?;
    let verdict = live(&site, By::Both, FRONT_WITHIN)?;
    let slot = choose(&site, choice, &verdict)?.clone();
    let mut record = Record::new(site, slot, verdict.live);
    record.set("probe", &verdict.facts)?;
    Ok(record)
}
