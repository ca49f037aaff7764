//! What a command line of `bg-probe` asks for.

use bg_probe::live::witnesses::By;
use bg_probe::site::slot::{Choice, Name};
use std::ffi::OsString;
use std::time::Duration;

/// What to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Check whether a deploy may begin.
    Preflight {
        /// Which witnesses to ask.
        ask: Ask,
        /// Whether to print the findings as one JSON array.
        as_json: bool,
    },
    /// Become this command where the slot is live, and else do nothing.
    IfLive {
        /// The slot.
        slot: Name,
        /// The command.
        command: Vec<OsString>,
        /// Which witnesses to ask.
        ask: Ask,
    },
    /// Print so many of the last deploys.
    History(usize),
    /// Print both slots as a table.
    Table(Wanted),
    /// Print metrics.
    Metrics(Wanted),
    /// Look at both slots until it is ended.
    Watch(Ask),
    /// Print one word about a slot.
    Word(Word, Wanted),
    /// Print a record for a slot.
    Record(Wanted),
}

/// One word about a slot, for shells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// Its name.
    Name,
    /// Its port.
    Port,
}

/// The slot that is wanted, and how to find out which one is live.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) slot: Choice,
    pub(crate) ask: Ask,
}

/// How to find out which slot is live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Which witnesses to ask.
    pub(crate) by: By,
    /// How long the front may take for one answer.
    pub(crate) within: Duration,
}
