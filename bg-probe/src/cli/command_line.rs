//! A program's command line, read the same way by all five.

use crate::site::settings::Settings;
use anyhow::Result;

/// Reads a program's command line.
///
/// # Errors
/// clap's own: a usage error, or the text of `--help` or `--version`.
pub fn parse<A: clap::Parser + AsMut<Settings>>() -> Result<A> {
    #[cfg(feature = "manual")]
    crate::cli::manual::print_if_asked(A::command())?;
    let matches = A::command().try_get_matches()?;
    let mut args = A::from_arg_matches(&matches)?;
    args.as_mut().note_typed(&matches);
    Ok(args)
}
