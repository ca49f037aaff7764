//! The proof that nginx serves a slot: fresh connections reach it, and none can reach another any more.

use crate::nginx::Tested;
use crate::nginx::workers::Generation;
use bg_probe::live::front::{Answer, Front, LIMITED};
use bg_probe::live::pending::OVERLAP;
use bg_probe::say;
use bg_probe::site::slot::Slot;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many answers in a row are needed.
pub(crate) const IN_A_ROW: u32 = 5;

/// How many where nginx's workers can't be watched: each may have come from the one of two that is new. Where a limit
/// lets few through, the time they take is as good.
const IN_A_ROW_UNWATCHED: u32 = 20;

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
    /// The reload that was sent, if one was.
    pub(crate) reloaded: Option<Reloaded<'a>>,
    /// Set when the operator has had enough.
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
    /// The operator did not want to wait for it.
    Interrupted,
    /// It was not there in time; what was seen instead, in words.
    Late(String),
}

impl Unseen {
    /// What that means for a switch to `slot` that had so much time.
    pub(crate) fn in_words(&self, slot: &Slot, within: Duration) -> String {
        match self {
            Unseen::Interrupted => format!("a signal interrupted the switch to {slot}"),
            Unseen::Late(seen) => format!("nginx did not move to {slot} within {}: {seen}", say::seconds(within)),
        }
    }
}

/// Whether `from` serves, as it did before: in words, and whether that is how it stays. A signal that was heard does
/// not end this: it is the reason to ask.
pub(crate) fn as_before(front: &Front, from: &Slot, reloaded: Option<Reloaded>, within: Duration) -> (String, bool) {
    let calm = AtomicBool::new(false);
    match (Witnesses { front: Some(front), reloaded, interrupted: &calm }).see(from, within) {
        Err(Unseen::Late(_)) if front.ask(LAST_ANSWER) == Answer::Slot(from.clone()) => {
            (format!("{from} is serving, and nginx may still be reading its configuration"), false)
        }
        Err(Unseen::Late(seen)) => (format!("{from} was live before, but {seen}"), false),
        _ => (format!("{from} is serving, seen at the front"), true),
    }
}

/// The answers at the end that agree.
struct Row {
    agreed: u32,
    /// When the first of them came.
    since: Instant,
    /// How many questions a limit refused; such an answer says nothing, for or against.
    refused: u32,
}

impl Default for Row {
    fn default() -> Row {
        Row { agreed: 0, since: Instant::now(), refused: 0 }
    }
}

impl Row {
    fn add(&mut self, answer: &Answer, slot: &Slot, settled: bool) {
        match answer {
            Answer::Limited(_) => self.refused += 1,
            Answer::Slot(named) if named == slot && settled => {
                self.agreed += 1;
                if self.agreed == 1 {
                    self.since = Instant::now();
                }
            }
            _ => self.agreed = 0,
        }
    }

    /// What was seen, where that was not enough and `last` the last answer.
    fn in_words(&self, last: &Answer, slot: &Slot) -> String {
        let seen = match last {
            Answer::Slot(named) if named == slot && self.agreed > 0 => {
                format!("the front answered {slot}, but only {} times running", self.agreed)
            }
            Answer::Slot(named) if named == slot => "nginx's old workers still took connections".into(),
            Answer::Slot(other) => format!("the front still answered {other}"),
            Answer::NoSlot(said) => format!("the front answered {said}"),
            Answer::Limited(status) => return format!("the front answered {status}: {LIMITED}"),
        };
        if self.refused == 0 { seen } else { format!("{seen}; {LIMITED}") }
    }
}

impl Witnesses<'_> {
    /// Waits until it is proven that nginx serves `slot`, `within` at most; which evidence it was.
    ///
    /// # Errors
    /// When it is not, with what was seen instead.
    pub(crate) fn see(&self, slot: &Slot, within: Duration) -> Result<&'static str, Unseen> {
        let deadline = Instant::now() + within.min(LONGEST);
        match self.front {
            Some(front) => self.at_the_front(front, slot, deadline),
            None => self.in_the_workers(deadline),
        }
    }

    fn at_the_front(&self, front: &Front, slot: &Slot, deadline: Instant) -> Result<&'static str, Unseen> {
        let mut row = Row::default();
        loop {
            // Before the question: an answer counts only if no old worker could have given it, or none will be old.
            let refused = self.is_refused();
            let settled = refused || self.reloaded.as_ref().is_none_or(Reloaded::is_over);
            let is_late = Instant::now() >= deadline;
            if !settled && !is_late && !self.interrupted.load(Ordering::Relaxed) {
                // The workers are looked at, which costs the front nothing.
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = front.ask(left.clamp(LAST_ANSWER, ANSWER_WITHIN));
            if let Answer::Slot(other) = &answer
                && row.agreed > 0
                && other != slot
                && self.reloaded.is_none()
            {
                return Err(Unseen::Late(format!("some of nginx's workers still answered {other}")));
            }
            row.add(&answer, slot, settled);
            if self.is_long_enough(&row) {
                return Ok("front");
            }
            let seen = answer == Answer::Slot(slot.clone());
            let deadline = if refused && !seen { Instant::now() } else { deadline };
            self.go_on(deadline, || row.in_words(&answer, slot))?;
            if row.agreed == 0 {
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }

    /// Whether so many answers prove the switch.
    fn is_long_enough(&self, row: &Row) -> bool {
        let unwatched = self.reloaded.as_ref().is_some_and(|reloaded| reloaded.before.is_none());
        if !unwatched {
            return row.agreed >= IN_A_ROW;
        }
        let (enough, overlap) = if row.refused == 0 { (IN_A_ROW_UNWATCHED, OVERLAP) } else { (IN_A_ROW, OVERLAP * 4) };
        row.agreed >= enough && row.since.elapsed() >= overlap
    }

    /// Whether nginx has said that it does not take the configuration, and goes on with what it has.
    fn is_refused(&self) -> bool {
        self.reloaded.as_ref().is_some_and(|reloaded| reloaded.tested.has_refused())
    }

    fn in_the_workers(&self, deadline: Instant) -> Result<&'static str, Unseen> {
        let Some(before) = self.reloaded.as_ref().and_then(|reloaded| reloaded.before.as_ref()) else {
            return Err(Unseen::Late("there is no front to ask and no worker to watch".into()));
        };
        while !(before.is_followed() && before.has_left()) {
            let deadline = if self.is_refused() { Instant::now() } else { deadline };
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
