//! The end of the application's log, for the report.

use anyhow::{Context, Result, ensure};
use bg_probe::os::deadline::Deadline;
use bg_probe::say::{clean, quoted};
use bg_probe::site::unit::Unit;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How many lines are shown.
const LINES: usize = 20;

/// How much of a line is shown, in characters.
const WIDTH: usize = 200;

/// How much of the file is read, in bytes: it may have grown for months.
const TAIL: u64 = 64 * 1024;

/// How many lines of the journal are read: what ended an application stands above the rest of its trace.
const OF_JOURNAL: usize = 400;

/// How long the journal may take to have what an application wrote before it ended.
const WRITTEN_WITHIN: Duration = Duration::from_millis(500);

/// How often to look whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The end of a log.
pub(crate) struct Log {
    /// Where it is: a file, or the command that shows it.
    pub(crate) path: PathBuf,
    /// Its end, as it stands there; or why that can't be read.
    pub(crate) tail: Result<String, String>,
}

impl Log {
    /// Reads the end of the log at `path`.
    pub(crate) fn read(path: PathBuf) -> Log {
        let tail = tail(&path).map_err(|why| format!("{why:#}"));
        Log { path, tail }
    }

    /// Reads the end of what a unit wrote in one of its runs.
    pub(crate) fn of_unit(unit: &Unit, invocation: &str) -> Log {
        let tail = journal(invocation).map_err(|why| format!("{why:#}"));
        Log { path: unit.journal().into(), tail }
    }

    /// The last lines, made harmless and cut to a width.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Ok(tail) = &self.tail else { return Vec::new() };
        let lines: Vec<&str> = tail.trim_end().lines().collect();
        let last = lines.len().saturating_sub(LINES);
        lines[last..].iter().map(|line| shown(line)).collect()
    }
}

fn tail(path: &Path) -> Result<String> {
    // The path comes from the record; a pipe in its place would block for ever.
    ensure!(std::fs::metadata(path)?.is_file(), "not a file");
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // A line that was cut in two is not shown.
    Ok(if start > 0 { text.split_once('\n').map_or(text.clone(), |(_, rest)| rest.to_owned()) } else { text })
}

/// By the run and not by the unit, whose journal has earlier runs as well, and systemd's own remarks.
fn journal(invocation: &str) -> Result<String> {
    let (run, lines) = (format!("_SYSTEMD_INVOCATION_ID={invocation}"), format!("--lines={OF_JOURNAL}"));
    // The last lines may not be there yet. Only root may ask for them to be written.
    let _ = journalctl(&["--sync"]);
    let read = || journalctl(&["--quiet", "--no-pager", "--output=cat", &lines, &run]);
    let written =
        Deadline::within(WRITTEN_WITHIN).poll(LOOK_EVERY, || Ok(Some(read()?).filter(|tail| !tail.is_empty())))?;
    Ok(written.unwrap_or_default())
}

fn journalctl(args: &[&str]) -> Result<String> {
    let ran = Command::new("journalctl").args(args).stdin(Stdio::null()).output().context("run journalctl")?;
    ensure!(ran.status.success(), "{}", quoted(String::from_utf8_lossy(&ran.stderr).trim()));
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

fn shown(line: &str) -> String {
    let cut: String = line.chars().take(WIDTH).collect();
    let dots = if cut.len() < line.len() { "..." } else { "" };
    clean(&cut) + dots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(tail: &str) -> Vec<String> {
        Log { path: PathBuf::new(), tail: Ok(tail.into()) }.lines()
    }

    #[test]
    fn the_last_lines_are_shown_and_harmless() {
        let text: Vec<String> = (0..30).map(|n| format!("line {n}\r\n")).collect();
        let shown = lines(&(text.concat() + "\n\n"));
        assert_eq!((shown.len(), shown[0].as_str(), shown[19].as_str()), (20, "line 10", "line 29"));
        assert_eq!(lines("\u{1b}[31mred\u{7}"), ["\\u{1b}[31mred\\u{7}"]);
        assert_eq!(lines(&"é".repeat(300))[0].chars().count(), WIDTH + 3);
        assert!(lines("").is_empty());
    }

    #[test]
    fn a_path_that_is_no_file_is_not_read() {
        assert_eq!(Log::read("/dev/zero".into()).tail, Err("not a file".into()));
        assert!(Log::read("/nowhere".into()).tail.is_err());
    }
}
