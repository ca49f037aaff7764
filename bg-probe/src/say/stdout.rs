//! What a program was asked for, on stdout: a record, a word, a table.

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::Write;
use std::time::Duration;

/// Prints what a program was asked for on stdout, whole or with an error.
///
/// # Errors
/// When stdout is closed or full.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("write stdout")
}

/// Waits so long, or until stdout has no reader any more (`poll(2)`); whether it has one.
#[must_use]
pub fn is_read_for(time: Duration) -> bool {
    let stdout = std::io::stdout();
    let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
    // It is only a wait: one that fails, or that a signal ends, is a shorter one.
    let _ = poll(&mut ends, time.try_into().ok().as_ref());
    !ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
