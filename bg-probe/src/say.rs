//! Lines for people, on stderr.
//!
//! One line a stage, in fixed columns, so that a deploy reads as a table on a terminal and in a log. What
//! comes from elsewhere (an answer, a log, a path) is made harmless before a terminal sees it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

/// How much a program says on stderr.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Voice {
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say also how each thing was found out
    #[arg(short, long)]
    pub verbose: bool,
}

/// The width of a line with a time, which stands at its end: what a terminal of 80 columns shows unbroken.
const TIMES: usize = 79;

impl Voice {
    /// Says what a stage has done, and how long that took.
    pub fn done(self, stage: &str, text: &str, took: Option<Duration>) {
        if !self.quiet {
            print(&line(stage, text, took));
        }
    }

    /// Says something the operator should know although the work goes on.
    pub fn warn(self, tool: &str, text: &str) {
        if !self.quiet {
            error(tool, &format!("warning: {text}"));
        }
    }

    /// Says how something was found out, for `-v`.
    pub fn detail(self, tool: &str, text: &str) {
        if self.verbose {
            error(tool, text);
        }
    }
}

/// Prints `tool: message`. The lines that follow the first are kept: a report is a message too.
pub fn error(tool: &str, message: &str) {
    print(&format!("{tool}: {message}"));
}

/// One write for the whole text: lines of programs that run at the same time do not mix. A closed stderr
/// leaves nobody to tell and must not end a deploy.
///
/// A message may quote anything, down to a file name in an error of the system's, so all of it is cleaned here.
fn print(text: &str) {
    let lines: Vec<String> = text.split('\n').map(clean).collect();
    let _ = std::io::stderr().lock().write_all((lines.join("\n") + "\n").as_bytes());
}

fn line(stage: &str, text: &str, took: Option<Duration>) -> String {
    let mut line = format!("{stage:<7} {text}");
    if let Some(took) = took {
        let time = seconds(took);
        let width = TIMES.saturating_sub(time.len() + 1);
        let _ = write!(line, "{}{time}", " ".repeat(width.saturating_sub(line.chars().count()).max(1)));
    }
    line
}

/// A duration as people say it: `0.01s`, `2.3s`, `110s`.
#[must_use]
pub fn seconds(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match seconds {
        s if s < 0.1 => format!("{s:.2}s"),
        s if s < 10.0 => format!("{s:.1}s"),
        s => format!("{s:.0}s"),
    }
}

/// `text` with every control character written out, so that it can't move a terminal's cursor.
#[must_use]
pub fn clean(text: &str) -> String {
    // Bidirectional overrides reorder what a terminal shows without being control characters.
    let harmless = |c: char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c == '\t' {
            out.push(' ');
        } else if harmless(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
        out
    })
}

/// `text` cleaned and cut to a length that fits in a line.
#[must_use]
pub fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    let cut: String = text.chars().take(MOST).collect();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    clean(&cut) + dots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_in_one_column() {
        let short = line("health", "UP after 14 checks", Some(Duration::from_millis(2313)));
        let long = line("launch", "release 20261121T193000Z-1a2b3c4d as pid 4711", Some(Duration::from_millis(100)));
        assert_eq!(short.len(), long.len());
        assert!(short.starts_with("health  UP") && short.ends_with(" 2.3s"), "{short}");
    }

    #[test]
    fn a_long_line_keeps_its_time() {
        assert!(line("switch", &"x".repeat(100), Some(Duration::from_millis(10))).ends_with("x 0.01s"));
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(clean("\u{1b}[2Jred\r\n\u{202e}x"), "\\u{1b}[2Jred\\r\\n\\u{202e}x");
        assert_eq!(quoted(&"y".repeat(200)).len(), 83);
    }
}
