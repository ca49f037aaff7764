//! The visitors of a slot that is watched: what nginx has answered them, and what follows from it.

pub(crate) mod channel;
pub(crate) mod limits;
pub(crate) mod tally;

use crate::visitors::channel::Channel;
use crate::visitors::limits::{Limits, Quiet};
use crate::visitors::tally::{Count, exceeds};
use anyhow::Result;
use bg_probe::record::Record;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::{self, Display};
use std::time::Duration;

/// A watch over the visitors of a record's slot.
pub(crate) struct Visitors<'a> {
    record: &'a Record,
    limits: Limits,
    /// Why there is none, in words, where nginx can't be heard.
    channel: Result<Channel, String>,
}

/// What was seen of the visitors of both slots.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    slot: Name,
    other: Name,
    mine: Count,
    others: Count,
    /// How many answers nginx has given of which nothing was heard.
    missed: u64,
    finding: Finding,
}

type Name = String;

/// What follows from it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Finding {
    /// All limits were kept.
    Well,
    /// Too many answers were 5xx.
    Errors,
    /// Too many answers were later than this.
    Slow(Duration),
    /// Nobody knows: why, and what to do.
    NotProven(String, Quiet),
}

/// What comes into the record and the history.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    /// Whether there were enough answers to judge by.
    pub(crate) proven: bool,
    /// Whether they keep the slot from being left as it is.
    pub(crate) went_bad: bool,
    /// How many answers of each slot were heard of.
    slots: Map<String, Value>,
    /// How many were given of which nothing was heard.
    missed: u64,
    said: String,
}

impl<'a> Visitors<'a> {
    /// Begins to listen to nginx.
    pub(crate) fn new(record: &'a Record, limits: Limits) -> Visitors<'a> {
        let channel = Channel::open(&record.site).map_err(|why| format!("{why:#}"));
        Visitors { record, limits, channel }
    }

    /// Why nothing can be heard, if it can't.
    pub(crate) fn is_deaf(&self) -> Option<&str> {
        match &self.channel {
            Err(why) => Some(why),
            Ok(channel) => channel.is_deaf(),
        }
    }

    /// Looks at what was answered so far: what went bad beyond doubt, if anything did.
    pub(crate) fn look(&self) -> Option<Seen> {
        if let Ok(channel) = &self.channel {
            channel.keep();
        }
        Some(self.seen(true)).filter(|seen| matches!(seen.finding, Finding::Errors | Finding::Slow(_)))
    }

    /// What was seen in the end.
    pub(crate) fn end(&self) -> Seen {
        self.seen(false)
    }

    fn seen(&self, is_early: bool) -> Seen {
        let (counts, missed) = self.channel.as_ref().map(Channel::heard_of).unwrap_or_default();
        let slots = self.record.site.slots.both();
        let mine = usize::from(slots[0] != self.record.slot);
        let [slot, other] = [mine, 1 - mine].map(|n| slots[n].to_string());
        let finding = self.finding(&counts[mine], &counts[1 - mine], is_early);
        let [first, second] = counts;
        let (mine, others) = if mine == 0 { (first, second) } else { (second, first) };
        Seen { slot, other, mine, others, missed, finding }
    }

    fn finding(&self, mine: &Count, others: &Count, is_early: bool) -> Finding {
        let Limits { errors, p95, requests, quiet } = self.limits;
        let is_few = |count: &Count| count.answers < requests;
        if is_few(mine) {
            return Finding::NotProven(self.why_few(mine.answers), quiet);
        }
        // What both have is not the new one's; but a few answers of the other prove nothing for it either.
        let others = Some(others).filter(|count| !is_few(count));
        let bad = |limit: f64, bad: &dyn Fn(&Count) -> u64| {
            let of = |count: &Count| (bad(count), count.answers);
            exceeds(limit, of(mine), others.map(of), is_early)
        };
        match (errors, p95) {
            (Some(limit), _) if bad(limit, &|count| count.errors) => Finding::Errors,
            (_, Some(limit)) if bad(0.05, &|count| count.later_than(limit)) => Finding::Slow(limit),
            _ => Finding::Well,
        }
    }

    fn why_few(&self, answers: u64) -> String {
        let slot = &self.record.slot;
        match self.is_deaf() {
            Some(why) => format!("nothing is known of the visitors of {slot}: {why}"),
            None => format!("{answers} answers of {slot} to visitors were seen, of {} needed", self.limits.requests),
        }
    }
}

impl Seen {
    /// Whether the slot is not to stay as it is.
    pub(crate) fn went_bad(&self) -> bool {
        match self.finding {
            Finding::Well | Finding::NotProven(_, Quiet::Keep) => false,
            Finding::Errors | Finding::Slow(_) | Finding::NotProven(_, Quiet::Back) => true,
        }
    }

    /// Whether there were enough answers to judge by.
    pub(crate) fn is_proven(&self) -> bool {
        !matches!(self.finding, Finding::NotProven(..))
    }

    /// What comes into the record and the history.
    pub(crate) fn facts(&self) -> Facts {
        let of = |count: &Count| serde_json::to_value(count.facts()).unwrap_or_default();
        let slots = [(self.slot.clone(), of(&self.mine)), (self.other.clone(), of(&self.others))];
        Facts {
            proven: self.is_proven(),
            went_bad: self.went_bad(),
            slots: slots.into_iter().collect(),
            missed: self.missed,
            said: self.to_string(),
        }
    }

    fn errors(&self) -> String {
        let Seen { slot, other, mine, others, .. } = self;
        let (n, all) = (mine.errors, mine.answers);
        let words = format!("{n} of {all} answers of {slot} were 5xx ({})", percent(n, all));
        if others.answers == 0 { words } else { format!("{words}, of {other} {} of {}", others.errors, others.answers) }
    }

    fn times(&self) -> String {
        let Seen { slot, other, mine, others, .. } = self;
        let words = format!("95 % of {} answers of {slot} began within {} ms", mine.answers, mine.p95());
        if others.answers == 0 { words } else { format!("{words}, of {other} within {} ms", others.p95()) }
    }
}

impl Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.finding {
            Finding::Well => write!(f, "{}; {}", self.errors(), self.times())?,
            Finding::Errors => f.write_str(&self.errors())?,
            Finding::Slow(_) => f.write_str(&self.times())?,
            Finding::NotProven(why, _) => write!(f, "not proven: {why}")?,
        }
        if self.missed > 0 { write!(f, "; of {} more nothing was heard", self.missed) } else { Ok(()) }
    }
}

fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    let text = format!("{percent:.1}");
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
