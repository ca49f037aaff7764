//! The audit: one line a deploy, also a failed one, that says who did what, when, and how it ended.

pub(crate) mod file;
pub(crate) mod who;

use crate::args::Args;
use crate::history::who::Who;
use crate::outcome::End;
use bg_probe::site::settings::Site;
use serde::Serialize;
use serde_json::{Map, Value};
use std::time::{Duration, Instant, SystemTime};

/// What there is to say of a deploy once it has ended.
pub(crate) struct Audit {
    at: SystemTime,
    began: Instant,
}

/// What `bg-deploy` adds to the record.
#[derive(Serialize)]
struct Deploy {
    at: String,
    #[serde(flatten)]
    who: Who,
    what: &'static str,
    /// What was to be deployed, as it was named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    took_ms: u64,
    stages: Map<String, Value>,
    failed: Option<&'static str>,
    exit: u8,
}

impl Audit {
    /// Looks at the clock as a deploy begins.
    pub(crate) fn begin() -> Audit {
        Audit { at: SystemTime::now(), began: Instant::now() }
    }

    /// The last record of a deploy, with how it ended; a record of nothing where it did not get that far.
    pub(crate) fn line(&self, args: &Args, site: &Site, end: &End) -> String {
        let mut fields: Map<String, Value> = serde_json::from_str(&end.record).unwrap_or_else(|_| {
            let app = Value::from(site.app.as_str());
            Map::from_iter([("bg".to_owned(), 1.into()), ("app".to_owned(), app)])
        });
        let names = args.artifact.iter().filter_map(|path| path.file_name());
        let deploy = Deploy {
            at: humantime::format_rfc3339_seconds(self.at).to_string(),
            who: Who::now(),
            what: if args.rollback { "rollback" } else { "deploy" },
            files: names.map(|name| name.to_string_lossy().into_owned()).collect(),
            took_ms: millis(self.began.elapsed()),
            stages: end.took.iter().map(|(stage, took)| ((*stage).to_owned(), millis(*took).into())).collect(),
            failed: end.failed,
            exit: end.code,
        };
        fields.insert("deploy".to_owned(), serde_json::to_value(deploy).unwrap_or_default());
        Value::Object(fields).to_string() + "\n"
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
