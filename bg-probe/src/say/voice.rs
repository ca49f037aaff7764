//! Lines for people, on stderr.
//!
//! One line a stage, in fixed columns, so that a deploy reads as a table on a terminal and in a log. What
//! comes from elsewhere (an answer, a log, a path) is made harmless before a terminal sees it.

use super::terminal::{Ink, Terminal};
use super::text::{clean, masked, seconds};
use std::io::Write as _;
use std::time::Duration;

/// A program's voice: its name, and how much it prints on stderr.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Voice {
    /// The program's name, which begins its errors and warnings.
    #[arg(skip)]
    tool: &'static str,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print also how each thing was found out
    #[arg(short, long)]
    pub verbose: bool,
}

/// Where the times end, so that they stand in one column, on a wide terminal too.
const TIMES: usize = 79;

impl Voice {
    /// Gives the voice its program.
    pub(crate) fn belongs_to(&mut self, tool: &'static str) {
        self.tool = tool;
    }

    /// The program's name.
    #[must_use]
    pub fn tool(self) -> &'static str {
        self.tool
    }

    /// Prints an error that does not end the program, or ends it with a code of its own.
    pub fn error(self, message: &str) {
        error(self.tool, message);
    }

    /// Prints what a stage has done, and how long that took.
    pub fn done(self, stage: &str, text: &str, took: Option<Duration>) {
        if !self.quiet {
            let terminal = Terminal::of_stderr();
            print(&terminal.inked(stage, Ink::Stage), &after(stage, text, took, terminal.width));
        }
    }

    /// Prints something the operator should know although the work goes on.
    pub fn warn(self, text: &str) {
        if !self.quiet {
            labelled(self.tool, Ink::Warning, &format!("warning: {text}"));
        }
    }

    /// Prints how something was found out, for `-v`.
    pub fn detail(self, text: &str) {
        if self.verbose {
            labelled(self.tool, Ink::Stage, text);
        }
    }
}

/// Prints `tool: message`. The lines that follow the first are kept: a report is a message too.
pub fn error(tool: &str, message: &str) {
    labelled(tool, Ink::Error, message);
}

fn labelled(tool: &str, ink: Ink, message: &str) {
    print(&Terminal::of_stderr().inked(&format!("{tool}:"), ink), &format!(" {message}"));
}

/// One write for the whole text: lines of programs that run at the same time do not mix. A closed stderr
/// leaves no reader and must not end a deploy.
///
/// A message may quote anything, down to a file name in an error of the system's, so all of it is cleaned here, and no password of a URL is
/// shown.
fn print(label: &str, text: &str) {
    let lines: Vec<String> = masked(text).split('\n').map(clean).collect();
    let _ = std::io::stderr().lock().write_all(format!("{label}{}\n", lines.join("\n")).as_bytes());
}

/// What follows the name of a stage in a line of `width`, whose last column stays free: some terminals break there.
fn after(stage: &str, text: &str, took: Option<Duration>, width: usize) -> String {
    let text = format!("{:gap$} {text}", "", gap = 7_usize.saturating_sub(stage.chars().count()));
    let Some(took) = took else { return text };
    let time = seconds(took);
    let used = stage.chars().count() + text.chars().count() + time.len();
    let gap = TIMES.min(width.saturating_sub(1)).saturating_sub(used).max(2);
    format!("{text}{:gap$}{time}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stage: &str, text: &str, ms: u64, width: usize) -> String {
        format!("{stage}{}", after(stage, text, Some(Duration::from_millis(ms)), width))
    }

    #[test]
    fn times_stand_in_one_column() {
        for width in [60, 80, 200] {
            let short = line("health", "UP after 14 checks", 2313, width);
            let long = line("launch", "release 20261121T193000Z-1a2b3c4d as pid 4711", 100, width);
            assert_eq!((short.len(), long.len()), (width.min(80) - 1, width.min(80) - 1));
            assert!(short.starts_with("health  UP") && short.ends_with(" 2.3s"), "{short}");
        }
    }

    #[test]
    fn where_a_time_does_not_fit_it_follows_the_text() {
        assert!(line("switch", &"x".repeat(100), 10, 80).ends_with("x  0.01s"));
        assert_eq!(line("health", "UP after 14 checks", 2313, 20), "health  UP after 14 checks  2.3s");
    }
}
