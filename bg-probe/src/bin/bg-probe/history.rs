//! The history, `DIR/deploys.jsonl`, which bg-deploy keeps, as a table for people.

use anyhow::{Context, Result};
use bg_probe::os::who::Who;
use bg_probe::say::{clean, seconds};
use bg_probe::site::dir::Dir;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// The headings; the stages among them are those of the record.
const HEADINGS: [&str; 10] = ["WHEN", "EXIT", "WHAT", "SLOTS", "TOOK", "LAUNCH", "HEALTH", "SWITCH", "RELEASE", "BY"];

/// How many characters a cell shows at most.
const WIDEST: usize = 200;

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
    let (mut rows, mut broken) = (Vec::new(), 0);
    for file in [dir.deploys(), dir.older_deploys()] {
        let bytes = read(&file)?;
        for line in bytes.split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty()) {
            if rows.len() == most {
                break;
            }
            match serde_json::from_slice::<Line>(line) {
                Ok(line) => rows.push(line.row()),
                Err(_) => broken += 1,
            }
        }
    }
    rows.insert(0, HEADINGS.map(str::to_owned));
    Ok((aligned(&rows), broken))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    match std::fs::read(file) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.with_context(|| format!("read {}", file.display())),
    }
}

impl Line {
    fn row(&self) -> [String; HEADINGS.len()] {
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
        .map(|cell| cut(clean(&cell)))
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

/// As much of it as a table has room for: a line may hold the names of any number of files.
fn cut(cell: String) -> String {
    match cell.char_indices().nth(WIDEST) {
        Some(_) => cell.chars().take(WIDEST - 1).chain(['…']).collect(),
        None => cell,
    }
}

/// The rows, each column as wide as what is in it.
fn aligned(rows: &[[String; HEADINGS.len()]]) -> String {
    let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(widest).collect();
    rows.iter().fold(String::new(), |mut table, row| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a String can't fail.
        let _ = writeln!(table, "{}", cells.join("  ").trim_end());
        table
    })
}
