//! What is left of releases that were taken out, and the process that removes it.
//!
//! It holds no lock, so it touches only names that no launch gives or takes back: `.RELEASE`, and never what is being copied.

use crate::release::names::{is_name, names_in};
use crate::release::{INCOMING, remove};
use crate::start::hold::detach;
use crate::start::surroundings::MARKS;
use anyhow::{Context, Result};
use bg_probe::site::lock::INHERITED;
use nix::unistd::setsid;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The first argument that makes bg-launch this process. What follows is the folder of the releases.
const REMOVE: &str = "--remove-remains";

/// The names in the folder of the releases that are those of remains.
///
/// # Errors
/// When it can't be read.
pub(crate) fn of(releases: &Path) -> Result<Vec<PathBuf>> {
    let is_left = |name: &String| name != INCOMING && name.strip_prefix('.').is_some_and(is_name);
    Ok(names_in(releases)?.into_iter().filter(is_left).map(|name| releases.join(name)).collect())
}

/// Starts the process that removes them, if there are any, and does not wait for it. If it is killed, the next one goes on.
///
/// # Errors
/// When it can't be started.
pub(crate) fn leave_to_be_removed(releases: &Path) -> Result<()> {
    if of(releases)?.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg0("bg-launch").arg(REMOVE).arg(releases);
    for name in MARKS.into_iter().chain([INHERITED]) {
        command.env_remove(name);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop).context("start the process that removes old releases")
}

/// The folder of the releases, where this process was started to remove what is left in it.
pub(crate) fn folder() -> Option<OsString> {
    let mut args = std::env::args_os().skip(1);
    args.next().filter(|word| word == REMOVE).and_then(|_| args.next())
}

/// Removes what is left there, detached from whoever has started it. Nobody reads what it might say: what it can't remove, it
/// leaves.
pub(crate) fn run(releases: &Path) -> ExitCode {
    let begun = setsid().context("setsid").and_then(|_| detach(None)).and_then(|()| of(releases));
    let Ok(remains) = begun else { return ExitCode::FAILURE };
    let failed = remains.iter().filter(|path| remove(path).is_err()).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
