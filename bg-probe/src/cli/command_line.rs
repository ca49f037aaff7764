//! A program's command line, read the same way by all five.

use crate::cli::forgotten::{self, Forgotten};
use crate::cli::{env_file, help, origin};
use crate::say::exit::{Exit, report};
use crate::say::{Voice, error};
use crate::site::by_hand::is_empty;
use crate::site::settings::Settings;
use anyhow::{Result, ensure};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use std::env::args_os;
use std::process::ExitCode;

/// The flag, without its dashes, by which a driver has a stage read its command line and environment and end then.
pub const READ_SETTINGS: &str = "read-settings";

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
    ended::<P>(parse::<P>().and_then(run))
}

/// Ends a program: prints what went wrong, and before that where the settings may be that it was not given.
#[must_use]
pub fn ended<P: Program>(result: Result<()>) -> ExitCode {
    if let Err(why) = &result
        && !why.is::<Error>()
        && !matches!(Exit::of(why), Exit::Done | Exit::Usage | Exit::NoRecord)
        && !why.to_string().is_empty()
        && let Some(Forgotten { detail, remedy }) = forgotten::settings()
    {
        error(P::NAME, &format!("{detail}: {remedy}"));
    }
    report(P::NAME, result)
}

/// Reads a program's command line. With `--env-file`, this process is replaced first by one that has its variables.
///
/// # Errors
/// clap's own: a usage error, or the text of `--help` or `--version`. [`Exit::Done`] where reading it was all. Else when the
/// file can't be read.
pub fn parse<P: Program>() -> Result<P> {
    #[cfg(feature = "manual")]
    crate::cli::manual::print_if_asked(help::with_help(P::command()))?;
    let read = || Arg::new(READ_SETTINGS).long(READ_SETTINGS).action(ArgAction::SetTrue).hide(true);
    let matches = matches_of(|| help::with_help(P::command()).arg(read()))?;
    let mut args = P::from_arg_matches(&matches)?;
    if let Some(file) = &args.shared().0.env_file {
        env_file::apply(file)?;
    }
    if matches.get_flag(READ_SETTINGS) {
        return Err(Exit::Done.silently());
    }
    let (settings, voice) = args.shared();
    settings.note_typed(&matches);
    voice.belongs_to(P::NAME);
    Ok(args)
}

/// A command line in a value, `sudo nginx`: it can be split into words, of which there is at least one.
///
/// # Errors
/// When it can't, or there is none.
pub fn splittable(text: &str) -> Result<String> {
    ensure!(!shell_words::split(text)?.is_empty(), "a command is needed");
    Ok(text.to_owned())
}

/// What stands on the command line, by the command that `build` makes: once, and once more where its help is asked for.
fn matches_of(build: impl Fn() -> Command) -> Result<ArgMatches, Error> {
    let mut asked = build();
    if asked.get_arguments().any(is_empty) {
        asked = asked.mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg });
    }
    asked.try_get_matches_from_mut(args_os()).map_err(|why| match why.kind() {
        // The help names the variables that are set to nothing, too.
        ErrorKind::DisplayHelp => help::asked(&build()).unwrap_or(why),
        _ => origin::named(why, &asked),
    })
}
