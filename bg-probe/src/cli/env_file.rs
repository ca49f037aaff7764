//! `--env-file`: settings in lines like `BG_APP=web`, as a shell's `set -a; . FILE` would read them.

use crate::cli::lines::{self, Variable};
use crate::cli::origin::{LINES, READ};
use crate::os::advice::Advice;
use crate::os::sudo::{called, typed_as};
use crate::say::exit::{Exit, OrExit};
use crate::site::settings::ENV_FILE;
use anyhow::{Context, Result};
use nix::unistd::{Gid, Group, User, getegid, geteuid, getgroups};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Replaces this process by one with the variables of `file` in its environment, unless that was done already. Those
/// that an outer deploy's file has set, and this one does not, are gone then; so is the variable that named the file, for
/// what this process starts has all that is in it.
///
/// The command line is read with the environment as its background, so the environment has to be there first;
/// and a program can't change its own safely.
///
/// # Errors
/// When the file can't be read; [`Exit::Usage`] when a line in it is not a variable.
pub fn apply(file: &Path) -> Result<()> {
    let mark = mark(file)?;
    if std::env::var_os(READ).is_some_and(|read| read == mark) {
        return Ok(());
    }
    let variables = lines::parse(&read(file)?).with_context(|| file.display().to_string()).or_exit(Exit::Usage)?;
    let lines = variables.iter().map(|Variable { name, line, .. }| format!("{name}:{line}"));
    let lines = lines.collect::<Vec<_>>().join(" ");
    let variables = variables.into_iter().map(|Variable { name, value, .. }| (name, value));
    let mut words = std::env::args_os();
    let mut again = Command::new("/proc/self/exe");
    for name in outer_names() {
        again.env_remove(name);
    }
    // Under its own name in the list of processes.
    again.arg0(words.next().unwrap_or_default()).args(words);
    Err(again.envs(variables).env(LINES, lines).env(READ, mark).env_remove(ENV_FILE).exec())
        .context("start again with the variables of the file")
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|why| match std::fs::metadata(file) {
        Ok(meta) if why.kind() == ErrorKind::PermissionDenied => Exit::Refused
            .refuse(format!("{} may not read {}", called(geteuid().as_raw()), file.display()), to_read(file, &meta)),
        _ => anyhow::Error::new(why).context(format!("read {}", file.display())),
    })
}

/// What lets this user read a file of settings, and takes that from nobody; else who may.
fn to_read(file: &Path, meta: &Metadata) -> String {
    let (path, owner) = (file.to_string_lossy(), meta.uid());
    let change = |program: &str, to: &str| Advice::by_owner(owner, &[program, to, &path]);
    let group = |gid: Gid| Group::from_gid(gid).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name);
    let of_file = Gid::from_raw(meta.gid());
    if owner == geteuid().as_raw() {
        return format!("let it be read: {}", change("chmod", "u+r"));
    }
    if meta.mode() & 0o040 == 0 {
        // Nobody's but the owner's: its group may be another one.
        let give = if is_mine(of_file) { String::new() } else { format!("{} && ", change("chgrp", &group(getegid()))) };
        return format!("let it be read: {give}{}", change("chmod", "g+r"));
    }
    let group = group(of_file);
    match User::from_name(&group).ok().flatten() {
        Some(user) => format!("run it as a user of its group, {group}: {}", typed_as(user.uid.as_raw())),
        None => format!("run it as a user of its group, {group}"),
    }
}

/// Whether this user is of that group.
fn is_mine(group: Gid) -> bool {
    getegid() == group || getgroups().is_ok_and(|groups| groups.contains(&group))
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
