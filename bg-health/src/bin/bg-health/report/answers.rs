//! The answers of an application: each once, how often it came, and from when to when.

use crate::check::Answer;
use bg_health::verdict::Kind;
use std::time::Duration;

/// How many different answers are told apart; an application could make up a new one each time.
const MOST: usize = 8;

/// All answers of one wait.
#[derive(Default)]
pub(crate) struct Answers {
    seen: Vec<Seen>,
    /// How many answers were none of those.
    others: u32,
    last: Option<Answer>,
    /// Whether it was ever healthy.
    was_healthy: bool,
    /// The last answer that was not, after one that was.
    relapse: Option<Answer>,
    /// How many answers there were.
    pub(crate) checks: u32,
}

struct Seen {
    answer: Answer,
    count: u32,
    first: Duration,
    last: Duration,
}

impl Answers {
    /// Adds an answer that came `at` this time of the wait; whether it was a new one.
    pub(crate) fn add(&mut self, answer: &Answer, at: Duration) -> bool {
        self.checks += 1;
        self.last = Some(answer.clone());
        if answer.kind == Kind::Healthy {
            self.was_healthy = true;
        } else if self.was_healthy {
            self.relapse = Some(answer.clone());
        }
        if let Some(seen) = self.seen.iter_mut().find(|seen| is_same(&seen.answer, answer)) {
            seen.count += 1;
            seen.last = at;
            return false;
        }
        let room = self.seen.len() < MOST;
        if room {
            self.seen.push(Seen { answer: answer.clone(), count: 1, first: at, last: at });
        } else {
            self.others += 1;
        }
        room
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<&Answer> {
        self.last.as_ref()
    }

    /// The last answer that was not healthy after one that was.
    pub(crate) fn relapse(&self) -> Option<&Answer> {
        self.relapse.as_ref()
    }

    /// Whether anything has answered.
    pub(crate) fn any_reply(&self) -> bool {
        self.seen.iter().any(|seen| seen.answer.kind != Kind::Silent)
    }

    /// The first answer of a process that is older than the launch.
    pub(crate) fn of_a_stranger(&self) -> Option<&Kind> {
        self.seen.iter().map(|seen| &seen.answer.kind).find(|kind| matches!(kind, Kind::Stranger(..)))
    }

    /// One text for each: `1059 x 503 {"status":"DOWN"} (4.1 to 110 s)`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.seen.iter().map(Seen::line).collect();
        if self.others > 0 {
            lines.push(format!("{} x something else", self.others));
        }
        lines
    }
}

impl Seen {
    fn line(&self) -> String {
        let (first, last) = (seconds(self.first), seconds(self.last));
        let when = if first == last { format!("at {first} s") } else { format!("{first} to {last} s") };
        format!("{} x {} ({when})", self.count, self.answer.text)
    }
}

/// Seconds without their unit: `0.0`, `4.1`, `110`.
fn seconds(at: Duration) -> String {
    let seconds = at.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1}") } else { format!("{seconds:.0}") }
}

/// Whether two answers are the same. Bodies that differ only in digits do: those are times and sizes.
fn is_same(one: &Answer, other: &Answer) -> bool {
    one.kind == other.kind && shape(&one.text) == shape(&other.text)
}

fn shape(text: &str) -> (&str, String) {
    let (code, body) = text.split_once(' ').unwrap_or((text, ""));
    (code, body.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: Kind, text: &str) -> Answer {
        Answer { kind, text: text.into(), url: String::new() }
    }

    fn lines(texts: &[(u64, &str)]) -> Vec<String> {
        let mut answers = Answers::default();
        for (ms, text) in texts {
            answers.add(&answer(Kind::Fails, text), Duration::from_millis(*ms));
        }
        answers.lines()
    }

    #[test]
    fn each_answer_is_shown_once_with_its_time() {
        assert_eq!(
            lines(&[(0, "connection refused"), (4080, "connection refused"), (4100, "503 x"), (109_900, "503 x")]),
            ["2 x connection refused (0.0 to 4.1 s)", "2 x 503 x (4.1 to 110 s)"]
        );
        assert_eq!(lines(&[(1500, "500")]), ["1 x 500 (at 1.5 s)"]);
    }

    #[test]
    fn digits_in_a_body_make_no_difference_and_codes_do() {
        assert_eq!(
            lines(&[(0, "500 at 10:01:02"), (100, "500 at 10:01:03"), (200, "502 at 10:01:04")]),
            ["2 x 500 at 10:01:02 (0.0 to 0.1 s)", "1 x 502 at 10:01:04 (at 0.2 s)"]
        );
    }

    #[test]
    fn an_application_that_says_something_new_each_time_fills_no_screen() {
        let texts: Vec<String> = ('a'..='z').map(|c| format!("500 {c}")).collect();
        let told = lines(&texts.iter().map(|text| (0, text.as_str())).collect::<Vec<_>>());
        assert_eq!(told.len(), MOST + 1);
        assert_eq!(told[MOST], "18 x something else");
    }
}
