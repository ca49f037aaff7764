//! What a program was asked for, on stdout: a record, a word, a table.

use anyhow::{Context, Result};
use std::io::Write;

/// Prints what a program was asked for on stdout, whole or with an error.
///
/// # Errors
/// When stdout is closed or full.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("write stdout")
}
