//! A program's command line, read the same way by all five.

use crate::cli::origin;
use crate::say::Voice;
use crate::say::exit::report;
use crate::site::settings::Settings;
use anyhow::Result;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use std::env::{args_os, var_os};
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
    let command = with_one_layout(P::command());
    #[cfg(feature = "manual")]
    crate::cli::manual::print_if_asked(command.clone())?;
    let matches = matches_of(command)?;
    let mut args = P::from_arg_matches(&matches)?;
    let (settings, voice) = args.shared();
    settings.note_typed(&matches);
    voice.belongs_to(P::NAME);
    Ok(args)
}

fn matches_of(mut command: Command) -> Result<ArgMatches, Error> {
    let mut asked = command.clone().mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg });
    asked.try_get_matches_from_mut(args_os()).or_else(|why| match why.kind() {
        // The help names the variables that are set to nothing, too.
        ErrorKind::DisplayHelp => command.try_get_matches_from_mut(args_os()),
        _ => Err(origin::named(why, &asked)),
    })
}

/// Whether the variable of a flag is set to nothing: that is as good as not set, as shells and units of systemd write it.
fn is_empty(arg: &Arg) -> bool {
    arg.get_env().and_then(var_os).is_some_and(|value| value.is_empty())
}

/// `-h` and `--help` print the same, each flag in its column. Else clap puts blank lines between the flags of those
/// programs alone that have a flag whose values are explained.
fn with_one_layout(command: Command) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Print help");
    command.disable_help_flag(true).arg(help.help_heading(None::<&str>))
}
