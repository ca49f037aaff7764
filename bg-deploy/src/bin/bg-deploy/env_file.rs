//! `--env-file`: settings in lines like `BG_APP=web`, as a shell's `set -a; . FILE` would read them.

use anyhow::{Context, Result};
use bg_deploy::variables;
use bg_probe::say::exit::{Exit, OrExit};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The mark of a process that has the variables of a file already: its pid and the file. It is of no use to another
/// process, which may be in another folder and mean another file by the same name.
pub(crate) const READ: &str = "BG_ENV_FILE_READ";

/// The names of the variables that came from the file. Hooks have them, and a deploy that a hook starts with a file of
/// its own drops those: they are another application's.
const NAMES: &str = "BG_ENV_FILE_NAMES";

/// Replaces this process by one with the variables of `file` in its environment, unless that was done already. Those
/// that an outer deploy's file has set, and this one does not, are gone then.
///
/// The command line is read with the environment as its background, so the environment has to be there first;
/// and a program can't change its own safely.
///
/// # Errors
/// When the file can't be read; [`Exit::Usage`] when a line in it is not a variable.
pub(crate) fn apply(file: &Path) -> Result<()> {
    let mark = mark(file)?;
    if std::env::var_os(READ).is_some_and(|read| read == mark) {
        return Ok(());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let variables = variables::parse(&text).with_context(|| file.display().to_string()).or_exit(Exit::Usage)?;
    let names = variables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ");
    let mut words = std::env::args_os();
    let mut again = Command::new("/proc/self/exe");
    for name in outer_names() {
        again.env_remove(name);
    }
    // Under its own name in the list of processes.
    again.arg0(words.next().unwrap_or_else(|| "bg-deploy".into())).args(words);
    Err(again.envs(variables).env(NAMES, names).env(READ, mark).exec())
        .context("start again with the variables of the file")
}

/// Of this process and that file; exec keeps the pid (`execve(2)`).
fn mark(file: &Path) -> Result<OsString> {
    // What a shell hands over as <(...) has no path of its own.
    let path = std::fs::canonicalize(file).or_else(|_| std::path::absolute(file));
    let path = path.with_context(|| format!("find {}", file.display()))?;
    let mut mark = OsString::from(format!("{} ", std::process::id()));
    mark.push::<&OsStr>(path.as_ref());
    Ok(mark)
}

/// The variables that came from an outer deploy's file. Without a PATH nothing would be found.
fn outer_names() -> Vec<String> {
    let names = std::env::var(NAMES).unwrap_or_default();
    names.split_ascii_whitespace().filter(|name| *name != "PATH").map(str::to_owned).collect()
}
