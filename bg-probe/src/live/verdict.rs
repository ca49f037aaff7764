//! Which slot is live: two witnesses, and what follows when they differ.
//!
//! The front is what nginx answers; the file is what nginx was told. Either alone has misled people: a 502
//! was read as "the other one is live", and a file changed by a reload that failed as the truth. So both are
//! heard, and where they can't be reconciled nobody guesses.

use crate::live::front::{Answer, Front, Silence, is_nginx_own};
use crate::live::pending::Pending;
use crate::live::unsure::{disagreement, ensure_not_cut_short, nobody_knows, not_to_be_touched, stands_in, warning};
use crate::live::whose;
use crate::live::witnesses::{By, Heard};
use crate::os::deadline::Deadline;
use crate::say::exit::Exit;
use crate::site::advice::Advice;
use crate::site::folder_app;
use crate::site::launched::Launched;
use crate::site::route::{Route, Shares};
use crate::site::settings::Site;
use crate::site::slot::{Name, Slot};
use crate::site::visitor::NUMBERS;
use anyhow::Result;
use serde::Serialize;
use std::fmt::{self, Display};
use std::time::Duration;

/// How long a reload that is under way may take until front and file agree.
const AGREE_WITHIN: Duration = Duration::from_secs(2);

/// How often they are asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Which slot is live, and what that rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The live slot; `None` where none is.
    pub live: Option<Slot>,
    /// What goes into the record under `probe`.
    pub facts: Facts,
    /// What the operator should know although the verdict stands.
    pub warning: Option<String>,
    /// The shares of the slots, where both serve.
    pub shares: Option<Shares>,
    /// What the front answered, where that named no slot.
    pub silence: Option<Silence>,
    /// The slot that answers visitors in place of the live one, which is down.
    pub stand_in: Option<Slot>,
}

/// The witness that decided which slot is live.
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
    /// The witness that decided.
    pub by: Decider,
    /// The slot the upstream file points at, if it could be read.
    pub points_at: Option<Name>,
    /// What the front answered, where that named no slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front_said: Option<String>,
    /// The slot that stands in for the live one, which is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<Name>,
}

impl Verdict {
    /// The slot that the next deploy is for: the one that is not live. Where none is live it is the first; but where
    /// both are down after a crash or a reboot, it is the one that nginx is not set to serve, as it was before.
    #[must_use]
    pub fn idle<'a>(&self, site: &'a Site) -> &'a Slot {
        if let Some(live) = &self.live {
            return site.slots.other(&live.name);
        }
        self.down(site).map_or(site.slots.first(), |served| site.slots.other(served))
    }

    /// How many visitors of a hundred go to a slot.
    #[must_use]
    pub fn share_of(&self, slot: &Slot) -> u8 {
        match &self.shares {
            Some(shares) => shares.of(slot),
            None if self.live.as_ref() == Some(slot) => NUMBERS,
            None => 0,
        }
    }

    /// Refuses what takes a slot for idle, while both serve.
    ///
    /// # Errors
    /// [`Exit::Unsure`], with the two ways to end that.
    pub fn ensure_one_is_idle(&self, site: &Site) -> Result<()> {
        let Some(shares) = &self.shares else { return Ok(()) };
        let [first, second] = site.slots.both().each_ref().map(|slot| format!("{slot} has {} %", shares.of(slot)));
        let new =
            Route::of(&site.dir, &site.slots).map_or_else(|| self.idle(site).clone(), |route| route.ends().0.clone());
        Err(Exit::Unsure.refuse(
            format!("both slots serve: {first} of the visitors, {second}. Nothing was touched"),
            format!(
                "give {new} all of them with: {}; or take its share back with: {}",
                Advice::call(site, "bg-switch", &["--to", new.name.as_str()]),
                Advice::call(site, "bg-switch", &["--share", "0"])
            ),
        ))
    }

    /// Refuses to touch a slot that answers visitors in place of the live one.
    ///
    /// # Errors
    /// [`Exit::Unsure`], with the two ways to end that.
    pub fn ensure_stands_in_for_nobody(&self, site: &Site, slot: &Slot) -> Result<()> {
        let (Some(live), Some(other)) = (&self.live, &self.stand_in) else { return Ok(()) };
        if other != slot {
            return Ok(());
        }
        Err(not_to_be_touched(site, live, other))
    }

    /// The slot that nginx is set to serve and that has held a release, where none is live: after a crash or a reboot.
    #[must_use]
    pub fn down(&self, site: &Site) -> Option<&Name> {
        self.facts.points_at.as_ref().filter(|slot| self.live.is_none() && site.dir.release(slot).is_some())
    }

    /// The refusal of what is for the live slot, where none is live.
    #[must_use]
    pub fn none_is_live(&self, site: &Site, exit: Exit) -> anyhow::Error {
        let call = |program: &str, words: &[&str]| Advice::call(site, program, words);
        let what = format!("no slot of {} is live", site.app);
        match self.down(site) {
            Some(slot) => exit.refuse(
                format!("{what}: nothing runs, and nginx is set to serve {slot}"),
                format!("start it again: {}", call("bg-launch", &["--live"])),
            ),
            None => exit.refuse(
                what,
                format!("deploy a release; or see what is there: {}", call("bg-probe", &["--format", "table"])),
            ),
        }
    }

    /// The verdict in words, `set1 is live on 8081` or `no slot is live`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.live {
            Some(live) => live.being("live"),
            None => "no slot is live".to_owned(),
        }
    }
}

