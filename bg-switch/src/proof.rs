//! The proof that nginx serves a slot: fresh connections reach it, and none can reach another any more.

use crate::workers::Generation;
use bg_probe::front::{Answer, Front};
use bg_probe::slot::Name;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many answers in a row are needed.
pub(crate) const IN_A_ROW: u32 = 5;

/// How long the front may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How often to look again while nginx has not moved.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long answers must agree where the workers can't be watched: nginx lets both generations take connections
/// for 100 ms.
const OVERLAP: Duration = Duration::from_millis(250);

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

impl Witnesses<'_> {
    /// Waits until it is proven that nginx serves `slot`, `within` at most; which evidence it was.
    ///
    /// # Errors
    /// What was seen instead, in words.
    pub(crate) fn see(&self, slot: &Name, within: Duration) -> Result<&'static str, String> {
        let deadline = Instant::now() + within;
        match self.front {
            Some(front) => self.at_the_front(front, slot, deadline),
            None => self.in_the_workers(deadline),
        }
    }

    fn at_the_front(&self, front: &Front, slot: &Name, deadline: Instant) -> Result<&'static str, String> {
        let mut agreed: u32 = 0;
        let mut since = Instant::now();
        loop {
            // Before the question: an answer counts only if no old worker could have given it.
            let settled = self.before.as_ref().is_none_or(Generation::has_left);
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = front.ask(ANSWER_WITHIN.min(left.max(LOOK_EVERY)));
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

    fn in_the_workers(&self, deadline: Instant) -> Result<&'static str, String> {
        let Some(before) = &self.before else { return Err("there is no front to ask and no worker to watch".into()) };
        while !(before.is_followed() && before.has_left()) {
            self.go_on(deadline, || "nginx's old workers still took connections".into())?;
            std::thread::sleep(LOOK_EVERY);
        }
        Ok("workers")
    }

    fn go_on(&self, deadline: Instant, seen: impl FnOnce() -> String) -> Result<(), String> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err("a signal interrupted the switch".into());
        }
        if Instant::now() >= deadline { Err(seen()) } else { Ok(()) }
    }
}
