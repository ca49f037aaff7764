//! The proof that nginx serves a slot: fresh connections reach it, and none can reach another any more.

mod asks;
mod front;
mod workers;

pub(crate) use crate::proof::asks::Asks;

use crate::nginx::tested::Tested;
use crate::nginx::workers::Generation;
use bg_probe::live::front::{Answer, Front};
use bg_probe::os::deadline::Deadline;
use bg_probe::say;
use bg_probe::site::settings::FrontSetting;
use bg_probe::site::slot::Slot;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many answers of the front in a row are needed.
pub(crate) const IN_A_ROW: u32 = 5;

/// How long the front may take when the time is up: cut shorter, the last question would show nothing of the front.
const LAST_ANSWER: Duration = Duration::from_millis(200);

/// How long the front may take to show that nothing need be done.
pub(crate) const BRIEFLY: Duration = Duration::from_millis(500);

/// How often to look again while nginx has not moved.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The evidence for a switch. In a record it stands as `front`, `workers` or `link`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Evidence {
    /// The front has named the slot, several times running.
    Front,
    /// All of nginx's workers have read the configuration that names the slot.
    Workers,
    /// The link itself, where there is no front to ask: nginx keeps no copy of it.
    Link,
}

impl Evidence {
    /// How that was seen at this front, in words.
    pub(crate) fn in_words(self, front: &FrontSetting) -> String {
        match self {
            Evidence::Front => format!("seen {IN_A_ROW} times at {front}"),
            Evidence::Workers => "seen in nginx's workers".to_owned(),
            Evidence::Link => "not seen, for there is no front to ask".to_owned(),
        }
    }
}

/// The witnesses of a switch.
pub(crate) struct Witnesses<'a> {
    /// The front, where it can name the slot.
    pub(crate) front: Option<&'a Front>,
    /// The reload that was sent, if one was.
    pub(crate) reloaded: Option<Reloaded<'a>>,
    /// Set when the operator has interrupted the switch.
    pub(crate) interrupted: &'a AtomicBool,
}

/// A reload that was sent. While it goes on, two generations of workers overlap.
pub(crate) struct Reloaded<'a> {
    /// The workers that were there before, where they can be watched.
    pub(crate) before: Option<Generation>,
    /// nginx as it was found before.
    pub(crate) tested: &'a Tested,
}

impl Reloaded<'_> {
    /// Whether none of the workers there were before takes connections any more.
    fn is_over(&self) -> bool {
        self.before.as_ref().is_none_or(Generation::has_left)
    }
}

/// Why a proof did not come.
pub(crate) enum Unseen {
    /// The operator has interrupted the wait for it.
    Interrupted,
    /// It was not there in time; what was seen instead, in words.
    Late(String),
}

impl Unseen {
    /// The same in words, for a switch to `slot` that had so much time.
    pub(crate) fn in_words(&self, slot: &Slot, within: Duration) -> String {
        match self {
            Unseen::Interrupted => format!("a signal interrupted the switch to {slot}"),
            // It may have moved: all that is known is that nobody saw it.
            Unseen::Late(seen) => format!("nginx was not seen to serve {slot} within {}: {seen}", say::seconds(within)),
        }
    }
}

impl Witnesses<'_> {
    /// Waits until it is proven that nginx serves as was asked, `within` at most; which evidence there was.
    ///
    /// # Errors
    /// When it is not, with what was seen instead.
    pub(crate) fn see(&self, asks: &Asks, within: Duration) -> Result<Evidence, Unseen> {
        let deadline = Deadline::within(within);
        match self.front {
            Some(front) => self.at_the_front(front, asks, deadline).map(|()| Evidence::Front),
            None => self.in_the_workers(deadline).map(|()| Evidence::Workers),
        }
    }

    /// Whether nginx has logged that it does not take the configuration, and goes on with what it has.
    fn is_refused(&self) -> bool {
        self.reloaded.as_ref().is_some_and(|reloaded| reloaded.tested.has_refused())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// Whether `from` serves, as it did before: in words, and whether that is how it stays. A signal that was heard does
/// not end this: it is the reason to ask.
pub(crate) fn as_before(front: &Front, from: &Slot, reloaded: Option<Reloaded>, within: Duration) -> (String, bool) {
    let calm = AtomicBool::new(false);
    match (Witnesses { front: Some(front), reloaded, interrupted: &calm }).see(&Asks::of_all(from), within) {
        Err(Unseen::Late(_)) if front.ask(LAST_ANSWER) == Answer::Slot(from.clone()) => {
            (format!("{from} is serving, and nginx may still be reading its configuration"), false)
        }
        Err(Unseen::Late(seen)) => (format!("{from} was live before, but {seen}"), false),
        _ => (format!("{from} is serving, seen at the front"), true),
    }
}
