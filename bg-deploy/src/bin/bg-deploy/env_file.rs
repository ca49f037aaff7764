//! `--env-file`: settings in lines like `BG_APP=web`, as a shell's `set -a; . FILE` would read them.

use anyhow::{Context, Result};
use bg_deploy::variables;
use bg_probe::say::exit::{Exit, OrExit};
use std::path::Path;
use std::process::Command;

/// What says that this process was given the file's variables already.
const READ: &str = "BG_ENV_FILE_READ";

/// Replaces this process by one with the variables of `file` in its environment, unless that was done already.
///
/// The command line is read with the environment as its background, so the environment has to be there first;
/// and a program can't change its own safely.
///
/// # Errors
/// When the file can't be read; [`Exit::Usage`] when a line in it is not a variable.
pub(crate) fn apply(file: &Path) -> Result<()> {
    use std::os::unix::process::CommandExt;
    if std::env::var_os(READ).is_some_and(|read| read == file.as_os_str()) {
        return Ok(());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let variables = variables::parse(&text).with_context(|| file.display().to_string()).or_exit(Exit::Usage)?;
    let mut words = std::env::args_os();
    let mut again = Command::new("/proc/self/exe");
    // Under its own name in the list of processes.
    again.arg0(words.next().unwrap_or_else(|| "bg-deploy".into())).args(words).envs(variables).env(READ, file);
    Err(again.exec()).context("start again with the variables of the file")
}
