//! The proof that nginx serves a slot: fresh connections reach it, and none can reach another any more.

use crate::workers::Generation;
use bg_probe::front::{Answer, Front};
use bg_probe::say;
use bg_probe::slot::Name;
use bg_probe::unfinished::OVERLAP;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many answers in a row are needed.
pub(crate) const IN_A_ROW: u32 = 5;

/// How long the front may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long it may take when the time is up: cut shorter, the last question would say nothing of the front.
const LAST_ANSWER: Duration = Duration::from_millis(200);

/// How long the front may take to show that nothing need be done.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(500);

/// A clock can't add just any duration that can be typed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How often to look again while nginx has not moved.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What can prove a switch.
pub(crate) struct Witnesses<'a> {
    /// The front, where it can name the slot.
    pub(crate) front: Option<&'a Front>,
    /// The workers that were there before a reload, where there was one and they can be watched.
    pub(crate) before: Option<Generation>,
    /// Whether a reload was sent, so that two generations may overlap.
    pub(crate) reloaded: bool,
    /// Set when the operator has had enough.
    pub(crate) interrupted: &'a AtomicBool,
}

/// Why a proof did not come.
pub(crate) enum Unseen {
    /// The operator did not want to wait for it.
    Interrupted,
    /// It was not there in time; what was seen instead, in words.
    Late(String),
}

impl Unseen {
    /// What that means for a switch to `slot` that had so much time.
    pub(crate) fn in_words(&self, slot: &Name, within: Duration) -> String {
        match self {
            Unseen::Interrupted => format!("a signal interrupted the switch to {slot}"),
            Unseen::Late(seen) => format!("nginx did not move to {slot} within {}: {seen}", say::seconds(within)),
        }
    }
}

/// Whether `from` serves, as it did before, in words. A signal that was heard does not end this: it is the reason to
/// ask. Nor can the workers be counted on, for a reload that did not take the new file does not take the old one either.
pub(crate) fn as_before(front: &Front, from: &Name, reloaded: bool, within: Duration) -> String {
    let calm = AtomicBool::new(false);
    let witnesses = Witnesses { front: Some(front), before: None, reloaded, interrupted: &calm };
    match witnesses.see(from, within) {
        Err(Unseen::Late(seen)) => format!("{from} was live before, but {seen}"),
        _ => format!("{from} is serving, seen at the front"),
    }
}

impl Witnesses<'_> {
    /// Waits until it is proven that nginx serves `slot`, `within` at most; which evidence it was.
    ///
    /// # Errors
    /// When it is not, with what was seen instead.
    pub(crate) fn see(&self, slot: &Name, within: Duration) -> Result<&'static str, Unseen> {
        let deadline = Instant::now() + within.min(LONGEST);
        match self.front {
            Some(front) => self.at_the_front(front, slot, deadline),
            None => self.in_the_workers(deadline),
        }
    }

    fn at_the_front(&self, front: &Front, slot: &Name, deadline: Instant) -> Result<&'static str, Unseen> {
        let mut agreed: u32 = 0;
        let mut since = Instant::now();
        loop {
            // Before the question: an answer counts only if no old worker could have given it.
            let settled = self.before.as_ref().is_none_or(Generation::has_left);
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = front.ask(left.clamp(LAST_ANSWER, ANSWER_WITHIN));
            let seen = answer == Answer::Slot(slot.clone());
            agreed = if seen && settled { agreed + 1 } else { 0 };
            if agreed <= 1 {
                since = Instant::now();
            }
            let unwatched = self.reloaded && self.before.is_none();
            if agreed >= IN_A_ROW && !(unwatched && since.elapsed() < OVERLAP) {
                return Ok("front");
            }
            self.go_on(deadline, || match answer {
                Answer::Slot(_) if seen => "nginx's old workers still took connections".into(),
                Answer::Slot(other) => format!("the front still answered {other}"),
                Answer::NoSlot(said) => format!("the front answered {said}"),
            })?;
            if agreed == 0 || unwatched {
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    fn in_the_workers(&self, deadline: Instant) -> Result<&'static str, Unseen> {
        let Some(before) = &self.before else {
            return Err(Unseen::Late("there is no front to ask and no worker to watch".into()));
        };
        while !(before.is_followed() && before.has_left()) {
            self.go_on(deadline, || "nginx's old workers still took connections".into())?;
            std::thread::sleep(LOOK_EVERY);
        }
        Ok("workers")
    }

    fn go_on(&self, deadline: Instant, seen: impl FnOnce() -> String) -> Result<(), Unseen> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Unseen::Interrupted);
        }
        if Instant::now() >= deadline { Err(Unseen::Late(seen())) } else { Ok(()) }
    }
}
