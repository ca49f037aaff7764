//! How much is run: a sample that takes minutes, or all of it.

use std::env;
use std::io::{Write as _, stderr};

/// Whether this is the full run, `tests/run --full`.
#[must_use]
pub fn is_full() -> bool {
    env::var_os("BG_TEST_FULL").is_some_and(|full| full == "1")
}

/// Says what was done or left out, also when the test passes.
pub fn tell(line: &str) {
    // Unlike println!, not kept back by the test runner. Who has closed stderr does not want to know.
    let _ = writeln!(stderr(), "{line}");
}
