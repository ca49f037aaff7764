//! Where a wrong value comes from: clap calls it by its flag, also where nobody has typed that.

pub use crate::os::sudo::settings_file;
pub use crate::os::sudo::{LINES, READ};
use crate::say::masked_value;
use crate::site::advice::{flag_of, was_typed};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use std::ffi::OsStr;

/// The same error of a command that has read its command line, with the name of the variable where the wrong value stands in one.
/// No password of a URL is shown.
pub(super) fn named(mut error: Error, command: &Command) -> Error {
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) {
        let value = masked_value(value);
        error.insert(ContextKind::InvalidValue, ContextValue::String(value));
    }
    if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && let Some(arg) = command.get_arguments().find(|arg| arg.to_string() == *flag)
        && let Some(name) = name_of(arg, command)
    {
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
    }
    error
}

/// What a wrong value is called, where that is not its flag: the variable that has it, or the driver's flag that was typed.
fn name_of(arg: &Arg, command: &Command) -> Option<String> {
    if let Some(variable) = arg.get_env().filter(|_| !is_typed(arg)) {
        let variable = variable.to_string_lossy();
        let place = in_a_file(&variable).map(|place| format!(" ({place})")).unwrap_or_default();
        return Some(format!("{variable}{place}"));
    }
    let (own, stage) = (arg.get_long()?, command.get_name().trim_start_matches("bg-"));
    // Where the driver has it by the same name, as --nginx, that was typed.
    let drivers = flag_of(stage, own);
    was_typed(&drivers).then(|| arg.to_string().replacen(&format!("--{own}"), &drivers, 1))
}

/// Where a variable stands in that file: `line 3 of /etc/bg/web.env`.
pub(super) fn in_a_file(variable: &str) -> Option<String> {
    let file = settings_file()?;
    let lines = std::env::var(LINES).ok()?;
    // The last one counts where a name stands twice.
    let place =
        lines.split_ascii_whitespace().rev().find_map(|place| place.strip_prefix(variable)?.strip_prefix(':'))?;
    Some(format!("line {place} of {file}"))
}

/// The variables that came from the settings file that was read for this process; none where none was.
#[must_use]
pub fn names_from_the_file() -> Vec<String> {
    let lines = std::env::var(LINES).unwrap_or_default();
    lines.split_ascii_whitespace().filter_map(|place| Some(place.split_once(':')?.0.to_owned())).collect()
}

/// Whether a flag stands on the command line itself. clap does not look for its variable then.
fn is_typed(arg: &Arg) -> bool {
    let flag = format!("--{}", arg.get_long().unwrap_or_default());
    let is_it = |word: &OsStr| word.to_str().is_some_and(|word| word.split('=').next() == Some(&flag));
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| is_it(&word))
}
