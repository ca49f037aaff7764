//! `--if-live`: a command that runs where its slot is live, and nowhere else.

use crate::order::Ask;
use anyhow::{Context, Result};
use bg_probe::cli::origin::READ;
use bg_probe::live::verdict;
use bg_probe::say::Voice;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::say::quoted;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Name;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Becomes the command where the slot is live; where it is not, nothing is done and nothing said.
///
/// # Errors
/// [`Exit::Usage`] when it is neither slot; [`Exit::Unsure`] when nobody can tell, and the command does not run then; else
/// when it can't be executed.
pub(crate) fn run(site: &Site, slot: &Name, command: &[OsString], ask: Ask, voice: Voice) -> Result<()> {
    let slot = site.slots.named(slot.as_str()).context("--if-live").or_exit(Exit::Usage)?;
    let verdict = verdict::live(site, ask.by, ask.within)?;
    // Cron sends a mail for each word, so what a deploy would be warned of is for --check.
    voice.detail(&verdict.in_words());
    let Some((program, words)) = command.split_first().filter(|_| verdict.live.as_ref() == Some(slot)) else {
        return Ok(());
    };
    // Returns only with an error.
    let why = Command::new(program).args(words).env_remove(READ).exec();
    let name = quoted(&program.to_string_lossy());
    Err(match why.kind() {
        ErrorKind::NotFound => Exit::Refused.refuse(
            format!("{slot} is live, but {name} is not there, nor on the PATH of this run"),
            "give its whole path: cron's PATH is short",
        ),
        _ => Exit::Refused.refuse(format!("{slot} is live, but {name} can't be executed: {why}"), "make it executable"),
    })
}
