//! What stderr and stdout are: a terminal of some width, which may have colours, or a file or pipe, which gets plain lines.

use std::env::var_os;
use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use terminal_size::terminal_size_of;

/// The width where nothing else is known: a log is read on a terminal of 80 columns, too.
const USUAL: usize = 80;

/// The ink that a word is written in (`console_codes(4)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Bold: the name of a stage.
    Stage,
    /// Bold and red: whose error it is.
    Error,
    /// Bold and yellow: whose warning it is.
    Warning,
}

/// What is known of stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// How many characters a line has.
    pub(crate) width: usize,
    coloured: bool,
}

/// How many characters a line of stdout has, where that is a terminal. Its last column stays free: some terminals break there.
pub(crate) fn width_of_stdout() -> Option<usize> {
    let stdout = stdout();
    stdout.is_terminal().then(|| width_of(stdout.as_fd()).unwrap_or(USUAL).saturating_sub(1))
}

fn width_of(terminal: BorrowedFd) -> Option<usize> {
    let columns = var_os("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
    let width = columns.or_else(|| Some(usize::from(terminal_size_of(terminal)?.0.0)));
    width.filter(|width| *width > 0)
}

impl Terminal {
    /// What stderr is now.
    pub(crate) fn of_stderr() -> Terminal {
        let stderr = stderr();
        if !stderr.is_terminal() {
            return Terminal { width: USUAL, coloured: false };
        }
        let width = width_of(stderr.as_fd());
        // no-color.org: whatever its value, as long as it has one.
        let unwanted = var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = var_os("TERM").is_none_or(|term| term == "dumb");
        Terminal { width: width.unwrap_or(USUAL), coloured: !unwanted && !dumb }
    }

    /// A word in this ink, where there are colours.
    pub(crate) fn inked(self, word: &str, ink: Ink) -> String {
        let code = match ink {
            Ink::Stage => "1",
            Ink::Error => "1;31",
            Ink::Warning => "1;33",
        };
        if self.coloured { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}
