//! The history: one line a deploy, also a failed one, with the user, the time, and how it ended.
//!
//! The line is there before nginx is moved, with no end: who looks after a driver was killed sees what nginx was moved to. It
//! is put right when the deploy has ended.

mod file;

use crate::order::{Goal, Run};
use crate::outcome::End;
use anyhow::Result;
use bg_probe::os::who::Who;
use bg_probe::say::masked;
use bg_probe::site::settings::Site;
use serde::Serialize;
use serde_json::{Map, Value};
use std::time::{Duration, Instant, SystemTime};

/// The line of a deploy that is under way.
pub(crate) struct Entry {
    at: SystemTime,
    began: Instant,
    /// What stands in the history so far.
    kept: Option<String>,
}

/// What `bg-deploy` adds to the record.
#[derive(Serialize)]
struct Deploy {
    at: String,
    #[serde(flatten)]
    who: Who,
    what: String,
    /// What was to be deployed, as it was named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    /// Whether anything was done to a slot, or to where nginx leads.
    changed: bool,
    took_ms: u64,
    stages: Map<String, Value>,
    failed: Option<String>,
    /// `None` while the deploy is under way, and for good where its driver was killed.
    exit: Option<u8>,
}

impl Entry {
    /// Reads the clock as a deploy begins.
    pub(crate) fn begin() -> Entry {
        Entry { at: SystemTime::now(), began: Instant::now(), kept: None }
    }

    /// Keeps what is known of a deploy that is under way. Where that fails, its end is kept all the same, or that fails too.
    pub(crate) fn note(&mut self, run: &Run, end: &End) {
        let _ = self.keep(&run.site, &masked(&self.line(&run.goal, &run.site, end, None)));
    }

    /// Puts a line in the history, in place of the one before of this deploy.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn keep(&mut self, site: &Site, line: &str) -> Result<()> {
        match &self.kept {
            Some(old) => file::amend(site, old, line)?,
            None => file::append(site, line)?,
        }
        self.kept = Some(line.to_owned());
        Ok(())
    }

    /// The last record of a deploy, with how it ended; a record of nothing where it did not get that far.
    pub(crate) fn line(&self, goal: &Goal, site: &Site, end: &End, exit: Option<u8>) -> String {
        let mut fields: Map<String, Value> = serde_json::from_str(&end.line).unwrap_or_else(|_| {
            let app = Value::from(site.app.as_str());
            Map::from_iter([("bg".to_owned(), 1.into()), ("app".to_owned(), app)])
        });
        let deploy = Deploy {
            at: humantime::format_rfc3339_seconds(self.at).to_string(),
            who: Who::now(),
            what: goal.to_string(),
            files: goal.files(),
            changed: end.has_changed(goal),
            took_ms: millis(self.began.elapsed()),
            stages: end.took.iter().map(|(step, took)| (step.to_string(), millis(*took).into())).collect(),
            failed: end.failure.map(|failure| failure.at.to_string()),
            exit,
        };
        fields.insert("deploy".to_owned(), serde_json::to_value(deploy).unwrap_or_default());
        Value::Object(fields).to_string() + "\n"
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
