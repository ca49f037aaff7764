//! Healthy answers in a row.

use crate::check::Answer;
use bg_health::verdict::Kind;
use std::time::Duration;

/// Healthy answers in a row.
#[derive(Default)]
pub(crate) struct Row {
    count: u32,
    /// When the first of them came.
    pub(crate) since: Duration,
}

impl Row {
    /// Adds an answer that came `at` this time; how many there are now. Other listeners begin another row.
    pub(crate) fn add(&mut self, answer: &Answer, same: bool, at: Duration) -> u32 {
        if answer.kind != Kind::Healthy {
            *self = Row::default();
            return 0;
        }
        if self.count == 0 || !same {
            *self = Row { count: 0, since: at };
        }
        self.count += 1;
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_broken_by_another_answer_or_another_listener() {
        let answer = |kind| Answer { kind, text: String::new(), url: String::new() };
        let at = Duration::from_millis;
        let mut row = Row::default();
        assert_eq!(row.add(&answer(Kind::Healthy), true, at(10)), 1);
        assert_eq!(row.add(&answer(Kind::Healthy), true, at(20)), 2);
        assert_eq!(row.since, at(10));
        assert_eq!(row.add(&answer(Kind::Healthy), false, at(30)), 1);
        assert_eq!(row.since, at(30));
        assert_eq!(row.add(&answer(Kind::Slow), true, at(40)), 0);
        assert_eq!(row.add(&answer(Kind::Healthy), true, at(50)), 1);
        assert_eq!(row.since, at(50));
    }
}
