//! What a preflight finds: one thing that was looked at, how it is, and what to do about it.
//!
//! Every stage checks its own ground with `--check`; `bg-deploy --check` asks all of them. So they agree on what a
//! finding is and how it is printed, and on nothing else.

use crate::cli::forgotten::{self, Forgotten};
use crate::cli::variables;
use crate::say::columns::{fits, paragraph};
use crate::say::exit::Exit;
use crate::say::stdout::print;
use crate::say::{Voice, clean, masked};
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// `--check`, for every program.
#[derive(clap::Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Preflight")]
pub struct Check {
    /// Report whether a deploy would work here, and what to do where it would not; changes nothing
    #[arg(long, group = "reports")]
    pub check: bool,
    /// Print the report as one JSON array
    #[arg(long, requires = "reports")]
    pub json: bool,
    /// Look at what is in the way of the deploy whose record is on stdin, and leave out what takes long
    #[arg(long, requires = "json", hide = true)]
    pub of_record: bool,
}

/// How a thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// A deploy may work all the same.
    Warn,
    /// A deploy would fail.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at: one word for machines, `front`, `disk`.
    pub check: String,
    /// How it was found.
    pub state: State,
    /// What was seen, in words.
    pub detail: String,
    /// What to do about it; always there unless it is as it should be.
    #[serde(rename = "do")]
    pub remedy: Option<String>,
    /// The exit code of the deploy that it keeps from beginning; a failure without one is of what serves, and is no reason
    /// not to deploy a fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

impl Finding {
    /// A thing that is as it should be.
    pub fn ok(check: &str, detail: impl Into<String>) -> Finding {
        Finding { check: check.into(), state: State::Ok, detail: detail.into(), remedy: None, exit: None }
    }

    /// A thing that may do harm.
    pub fn warn(check: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
        let (detail, remedy) = (detail.into(), Some(remedy.into()));
        Finding { check: check.into(), state: State::Warn, detail, remedy, exit: None }
    }

    /// A thing that would make a deploy fail.
    pub fn fail(check: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { exit: Some(Exit::Refused as u8), ..Finding::ill(check, detail, remedy) }
    }

    /// A thing that is wrong with what serves now: a deploy may be what mends it.
    pub fn ill(check: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { state: State::Fail, ..Finding::warn(check, detail, remedy) }
    }

    /// A refusal that a deploy would meet, with its own remedy, or else this one.
    #[must_use]
    pub fn refused(check: &str, why: &anyhow::Error, otherwise: &str) -> Finding {
        let finding = match Exit::remedy(why) {
            Some((detail, remedy)) => Finding::fail(check, detail, remedy),
            None => Finding::fail(check, format!("{why:#}"), otherwise),
        };
        Finding { exit: Some(Exit::of(why) as u8), ..finding }
    }

    /// The same as the message of a refusal: what is wrong, then what to do.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{:#}", Exit::Refused.refuse(&self.detail, remedy)),
            None => self.detail.clone(),
        }
    }

    /// The same without the password of a URL.
    fn masked(self) -> Finding {
        Finding { detail: masked(&self.detail), remedy: self.remedy.as_deref().map(masked), ..self }
    }

    fn line(&self) -> String {
        let state = match self.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
        };
        let (label, detail) = (format!("{state:<7} "), clean(&self.detail));
        let Some(remedy) = self.remedy.as_deref().map(clean) else { return paragraph(&label, &detail) };
        if fits(label.len() + detail.chars().count() + 2 + remedy.chars().count()) {
            return format!("{label}{detail}: {remedy}\n");
        }
        // A command in it stays whole, to be copied: the terminal breaks it by itself.
        format!("{}{:8}{remedy}\n", paragraph(&label, &format!("{detail}:")), "")
    }
}

/// Ends a preflight: adds the variables that no program knows and, where anything asks for something, the settings that were
/// forgotten, and prints a line for each finding, with `-q` only for those that ask for something, or all of them
/// as one JSON array.
///
/// # Errors
/// [`Exit::Refused`], without a further word, where one of them would make a deploy fail.
pub fn conclude(findings: &[Finding], as_json: bool, voice: Voice) -> Result<()> {
    let unknown = variables::unknown().into_iter().map(|it| Finding::warn("variables", it.detail, it.remedy));
    let mut all: Vec<Finding> = Vec::new();
    for finding in findings.iter().cloned().chain(unknown).map(Finding::masked) {
        // bg-deploy has the same findings from each of its stages.
        if !all.contains(&finding) {
            all.push(finding);
        }
    }
    if all.iter().any(|finding| finding.state != State::Ok)
        && let Some(Forgotten { detail, remedy }) = forgotten::settings()
    {
        let first = Finding::warn("settings", detail, remedy);
        all.retain(|finding| *finding != first);
        all.insert(0, first);
    }
    if as_json {
        print(&format!("{}\n", serde_json::to_string(&all)?))?;
    } else {
        let said = all.iter().filter(|finding| !voice.quiet || finding.state != State::Ok);
        print(&said.map(Finding::line).collect::<String>())?;
    }
    if all.iter().any(|finding| finding.state == State::Fail) {
        return Err(Exit::Refused.silently());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_to_do() {
        assert_eq!(Finding::ok("nginx", "nginx 1.22.1").line(), "ok      nginx 1.22.1\n");
        assert_eq!(Finding::warn("disk", "1 MB left", "make room").line(), "warn    1 MB left: make room\n");
    }

    #[test]
    fn a_finding_reads_as_the_refusal_that_it_foretells() {
        assert_eq!(Finding::fail("port", "port 1 is held", "stop it").in_words(), "port 1 is held. Stop it");
        assert_eq!(Finding::ill("live", "it is down", "start it").exit, None);
    }

    #[test]
    fn what_a_refusal_says_to_do_is_the_remedy() {
        let why = Exit::Unsure.refuse("port 1 is held. Nothing was touched", "stop it");
        assert_eq!(
            Finding::refused("port", &why, "-"),
            Finding { exit: Some(7), ..Finding::fail("port", "port 1 is held. Nothing was touched", "stop it") }
        );
        let why = anyhow::anyhow!("no such file");
        assert_eq!(Finding::refused("file", &why, "make it"), Finding::fail("file", "no such file", "make it"));
    }
}
