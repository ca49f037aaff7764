//! Where a wrong value comes from: clap calls it by its flag, also where nobody has typed that.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use std::ffi::OsStr;

/// The same error of a command that has read its command line, with the name of the variable where the wrong value stands in one.
pub(super) fn named(mut error: Error, command: &Command) -> Error {
    if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
        && let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && let Some(arg) = command.get_arguments().find(|arg| arg.to_string() == *flag)
        && let Some(variable) = arg.get_env().filter(|_| !is_typed(arg))
    {
        let variable = variable.to_string_lossy().into_owned();
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

/// Whether a flag stands on the command line itself. clap does not look for its variable then.
fn is_typed(arg: &Arg) -> bool {
    let flag = format!("--{}", arg.get_long().unwrap_or_default());
    let is_it = |word: &OsStr| word.to_str().is_some_and(|word| word.split('=').next() == Some(&flag));
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| is_it(&word))
}
