//! The two witnesses, and what is heard from them at one moment.

use crate::live::front::{Answer, Front, LIMITED, is_nginx_own};
use crate::live::pending::Pending;
use crate::nginx::upstream::Upstream;
use crate::nginx::upstream::link::Looks;
use crate::site::closed::is_closed;
use crate::site::route::Shares;
use crate::site::settings::Site;
use crate::site::slot::Slot;
use crate::site::stand_in;
use clap::ValueEnum;
use std::time::Duration;

/// Which witnesses to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// What nginx answers at the front
    Front,
    /// The slot that the upstream file points at
    File,
    /// Both, the front first
    Both,
}

/// What is heard from the witnesses at one moment.
pub(super) struct Heard {
    pub(super) front: Option<Answer>,
    /// The slot the file points at, or why that is not known; `None` where it was not asked.
    pub(super) file: Option<Result<Slot, String>>,
    /// The shares of both slots, where the file has nginx look at a route that leads to both.
    pub(super) shares: Option<Shares>,
    /// The slot that answers visitors in place of the one that the file points at, for nothing listens there.
    pub(super) stand_in: Option<Slot>,
}

impl Heard {
    /// Asks them.
    pub(super) fn now(site: &Site, by: By, front: Option<&Front>, within: Duration) -> Heard {
        let said = front.map(|front| front.ask(within));
        let read = (by != By::Front).then(|| Upstream::read(&site.upstream_file));
        let shares = read.as_ref().and_then(|read| read.as_ref().ok()?.shares(site));
        let looks = read.as_ref().and_then(|read| read.as_ref().ok()?.looks());
        let file = read.map(|read| file_says(site, read));
        let live = file.as_ref().and_then(|file| file.as_ref().ok());
        let stand_in = live.and_then(|live| stand_in_for(site, live)).filter(|other| {
            // While the site is closed nobody sees it, and it is so as soon as it is open.
            // A site that has kinds of visitors is a printed one, which has stand-ins, and it looks at `live` itself. Any other
            // may be set to the other slot by an edit that nginx has not read, or has read and not the file.
            let is_printed = looks == Some(Looks::ForKind);
            let seen = front.zip(said.as_ref()).map(|(front, said)| match said {
                // By way of a proxy, or at another address than loopback, whoever asks is a visitor.
                Answer::Slot(named) if named == *other => is_printed && !is_nginx_own(&site.front),
                _ => front.has_stand_in(site, other, said, within),
            });
            seen.unwrap_or(is_printed) || is_closed(&site.dir)
        });
        Heard { front: said, file, shares, stand_in: stand_in.cloned() }
    }

    /// A question that was refused leaves the front with what it said before, which is kept in `named`.
    pub(super) fn unless_refused(self, named: &mut Option<Answer>) -> Heard {
        let front = match (self.front, &named) {
            (Some(Answer::Limited(_)), Some(before)) => Some(before.clone()),
            (front, _) => front,
        };
        named.clone_from(&front);
        Heard { front, ..self }
    }

    /// What the front said, where it named no slot, in a few words.
    pub(super) fn front_said(&self) -> Option<String> {
        match self.front.as_ref()? {
            Answer::Slot(_) => None,
            Answer::NoSlot(silence) => Some(silence.to_string()),
            Answer::Limited(status) => Some(status.to_string()),
        }
    }

    /// The same, and what it means.
    pub(super) fn front_said_and_why(&self) -> Option<String> {
        let said = self.front_said()?;
        Some(if self.is_refused() { format!("{said}: {LIMITED}") } else { said })
    }

    /// Whether a limit has kept the front from saying anything.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.front, Some(Answer::Limited(_)))
    }

    /// The slot that the front names and the one that the file points at, where those are two. While a share is out, a
    /// front that is asked from elsewhere answers like one visitor or another.
    pub(super) fn disagreement(&self) -> Option<(&Slot, &Slot)> {
        match (&self.front, &self.file) {
            (Some(Answer::Slot(front)), Some(Ok(file)))
                if front != file && self.shares.is_none() && self.stand_in.as_ref() != Some(front) =>
            {
                Some((front, file))
            }
            _ => None,
        }
    }
}

/// The slot that may answer in place of `live`, where nothing listens there.
fn stand_in_for<'a>(site: &'a Site, live: &Slot) -> Option<&'a Slot> {
    let other = site.slots.other(&live.name);
    // While a switch in the reload form is cut short, nginx may be set to serve the other slot.
    let is_cut_short = || !matches!(Pending::of(site), Ok(None));
    (stand_in::is_fit(site, other) && !live.listens() && other.listens() && !is_cut_short()).then_some(other)
}

fn file_says(site: &Site, read: anyhow::Result<Upstream>) -> Result<Slot, String> {
    match read {
        Ok(upstream) => upstream.points_at(site).ok_or_else(|| upstream.nowhere(site)),
        Err(why) => Err(format!("can't be used ({why:#})")),
    }
}
