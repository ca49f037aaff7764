//! Answers counted, and how many are too many.

use bg_probe::os::mailbox::Sender;
use bg_probe::site::watched::Said;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How many connections are remembered, to know what was missed on them.
const MOST_CONNECTIONS: usize = 50_000;

/// The answers of both slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) counts: [Count; 2],
    /// Of each connection the first and the last request, and how many were heard of.
    connections: HashMap<(Sender, u64), (u64, u64, u64)>,
    missed_before: u64,
}

/// The answers of one slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Count {
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    /// How many began after so many milliseconds.
    times: BTreeMap<u32, u64>,
}

/// What comes of it into the record.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    answers: u64,
    errors: u64,
    p95_ms: u32,
}

impl Tally {
    /// Counts what one of nginx's workers has said.
    pub(crate) fn add(&mut self, by: Sender, said: &Said) {
        for answer in &said.answers {
            let count = &mut self.counts[answer.slot];
            if let Some(after) = answer.after_ms {
                *count.times.entry(after).or_default() += 1;
            }
            // One that went away has had no answer; but how long it has waited tells.
            let Some(status) = answer.status else { continue };
            count.answers += 1;
            count.errors += u64::from(status >= 500);
        }
        if self.connections.len() >= MOST_CONNECTIONS {
            self.missed_before = self.missed();
            self.connections.clear();
        }
        let n = said.request;
        let (first, last, heard) = self.connections.entry((by, said.connection)).or_insert((n, n, 0));
        (*first, *last, *heard) = (n.min(*first), n.max(*last), *heard + 1);
    }

    /// How many requests stand between others of the same connection and were not heard of: the kernel drops datagrams
    /// that come faster than they are read.
    pub(crate) fn missed(&self) -> u64 {
        let gaps = self.connections.values().map(|(first, last, heard)| (last - first).saturating_sub(heard - 1));
        gaps.fold(self.missed_before, u64::saturating_add)
    }
}

impl Count {
    /// How many answers began later than this.
    pub(crate) fn later_than(&self, limit: Duration) -> u64 {
        let limit = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        self.times.iter().filter(|(ms, _)| **ms > limit).map(|(_, n)| n).sum()
    }

    /// The milliseconds within which 95 of 100 began.
    pub(crate) fn p95(&self) -> u32 {
        let all: u64 = self.times.values().sum();
        let mut left = all - all / 20;
        let within = |(ms, n): (&u32, &u64)| {
            left = left.saturating_sub(*n);
            (left == 0).then_some(*ms)
        };
        self.times.iter().find_map(within).unwrap_or_default()
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts { answers: self.answers, errors: self.errors, p95_ms: self.p95() }
    }
}

/// Whether more of a slot's answers are bad than may be: more than `limit`, and more by that than of the other's in the
/// same time, where that has enough of them. `(bad, all)` of each.
///
/// In the end a limit is taken at its word; but chance alone makes two slots differ, and by two standard deviations of that
/// it takes more. Before the end it has to be beyond doubt: who looks often would see anything once.
#[expect(clippy::cast_precision_loss, reason = "they are counts of answers")]
pub(crate) fn exceeds(limit: f64, mine: (u64, u64), others: Option<(u64, u64)>, is_early: bool) -> bool {
    let part = |(bad, all): (u64, u64)| (bad as f64 / all.max(1) as f64).min(1.0);
    let deviation = |part: f64, answers: f64| (part * (1.0 - part) / answers.max(1.0)).sqrt();
    let (here, there) = (part(mine), others.map_or(0.0, part));
    let all = |(_, all): (u64, u64)| all as f64;
    let both = others.map_or(0.0, |others| 1.0 / (1.0 / all(mine) + 1.0 / all(others)));
    let by_chance = deviation(there, both);
    let margin = if is_early { 4.0 * by_chance.max(deviation(here, all(mine))) } else { 2.0 * by_chance };
    here > limit + there + margin
}

#[cfg(test)]
mod tests {
    use super::*;
    use bg_probe::site::watched::Answered;

    #[test]
    fn a_limit_is_taken_at_its_word_in_the_end_and_beyond_doubt_before() {
        assert!(exceeds(0.01, (3, 214), None, false) && !exceeds(0.01, (2, 214), None, false));
        assert!(!exceeds(0.01, (3, 214), None, true) && exceeds(0.01, (43, 214), None, true));
        assert!(exceeds(0.01, (50, 50), None, true) && exceeds(0.0, (1, 50), None, false));
        assert!(!exceeds(0.0, (0, 50), None, false) && !exceeds(1.0, (50, 50), None, false));
    }

    #[test]
    fn what_both_have_is_not_the_new_ones() {
        let old = Some((400, 2000));
        assert!(!exceeds(0.01, (20, 100), old, false) && !exceeds(0.01, (25, 100), old, false));
        assert!(exceeds(0.01, (40, 100), old, false) && exceeds(0.01, (20, 100), Some((0, 2000)), false));
    }

    #[test]
    fn ninety_five_of_a_hundred_began_within_a_time() {
        let mut tally = Tally::default();
        for n in 1..=100 {
            let answer = Answered { slot: 1, status: Some(if n > 98 { 502 } else { 200 }), after_ms: Some(n) };
            // Of each second request of a connection nothing was heard.
            let said = Said { answers: vec![answer], connection: 1, request: u64::from(n) * 2, mark: String::new() };
            tally.add(Sender { pid: 1, uid: 1 }, &said);
        }
        let count = &tally.counts[1];
        assert_eq!((count.answers, count.errors, count.p95(), tally.missed()), (100, 2, 95, 99));
        assert_eq!(count.later_than(Duration::from_millis(95)), 5);
        assert_eq!(Count::default().p95(), 0);
        for request in [0, u64::MAX] {
            let said = Said { answers: vec![], connection: 2, request, mark: String::new() };
            tally.add(Sender { pid: 1, uid: 1 }, &said);
        }
        assert_eq!(tally.missed(), u64::MAX, "whatever is said, nothing overflows");
    }
}
