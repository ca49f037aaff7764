//! How every program ends: one table of exit codes, one way to attach a code to an error, one place
//! that prints it.

use std::fmt::{self, Display};
use std::process::ExitCode;

/// Why a program ended, as the number a shell sees in `$?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The work is done.
    Done = 0,
    /// The system refused: I/O, permission, a missing program.
    Refused = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// There is no record on stdin, or it is not valid.
    NoRecord = 3,
    /// The slot was not healthy in time.
    Unhealthy = 4,
    /// nginx refused or did not move; it is on the slot it was on.
    NotMoved = 5,
    /// Another deploy holds the lock.
    Locked = 6,
    /// Nobody can tell which slot is live, or the live one would be touched.
    Unsure = 7,
    /// The application exited before it was healthy.
    Died = 8,
    /// The new slot went bad within the watch. `bg-deploy` has switched back by then.
    WentBad = 9,
}

impl Exit {
    /// An error that ends the program with this code and this message.
    pub fn because(self, message: impl Display) -> anyhow::Error {
        Tagged { exit: self, source: anyhow::Error::msg(message.to_string()), remedy: None }.into()
    }

    /// A refusal that ends the program with this code: what is wrong, and what to do about it, imperative and without a
    /// capital letter. It begins with words, and a command in it stands behind a colon: what begins a sentence is changed. It is printed as two sentences; a preflight prints them apart.
    pub fn refuse(self, what: impl Display, remedy: impl Display) -> anyhow::Error {
        let (source, remedy) = (anyhow::Error::msg(what.to_string()), Some(remedy.to_string()));
        Tagged { exit: self, source, remedy }.into()
    }

    /// An error that ends the program with this code and prints nothing, for when another stage has
    /// already printed what is wrong.
    #[must_use]
    pub fn silently(self) -> anyhow::Error {
        self.because("")
    }

    /// What is wrong, with its contexts, and what to do about it, where the error is a refusal with a remedy.
    #[must_use]
    pub fn remedy(error: &anyhow::Error) -> Option<(String, &str)> {
        let remedy = remedy_in(error)?;
        let text = format!("{error:#}");
        Some((text.strip_suffix(&second_sentence(remedy)).unwrap_or(&text).to_owned(), remedy))
    }

    /// The code that an error carries: the outermost tag, or [`Exit::Refused`] where there is none.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Exit {
        error.chain().find_map(|cause| cause.downcast_ref::<Tagged>()).map_or(Exit::Refused, |tagged| tagged.exit)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Tags the error of a result with an exit code, where the verdict is known.
pub trait OrExit<T> {
    /// The same result; its error now ends the program with `exit`.
    ///
    /// # Errors
    /// Those of the result itself.
    fn or_exit(self, exit: Exit) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> anyhow::Result<T> {
        self.map_err(|error| Tagged { exit, source: error.into(), remedy: None }.into())
    }
}

/// An error with its exit code. It reads as the error alone: the code is for machines.
#[derive(Debug)]
struct Tagged {
    exit: Exit,
    source: anyhow::Error,
    /// What to do about it, of a refusal.
    remedy: Option<String>,
}

/// The first remedy in an error's chain; a tag on a tag hides none.
fn remedy_in(error: &anyhow::Error) -> Option<&str> {
    let mut tagged = error.chain().filter_map(|cause| cause.downcast_ref::<Tagged>());
    tagged.find_map(|tagged| tagged.remedy.as_deref().or_else(|| remedy_in(&tagged.source)))
}

/// How a remedy follows what is wrong.
fn second_sentence(remedy: &str) -> String {
    let mut chars = remedy.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    format!(". {first}{}", chars.as_str())
}

impl Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let remedy = self.remedy.as_deref().map(second_sentence).unwrap_or_default();
        write!(f, "{}{remedy}", self.source)
    }
}

impl std::error::Error for Tagged {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}

/// Ends `main`: prints the error of `result`, if any, once, as `tool: context: cause`, and returns its code.
///
/// clap's own errors (usage errors, `--help`, `--version`) are printed in clap's own words.
#[must_use]
pub fn report(tool: &str, result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return Exit::Done.into() };
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // A closed stderr leaves no reader; the exit code is still there.
        let _ = usage.print();
        return if usage.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
    }
    let message = format!("{error:#}");
    if !message.is_empty() {
        crate::say::error(tool, &message);
    }
    Exit::of(&error).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_tag_survives_context_and_stays_out_of_the_message() {
        let error = Exit::Unsure.because("two answers").context("set1");
        assert_eq!(Exit::of(&error), Exit::Unsure);
        assert_eq!(format!("{error:#}"), "set1: two answers");
    }

    #[test]
    fn a_refusal_reads_as_two_sentences_and_comes_apart_again() {
        let error = Exit::Unsure.refuse("port 1. is held", "stop it. Or wait").context("set1");
        assert_eq!(format!("{error:#}"), "set1: port 1. is held. Stop it. Or wait");
        assert_eq!(Exit::remedy(&error), Some(("set1: port 1. is held".to_owned(), "stop it. Or wait")));
        assert_eq!((Exit::of(&error), Exit::remedy(&Exit::Unsure.because("a. B"))), (Exit::Unsure, None));
    }

    #[test]
    fn a_tag_on_a_refusal_hides_no_remedy() {
        let error = Err::<(), _>(Exit::Unsure.refuse("port 1 is held", "stop it")).or_exit(Exit::Usage).unwrap_err();
        assert_eq!((Exit::of(&error), format!("{error:#}")), (Exit::Usage, "port 1 is held. Stop it".to_owned()));
        assert_eq!(Exit::remedy(&error), Some(("port 1 is held".to_owned(), "stop it")));
    }

    #[test]
    fn the_chain_below_a_tag_is_printed_once() {
        let cause: anyhow::Result<()> = Err(anyhow::anyhow!("no space left")).context("write file");
        let error = cause.or_exit(Exit::NotMoved).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::NotMoved);
        assert_eq!(format!("{error:#}"), "write file: no space left");
    }

    #[test]
    fn an_untagged_error_is_the_systems_refusal() {
        assert_eq!(Exit::of(&anyhow::anyhow!("broken")), Exit::Refused);
    }
}
