//! The history, `DIR/deploys.jsonl`, which bg-deploy keeps, as a table for people.

use anyhow::{Context, Result};
use bg_probe::os::who::Who;
use bg_probe::say::{clean, columns, seconds};
use bg_probe::site::dir::Dir;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The headings; the stages among them are those of the record.
const HEADINGS: [&str; 10] = ["WHEN", "EXIT", "WHAT", "SLOTS", "TOOK", "LAUNCH", "HEALTH", "SWITCH", "RELEASE", "BY"];

/// The column with which the second line of a deploy begins, where a terminal is too narrow for one: TOOK.
const FOLD: usize = 4;

/// A line of the history, as far as the table shows it. Older ones have less.
#[derive(Deserialize)]
struct Line {
    slot: Option<String>,
    live: Option<String>,
    launch: Option<Launch>,
    deploy: Deploy,
}

#[derive(Deserialize)]
struct Launch {
    release: Option<String>,
    artifact: Option<String>,
}

#[derive(Deserialize)]
struct Deploy {
    at: String,
    #[serde(flatten)]
    who: Who,
    what: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    took_ms: u64,
    #[serde(default)]
    stages: HashMap<String, u64>,
    failed: Option<String>,
    /// `None` where it is under way, or its driver was killed when nginx was about to be moved.
    exit: Option<u8>,
}

/// The last deploys as a table, the newest first, and how many lines on the way could not be read.
///
/// # Errors
/// When a file of the history is there and can't be read.
pub(crate) fn table(dir: &Dir, most: usize) -> Result<(String, usize)> {
    let (lines, broken) = lines(dir, most)?;
    let headings = HEADINGS.map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(headings).chain(lines.iter().map(Line::row)).collect();
    Ok((columns::table(&rows, FOLD), broken))
}

/// A deploy that has ended.
pub(crate) struct Ended {
    /// When it began.
    pub(crate) at: SystemTime,
    pub(crate) took: Duration,
    pub(crate) exit: u8,
}

/// All deploys on record that have ended, the newest first. Lines that are broken are passed over.
///
/// # Errors
/// When a file of the history is there and can't be read.
pub(crate) fn ended(dir: &Dir) -> Result<Vec<Ended>> {
    let ended = |line: Line| {
        let at = humantime::parse_rfc3339(&line.deploy.at).ok()?;
        Some(Ended { at, took: Duration::from_millis(line.deploy.took_ms), exit: line.deploy.exit? })
    };
    Ok(lines(dir, usize::MAX)?.0.into_iter().filter_map(ended).collect())
}

/// So many lines, the newest first, and how many on the way could not be read.
fn lines(dir: &Dir, most: usize) -> Result<(Vec<Line>, usize)> {
    let (mut lines, mut broken) = (Vec::new(), 0);
    for file in [dir.deploys(), dir.older_deploys()] {
        let bytes = read(&file)?;
        for line in bytes.split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty()) {
            if lines.len() == most {
                break;
            }
            match serde_json::from_slice::<Line>(line) {
                Ok(line) => lines.push(line),
                Err(_) => broken += 1,
            }
        }
    }
    Ok((lines, broken))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    match std::fs::read(file) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.with_context(|| format!("read {}", file.display())),
    }
}

impl Line {
    fn row(&self) -> Vec<String> {
        let deploy = &self.deploy;
        let exit = match (deploy.exit, &deploy.failed) {
            (Some(exit), Some(stage)) => format!("{exit} at {stage}"),
            (Some(exit), None) => exit.to_string(),
            (None, _) => "no end".to_owned(),
        };
        let slots = match (&self.live, &self.slot) {
            (Some(live), Some(slot)) if live != slot => format!("{live} -> {slot}"),
            (_, Some(slot)) => slot.clone(),
            _ => "-".to_owned(),
        };
        let time = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| seconds(Duration::from_millis(ms)));
        let stage = |name: &str| time(deploy.stages.get(name).copied());
        [
            deploy.at.clone(),
            exit,
            deploy.what.clone().unwrap_or_else(|| "-".to_owned()),
            slots,
            time(Some(deploy.took_ms)),
            stage("launch"),
            stage("health"),
            stage("switch"),
            self.release(),
            self.deploy.who.to_string(),
        ]
        .map(|cell| clean(&cell))
        .to_vec()
    }

    /// The release and its file; where it did not get that far, what was to be deployed.
    fn release(&self) -> String {
        let launch = self.launch.as_ref();
        let file = launch.and_then(|launch| Path::new(launch.artifact.as_ref()?).file_name()?.to_str());
        let known: Vec<&str> = launch.and_then(|launch| launch.release.as_deref()).into_iter().chain(file).collect();
        match (known.as_slice(), self.deploy.files.as_slice()) {
            ([], []) => "-".to_owned(),
            ([], files) => files.join(" "),
            (known, _) => known.join(" "),
        }
    }
}
