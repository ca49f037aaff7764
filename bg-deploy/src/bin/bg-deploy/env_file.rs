//! `--env-file`: settings in lines like `BG_APP=web`, as a shell's `set -a; . FILE` would read them.

use anyhow::{Context, Result};
use bg_deploy::variables::{self, Variable};
use bg_probe::cli::origin::{LINES, READ};
use bg_probe::say::exit::{Exit, OrExit};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

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
    let lines = variables.iter().map(|Variable { name, line, .. }| format!("{name}:{line}"));
    let lines = lines.collect::<Vec<_>>().join(" ");
    let variables = variables.into_iter().map(|Variable { name, value, .. }| (name, value));
    let mut words = std::env::args_os();
    let mut again = Command::new("/proc/self/exe");
    for name in outer_names() {
        again.env_remove(name);
    }
    // Under its own name in the list of processes.
    again.arg0(words.next().unwrap_or_else(|| "bg-deploy".into())).args(words);
    Err(again.envs(variables).env(LINES, lines).env(READ, mark).exec())
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
    let lines = std::env::var(LINES).unwrap_or_default();
    let names = lines.split_ascii_whitespace().filter_map(|place| place.split(':').next());
    names.filter(|name| *name != "PATH").map(str::to_owned).collect()
}
