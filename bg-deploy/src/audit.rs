//! The audit: one line a deploy, also a failed one, in `DIR/deploys.jsonl`.

use crate::ending::End;
use anyhow::{Context, Result};
use bg_probe::owner::hand_over;
use bg_probe::record::MOST_RECORD;
use bg_probe::replace::sync_folder_of;
use bg_probe::settings::Site;
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Instant, SystemTime};

/// What there is to say of a deploy once it has ended.
pub(crate) struct Audit {
    at: SystemTime,
    began: Instant,
}

impl Audit {
    /// Looks at the clock as a deploy begins.
    pub(crate) fn begin() -> Audit {
        Audit { at: SystemTime::now(), began: Instant::now() }
    }

    /// The last record of a deploy, with how it ended; a record of nothing where it did not get that far.
    pub(crate) fn line(&self, site: &Site, end: &End) -> String {
        let mut fields: Map<String, Value> = serde_json::from_str(&end.record).unwrap_or_else(|_| {
            let app = Value::from(site.app.as_str());
            Map::from_iter([("bg".to_owned(), 1.into()), ("app".to_owned(), app)])
        });
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
        let deploy = json!({
            "at": humantime::format_rfc3339_seconds(self.at).to_string(),
            "user": user,
            "took_ms": u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "failed": end.failed,
            "exit": end.code,
        });
        fields.insert("deploy".to_owned(), deploy);
        Value::Object(fields).to_string() + "\n"
    }
}

/// Appends a line to the audit of `site` for good, whole or not at all.
///
/// # Errors
/// When it can't be written.
pub(crate) fn append(site: &Site, line: &str) -> Result<()> {
    let path = site.dir.deploys();
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(0o640).custom_flags(nix::libc::O_NOFOLLOW);
    let mut file = options.open(&path).with_context(|| format!("open {}", path.display()))?;
    hand_over(&file, &path)?;
    let written = whole_lines(&mut file).and_then(|end| {
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
        // A full disk may have taken half of it.
        written.or_else(|why| file.set_len(end).and(Err(why)))
    });
    written.with_context(|| format!("write {}", path.display()))?;
    sync_folder_of(&path)
}

/// Cuts off a line that has no end: the power failed while it was written. The length of what is left.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(MOST_RECORD as u64);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(from, |last| from + last as u64 + 1);
    if end != length {
        file.set_len(end)?;
    }
    Ok(end)
}
