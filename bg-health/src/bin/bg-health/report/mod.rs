//! What is said when the slot is not healthy: what was seen, the likely cause, and what serves now.
//!
//! "Failed to become healthy" alone is what people complain about in other tools. Whoever reads this at night
//! should not have to log in to three places first.

pub(crate) mod answers;
pub(crate) mod bar;
pub(crate) mod cause;
pub(crate) mod log;

use crate::report::cause::{Case, Failure};
use crate::report::log::Log;
use bg_launch::Launch;
use bg_probe::live::front::Answer as Served;
use bg_probe::record::Record;
use bg_probe::say::{clean, seconds};
use bg_probe::site::slot::Slot;
use serde_json::Value;
use std::fmt::{self, Display};

/// Up to here the answers stand in one line, in characters.
const WIDTH: usize = 120;

/// The reason in one line, for `--once`.
pub(crate) fn in_a_line(case: &Case) -> String {
    let likely = case.likely("");
    let said = match case.failure {
        Failure::OnOtherPort => head(case, &likely),
        _ => format!("{} is not healthy: {}", case.slot.name, last_words(case)),
    };
    format!("{said}; {likely}")
}

/// The whole report.
pub(crate) fn whole(case: &Case) -> String {
    let log = log_of(case.record, case.launch);
    let tail = log.as_ref().and_then(|log| log.tail.as_deref().ok()).unwrap_or_default();
    let likely = case.likely(tail);
    let head = head(case, &likely);
    let notes =
        [("likely", (!head.ends_with(&likely)).then_some(likely)), ("serving", serving(case)), ("now", now(case))];
    let notes = notes.into_iter().filter_map(|(label, text)| Some((label, text?))).collect();
    Report { head, answers: case.answers.lines(), log, notes }.to_string()
}

fn head(case: &Case, likely: &str) -> String {
    let name = &case.slot.name;
    match &case.failure {
        Failure::Late => format!("{name} was not healthy within {}", seconds(*case.args.timeout)),
        Failure::Died(after) => {
            format!("the application in {name} exited before it was healthy, after {}", seconds(*after))
        }
        Failure::OnOtherPort => {
            let other = case.other;
            let live = if takes_visitors(case) { ", which is live: visitors may have reached it" } else { "" };
            format!("{name} listens on {}, the port of {}{live}", other.port, other.name)
        }
        Failure::WentBad(after, served) => {
            let seen = match served {
                None => format!("{}; {likely}", last_words(case)),
                Some(Served::Slot(served)) => format!("nginx serves {served} by now"),
                Some(Served::Limited(status)) => format!("nginx answered {status} at {}", case.record.site.front),
                Some(Served::NoSlot(said)) => format!("nginx answered {said} at {}", case.record.site.front),
            };
            format!("{name} went bad within the watch, after {}: {seen}", seconds(*after))
        }
    }
}

fn last_words<'a>(case: &'a Case) -> &'a str {
    case.answers.last().map_or("no answer", |answer| answer.text.as_str())
}

/// What somebody has to do now, where nobody else does it.
fn now(case: &Case) -> Option<String> {
    let record = case.record;
    match &case.failure {
        Failure::OnOtherPort if takes_visitors(case) => {
            Some(format!("stop it, unless bg-deploy does: bg-launch --slot {} --stop", case.slot.name))
        }
        Failure::WentBad(_, None | Some(Served::NoSlot(_))) => {
            let old = record.live_beside()?;
            Some(format!("move nginx back, unless bg-deploy does: bg-switch --to {old}"))
        }
        _ => None,
    }
}

/// Whether it listens on the port that nginx sends the visitors to.
fn takes_visitors(case: &Case) -> bool {
    case.failure == Failure::OnOtherPort && case.record.live.as_ref() == Some(case.other)
}

/// The log of the launch; where that is not known, the newest of the slot, if there is one.
fn log_of(record: &Record, launch: Option<&Launch>) -> Option<Log> {
    let Some(launch) = launch else {
        let newest = record.site.dir.logs(&record.slot.name).join("app.log");
        return newest.exists().then(|| Log::read(newest));
    };
    let journal = || Log::of_unit(launch.unit.as_ref()?, launch.invocation.as_deref()?).into();
    launch.log.as_ref().map(|path| Log::read(path.into())).or_else(journal)
}

