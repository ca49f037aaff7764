//! The page that a report is: a head, and below it what was seen, each under its label.

use crate::report::log::Log;
use bg_probe::say::clean;
use std::fmt::{self, Display};

/// Up to here the answers stand in one line, in characters.
const WIDTH: usize = 120;

/// The report of a case, as it is printed.
pub(crate) struct Report {
    pub(crate) head: String,
    pub(crate) answers: Vec<String>,
    pub(crate) log: Option<Log>,
    /// What else there is to know, each under its label.
    pub(crate) notes: Vec<(&'static str, String)>,
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
    fn an_empty_or_unreadable_log_is_reported_as_that() {
        let with = |tail| Report { log: Some(Log { path: "/l".into(), tail }), ..report() }.to_string();
        assert!(with(Ok("\n\n".into())).contains("\n  log       /l (empty)\n  likely"));
        assert!(with(Err("denied".into())).contains("\n  log       /l (can't be read: denied)\n  likely"));
    }
}