/// Asks the witnesses which slot of `site` is live. The front gets `within` for each answer.
///
/// # Errors
/// [`Exit::Unsure`] when they disagree, or something serves and neither can tell which slot it is; and when what serves,
/// or the folder, is another application's.
pub fn live(site: &Site, by: By, within: Duration) -> Result<Verdict> {
    let front = match by {
        By::File => None,
        By::Front | By::Both => Front::of(site)?,
    };
    if by == By::Front && front.is_none() {
        return Err(Exit::Usage.because("--by front: there is no front to ask (--front is unset by -)"));
    }
    folder_app::ensure(site)?;
    if by != By::Front {
        whose::ensure_our_link(site)?;
    }
    whose::ensure_same_ports(site)?;
    let verdict = agreed(site, by, front.as_ref(), within)?;
    if let Some(live) = &verdict.live {
        whose::ensure_ours(site, live)?;
    }
    Ok(verdict)
}

/// The verdict once the witnesses agree, or when the time for that is up.
fn agreed(site: &Site, by: By, front: Option<&Front>, within: Duration) -> Result<Verdict> {
    let deadline = Deadline::within(AGREE_WITHIN);
    let mut named = None;
    loop {
        let heard = Heard::now(site, by, front, within).unless_refused(&mut named);
        // A front that was refused may still name a slot that the file does not.
        let is_settled = heard.disagreement().is_none() && !heard.is_refused();
        if is_settled || !deadline.pause(ASK_EVERY) {
            return heard.verdict(site);
        }
    }
}

/// The verdict table of DESIGN.md, line by line.
impl Heard {
    fn verdict(&self, site: &Site) -> Result<Verdict> {
        if let Some((front, file)) = self.disagreement() {
            return self.cut_short(site, front, file).ok_or_else(|| disagreement(site, front, file));
        }
        if let (Some(other), Some(Ok(live))) = (&self.stand_in, &self.file) {
            return Ok(self.decided(Decider::File, Some(live.clone()), Some(stands_in(live, other))));
        }
        if let Some(Answer::Slot(slot)) = &self.front {
            let said = self.file.as_ref().and_then(|file| file.as_ref().ok()).filter(|_| self.shares.is_some());
            return self.named(site, said.unwrap_or(slot));
        }
        let front_said = self.front_said_and_why();
        let front_said = front_said.as_deref();
        let listening: Vec<&Slot> = site.slots.both().iter().filter(|slot| slot.listens()).collect();
        if listening.is_empty() && !self.file_names_one_that_runs(site)? {
            return Ok(self.decided(Decider::Ports, None, None));
        }
        ensure_not_cut_short(site, self)?;
        match &self.file {
            Some(Ok(slot)) => {
                let is_down = !listening.contains(&slot);
                let warning = warning(site, slot, front_said, is_down);
                Ok(self.decided(Decider::File, Some(slot.clone()), warning))
            }
            Some(Err(why)) => Err(nobody_knows(site, front_said, why, &listening)),
            None => Err(nobody_knows(site, front_said, "was not asked", &listening)),
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
            Some(Err(_)) | None => Ok(false),
        }
    }

    fn decided(&self, by: Decider, live: Option<Slot>, warning: Option<String>) -> Verdict {
        let points_at = self.file.as_ref().and_then(|file| file.as_ref().ok()).map(|slot| slot.name.clone());
        let shares = self.shares.clone().filter(|_| live.is_some());
        let silence = match &self.front {
            Some(Answer::NoSlot(silence)) => Some(silence.clone()),
            Some(Answer::Slot(_) | Answer::Limited(_)) | None => None,
        };
        let stand_in = self.stand_in.clone().filter(|other| live.as_ref().is_some_and(|live| live != other));
        let its_name = stand_in.as_ref().map(|slot| slot.name.clone());
        let facts = Facts { by, points_at, front_said: self.front_said(), stand_in: its_name };
        Verdict { live, facts, warning, shares, silence, stand_in }
    }

    /// The verdict where they disagree because a switch of ours was cut short: what nginx serves is live, and the
    /// next stage that holds the lock puts the file back.
    fn cut_short(&self, site: &Site, front: &Slot, file: &Slot) -> Option<Verdict> {
        let pending = Pending::of(site).ok()??;
        let warning = format!("an earlier switch to {} was cut short; nginx serves {front}", pending.to);
        pending
            .is_between(&front.name, &file.name)
            .then(|| self.decided(Decider::Front, Some(front.clone()), Some(warning)))
    }
}