/// What serves now; `None` where nobody asked.
fn serving(case: &Case) -> Option<String> {
    let record = case.record;
    match &case.failure {
        Failure::WentBad(_, Some(Served::Slot(served))) => return Some(format!("{served}, which nginx was moved to")),
        Failure::WentBad(..) => return Some(format!("{}, to which nginx is still set", record.slot.name)),
        _ => {}
    }
    match &record.live {
        Some(live) if *live == record.slot => Some(format!("{live}, which is this very slot")),
        Some(live) => Some(serving_slot(case, live)),
        // Without a probe, that none is named means that nobody knows.
        None => record.get::<Value>("probe").ok()?.map(|_| "nothing: no slot was live".to_owned()),
    }
}

fn serving_slot(case: &Case, live: &Slot) -> String {
    let site = &case.record.site;
    let what = match site.dir.artifact(&live.name) {
        Some(artifact) => format!("{} in {live}", clean(&artifact.to_string_lossy())),
        None => live.to_string(),
    };
    if takes_visitors(case) {
        return format!("{what}, which shared its port with this release");
    }
    if live.listens() { format!("{what}, untouched") } else { format!("nothing: {what} is live, but does not listen") }
}

struct Report {
    head: String,
    answers: Vec<String>,
    log: Option<Log>,
    /// What else there is to know, each under its label.
    notes: Vec<(&'static str, String)>,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.head)?;
        let answers = self.answers.join(", ");
        if answers.chars().count() <= WIDTH {
            line(f, "answers", &answers)?;
        } else {
            let mut label = "answers";
            for answer in &self.answers {
                line(f, std::mem::take(&mut label), answer)?;
            }
        }
        if let Some(log) = &self.log {
            let path = clean(&log.path.to_string_lossy());
            let lines = log.lines();
            match &log.tail {
                Ok(_) if lines.is_empty() => line(f, "log", &format!("{path} (empty)"))?,
                Ok(_) => line(f, "log", &path)?,
                Err(why) => line(f, "log", &format!("{path} (can't be read: {why})"))?,
            }
            lines.iter().try_for_each(|text| line(f, "", &format!("| {text}")))?;
        }
        self.notes.iter().try_for_each(|(label, text)| line(f, label, text))
    }
}

fn line(f: &mut fmt::Formatter, label: &str, text: &str) -> fmt::Result {
    write!(f, "\n  {label:<9} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            head: "set1 was not healthy within 110s".into(),
            answers: vec![
                "205 x connection refused (0.0 to 4.1 s)".into(),
                r#"1059 x 503 {"status":"DOWN"} (4.1 to 110 s)"#.into(),
            ],
            log: Some(Log { path: "/l/app.log".into(), tail: Ok("first\nlast \u{1b}[2J\n".into()) }),
            notes: vec![("likely", "the cause".into()), ("serving", "app-1.1.jar in set2, untouched".into())],
        }
    }

    #[test]
    fn a_report_reads_like_this() {
        let expected = r#"set1 was not healthy within 110s
  answers   205 x connection refused (0.0 to 4.1 s), 1059 x 503 {"status":"DOWN"} (4.1 to 110 s)
  log       /l/app.log
            | first
            | last \u{1b}[2J
  likely    the cause
  serving   app-1.1.jar in set2, untouched"#;
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn many_answers_stand_below_each_other() {
        let page = format!("7 x 200 {} (0.0 to 1.0 s)", "x".repeat(80));
        let report = Report {
            answers: vec![page.clone(), page.clone()],
            log: None,
            notes: vec![("likely", "the cause".into())],
            ..report()
        };
        let expected =
            format!("set1 was not healthy within 110s\n  answers   {page}\n            {page}\n  likely    the cause");
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn a_log_that_says_nothing_is_told_as_well() {
        let with = |tail| Report { log: Some(Log { path: "/l".into(), tail }), ..report() }.to_string();
        assert!(with(Ok("\n\n".into())).contains("\n  log       /l (empty)\n  likely"));
        assert!(with(Err("denied".into())).contains("\n  log       /l (can't be read: denied)\n  likely"));
    }
}
