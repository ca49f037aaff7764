//! Lingering: after a switch those who were in the old slot stay there for a while, and all others go to the new one.
//!
//! The route that `live` leads to says so, and until when. So a lingering begins and ends by one rename, and whoever holds
//! the lock can end one that nobody attends to any more.

use crate::live::front::{Answer, FRONT_WITHIN, Front};
use crate::nginx::upstream::Upstream;
use crate::nginx::upstream::link::Looks;
use crate::os::deadline::Deadline;
use crate::os::replace;
use crate::say::exit::Exit;
use crate::site::advice::Advice;
use crate::site::route::{Route, prune};
use crate::site::settings::Site;
use crate::site::slot::Slot;
use crate::site::visitor::Visitor;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::{self, Display};
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often the front is asked whether a lingering has ended.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A lingering that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lingering {
    /// The slot in which those stay who were there before.
    pub old: Slot,
    /// The slot that all others go to.
    pub live: Slot,
    /// When it ends at the latest.
    pub until: SystemTime,
    /// The folder of its route.
    folder: PathBuf,
}

impl Lingering {
    /// The one of this site; `None` where nobody lingers, or the upstream file has nginx look for no such thing.
    #[must_use]
    pub fn of(site: &Site) -> Option<Lingering> {
        let route = Route::of(&site.dir, &site.slots)?;
        let (old, until) = route.keeps()?;
        let looks = Upstream::read(&site.upstream_file).ok()?.looks();
        let until = UNIX_EPOCH.checked_add(Duration::from_secs(until))?;
        let folder = site.dir.root().join(route.path());
        (looks == Some(Looks::ForKind)).then(|| Lingering {
            old: old.clone(),
            live: route.live().clone(),
            until,
            folder,
        })
    }

    /// Whether its time is up.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.until <= SystemTime::now()
    }

    /// Whether the old slot is down, so that who stays there is answered by nobody.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.old.listeners().is_ok_and(|listeners| listeners.is_empty())
    }

    /// Takes the mark of the process that attends to it: a lock of its folder, which the kernel frees (`flock(2)`). `None`
    /// where another process has it.
    ///
    /// # Errors
    /// When the folder can't be opened or locked.
    pub fn attend(&self) -> Result<Option<File>> {
        let path = self.folder.display();
        let folder = File::open(&self.folder).with_context(|| format!("open {path}"))?;
        match folder.try_lock() {
            Ok(()) => Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e).with_context(|| format!("flock {path}")),
        }
    }

    /// Why nobody has to stay any more: its time is up, the old slot is down, or the process that was to end it is gone.
    #[must_use]
    pub fn is_left(&self) -> Option<&'static str> {
        match () {
            () if self.is_over() => Some("its time is up"),
            () if self.is_down() => Some("nothing listens there"),
            () if matches!(self.attend(), Ok(Some(_))) => Some("the process that was to end it is gone"),
            () => None,
        }
    }

    /// What is wrong and what to do, where its time is up and nobody is there to end it: a process that was killed, until the
    /// next who holds the lock.
    #[must_use]
    pub fn overdue(&self, site: &Site) -> Option<(String, String)> {
        // Before that the process may be about to begin, and the mark is not to be taken from it.
        if !self.is_over() || !matches!(self.attend(), Ok(Some(_))) {
            return None;
        }
        let (old, until) = (&self.old, humantime::format_rfc3339_seconds(self.until));
        let what = format!(
            "who was in {old} before stays there still, though that was to end at {until}, and the process that was to end it \
             is gone"
        );
        Some((what, format!("move all of them with: {}", Advice::call(site, "bg-switch", &["--linger", "0"]))))
    }

    /// Moves those who stay to the live slot, by one rename, and sees that it is so.
    ///
    /// # Errors
    /// When the route can't be made or the link not be renamed; [`Exit::NotMoved`] where nginx still answers from the old slot.
    pub fn end(&self, site: &Site) -> Result<()> {
        let route = Route::whole(&site.slots, &self.live).make(&site.dir, &site.app)?;
        replace::link(&site.dir.live(), &route)?;
        let Some(front) = Front::of(site)? else { return prune(&site.dir) };
        let was_there = Visitor::WasIn(self.old.name.clone());
        let moved = || Ok(front.ask_as(&was_there, FRONT_WITHIN) != Answer::Slot(self.old.clone()));
        if Deadline::within(FRONT_WITHIN).wait(ASK_EVERY, moved)? {
            return prune(&site.dir);
        }
        Err(Exit::NotMoved.refuse(
            format!("{} still answers {} to who was there before. Nothing was touched", site.front, self.old),
            format!("have all of them moved with: {}", Advice::call(site, "bg-switch", &["--linger", "0"])),
        ))
    }

    /// The same in words, once it is done.
    #[must_use]
    pub fn ended(&self) -> String {
        format!("who stayed with {} was moved to {}", self.old, self.live)
    }

    /// As a record has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "slot": self.old.to_string(), "until": humantime::format_rfc3339_seconds(self.until).to_string() })
    }
}

/// What goes on, and until when.
impl Display for Lingering {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let until = humantime::format_rfc3339_seconds(self.until);
        write!(f, "who was in {} before stays there until {until} at the latest", self.old)
    }
}

/// Ends a lingering that nobody attends to any more, or whose time is up; what was done, in words. This is for whoever holds
/// the lock.
///
/// # Errors
/// Those of [`Lingering::end`].
pub fn settle(site: &Site) -> Result<Option<String>> {
    let Some((lingering, why)) =
        Lingering::of(site).and_then(|lingering| Some((lingering.clone(), lingering.is_left()?)))
    else {
        return Ok(None);
    };
    lingering.end(site)?;
    Ok(Some(format!("{}, for {why}", lingering.ended())))
}
