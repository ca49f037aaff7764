//! A program's command line, read the same way by all five.

use crate::cli::origin;
use crate::say::Voice;
use crate::say::exit::report;
use crate::site::settings::Settings;
use anyhow::Result;
use clap::{Arg, ArgAction, Command};
use std::process::ExitCode;

/// One of the five programs, by its command line.
pub trait Program: clap::Parser {
    /// Its name, as it is typed.
    const NAME: &'static str;

    /// What its command line has in common with the others'.
    fn shared(&mut self) -> (&mut Settings, &mut Voice);
}

/// Runs a program: reads its command line, does what it asks for, prints what went wrong.
#[must_use]
pub fn run<P: Program>(run: impl FnOnce(P) -> Result<()>) -> ExitCode {
    report(P::NAME, parse::<P>().and_then(run))
}

/// Reads a program's command line.
///
/// # Errors
/// clap's own: a usage error, or the text of `--help` or `--version`.
pub fn parse<P: Program>() -> Result<P> {
    let mut command = with_one_layout(P::command());
    #[cfg(feature = "manual")]
    crate::cli::manual::print_if_asked(command.clone())?;
    let matches = command.try_get_matches_from_mut(std::env::args_os()).map_err(|why| origin::named(why, &command))?;
    let mut args = P::from_arg_matches(&matches)?;
    let (settings, voice) = args.shared();
    settings.note_typed(&matches);
    voice.belongs_to(P::NAME);
    Ok(args)
}

/// `-h` and `--help` print the same, each flag in its column. Else clap puts blank lines between the flags of those
/// programs alone that have a flag whose values are explained.
fn with_one_layout(command: Command) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Print help");
    command.disable_help_flag(true).arg(help.help_heading(None::<&str>))
}
