//! The front's proof: it names the slot so often in a row that no old worker can be left.

use crate::proof::workers::STILL_THERE;
use crate::proof::{Asks, IN_A_ROW, LAST_ANSWER, LOOK_EVERY, Reloaded, Unseen, Witnesses};
use bg_probe::live::front::{Answer, Front, LIMITED};
use bg_probe::live::pending::OVERLAP;
use bg_probe::os::deadline::Deadline;
use bg_probe::site::slot::Slot;
use std::time::{Duration, Instant};

/// How many where nginx's workers can't be watched: each may have come from the one of two that is new. Where a limit
/// lets few through, the time they take is as good.
const IN_A_ROW_UNWATCHED: u32 = 20;

/// How long the front may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The answers at the end that agree.
struct Row {
    agreed: u32,
    /// When the first of them came.
    since: Instant,
    /// How many questions a limit refused; such an answer proves nothing, for or against.
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
            Answer::Slot(_) | Answer::NoSlot(_) => self.agreed = 0,
        }
    }

    /// The row in words, where it was not long enough and `last` the last answer.
    fn in_words(&self, last: &Answer, slot: &Slot) -> String {
        let seen = match last {
            Answer::Slot(named) if named == slot && self.agreed > 0 => {
                format!("the front answered {slot}, but only {} times running", self.agreed)
            }
            Answer::Slot(named) if named == slot => STILL_THERE.into(),
            Answer::Slot(other) => format!("the front still answered {other}"),
            Answer::NoSlot(said) => format!("the front {}", said.said()),
            Answer::Limited(status) => return format!("the front answered {status}: {LIMITED}"),
        };
        if self.refused == 0 { seen } else { format!("{seen}; {LIMITED}") }
    }
}

impl Witnesses<'_> {
    /// Waits until the front has named often enough the slot that each kind of visitor is to see.
    pub(super) fn at_the_front(&self, front: &Front, asks: &Asks, deadline: Deadline) -> Result<(), Unseen> {
        let mut row = Row::default();
        loop {
            // Before the question: an answer counts only if no old worker could have given it, or none will be old.
            let refused = self.is_refused();
            let settled = refused || self.reloaded.as_ref().is_none_or(Reloaded::is_over);
            // Meanwhile the workers are watched, which costs the front nothing.
            if !settled && !self.is_interrupted() && deadline.pause(LOOK_EVERY) {
                continue;
            }
            let (visitor, slot) = asks.after(row.agreed);
            let answer = front.ask_as(visitor, deadline.left().clamp(LAST_ANSWER, ANSWER_WITHIN));
            self.ensure_none_goes_back(&row, &answer, slot)?;
            row.add(&answer, slot, settled);
            if self.is_long_enough(&row, asks) {
                return Ok(());
            }
            if self.is_interrupted() {
                return Err(Unseen::Interrupted);
            }
            let is_hopeless = refused && answer != Answer::Slot(slot.clone());
            if is_hopeless || deadline.is_over() {
                return Err(Unseen::Late(row.in_words(&answer, slot)));
            }
            if row.agreed == 0 {
                let _ = deadline.pause(LOOK_EVERY);
            }
        }
    }

    /// Refuses an answer for another slot after one for this: where no reload is under way, there is nothing to wait for.
    fn ensure_none_goes_back(&self, row: &Row, answer: &Answer, slot: &Slot) -> Result<(), Unseen> {
        match answer {
            Answer::Slot(other) if other != slot && row.agreed > 0 && self.reloaded.is_none() => {
                Err(Unseen::Late(format!("some of nginx's workers still answered {other}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether so many answers prove the switch.
    fn is_long_enough(&self, row: &Row, asks: &Asks) -> bool {
        let unwatched = self.reloaded.as_ref().is_some_and(|reloaded| reloaded.before.is_none());
        if !unwatched {
            return row.agreed >= IN_A_ROW * asks.slots();
        }
        let (enough, overlap) = if row.refused == 0 { (IN_A_ROW_UNWATCHED, OVERLAP) } else { (IN_A_ROW, OVERLAP * 4) };
        row.agreed >= enough && row.since.elapsed() >= overlap
    }
}
