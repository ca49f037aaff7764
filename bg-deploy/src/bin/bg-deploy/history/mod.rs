//! The history: one line a deploy, also a failed one, with the user, the time, and how it ended.

pub(crate) mod file;

use crate::order::Goal;
use crate::outcome::End;
use bg_probe::os::who::Who;
use bg_probe::site::settings::Site;
use serde::Serialize;
use serde_json::{Map, Value};
use std::time::{Duration, Instant, SystemTime};

/// The line of a deploy that is under way.
pub(crate) struct Entry {
    at: SystemTime,
    began: Instant,
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
    took_ms: u64,
    stages: Map<String, Value>,
    failed: Option<String>,
    exit: u8,
}

impl Entry {
    /// Reads the clock as a deploy begins.
    pub(crate) fn begin() -> Entry {
        Entry { at: SystemTime::now(), began: Instant::now() }
    }

    /// The last record of a deploy, with how it ended; a record of nothing where it did not get that far.
    pub(crate) fn line(&self, goal: &Goal, site: &Site, end: &End) -> String {
        let mut fields: Map<String, Value> = serde_json::from_str(&end.line).unwrap_or_else(|_| {
            let app = Value::from(site.app.as_str());
            Map::from_iter([("bg".to_owned(), 1.into()), ("app".to_owned(), app)])
        });
        let deploy = Deploy {
            at: humantime::format_rfc3339_seconds(self.at).to_string(),
            who: Who::now(),
            what: goal.to_string(),
            files: goal.files(),
            took_ms: millis(self.began.elapsed()),
            stages: end.took.iter().map(|(step, took)| (step.to_string(), millis(*took).into())).collect(),
            failed: end.failure.map(|failure| failure.at.to_string()),
            exit: end.code(),
        };
        fields.insert("deploy".to_owned(), serde_json::to_value(deploy).unwrap_or_default());
        Value::Object(fields).to_string() + "\n"
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
