//! `-h` has each flag in one line; `--help` has all there is to know. Both come from the same definitions.

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, Error};
use std::env::args_os;

/// The flag's name among clap's arguments.
const HELP: &str = "help";

/// Gives a command its flag for help. For `--help` too clap lays the flags out as for `-h`, each in its column: else it puts
/// blank lines between the flags of those programs alone that have a flag whose values are explained.
pub(super) fn with_help(command: Command) -> Command {
    let help = Arg::new(HELP).short('h').long("help").action(ArgAction::HelpShort);
    let help = help.help("Print help; -h has each flag in one line").help_heading(None::<&str>);
    command.disable_help_flag(true).arg(help)
}

/// The help that was asked for, as clap's error.
pub(super) fn asked(command: &Command) -> Option<Error> {
    let kind = if is_letter(command.clone()) { short(command.clone()) } else { command.clone() };
    kind.try_get_matches_from(args_os()).err()
}

/// Whether it was asked for by the letter: then a command that knows the letter alone for it prints it, too.
fn is_letter(command: Command) -> bool {
    let letter = Arg::new("letter").short('h').action(ArgAction::HelpShort);
    let word = |help: Arg| help.short(Resettable::Reset).action(ArgAction::SetTrue);
    let asked = command.mut_arg(HELP, word).arg(letter).try_get_matches_from(args_os());
    asked.is_err_and(|why| why.kind() == ErrorKind::DisplayHelp)
}

/// A command whose help has each flag in one line: the first clause of its text, and neither default nor variable.
fn short(command: Command) -> Command {
    let rest = format!("{} --help prints defaults, variables, examples and exit codes", command.get_name());
    let one_line = |arg: Arg| {
        let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let ends = ["; ", " [default", "\n", " ("].into_iter().filter_map(|end| text.find(end));
        let clause = text[..ends.min().unwrap_or(text.len())].to_owned();
        let takes_values = arg.get_action().takes_values();
        arg.help(clause).hide_env(true).hide_default_value(takes_values)
    };
    command.mut_args(one_line).after_help(rest).term_width(0)
}
