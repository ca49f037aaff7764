//! Digits that nobody can guess.

use anyhow::{Context, Result};
use rustix::rand::{GetRandomFlags, getrandom};

/// How many bytes are drawn.
const BYTES: usize = 16;

/// 32 hex digits, drawn by the kernel.
///
/// # Errors
/// When it gives none.
pub fn digits() -> Result<String> {
    let mut bytes = [0; BYTES];
    getrandom(&mut bytes, GetRandomFlags::empty()).context("getrandom")?;
    Ok(bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}

/// Whether a text looks like such digits.
#[must_use]
pub fn may_be_digits(text: &str) -> bool {
    text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
