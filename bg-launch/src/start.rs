//! Starting a release in a slot, detached from whatever started it.

use crate::hold::{GO, HOLD};
use crate::release::Release;
use crate::template::Blanks;
use anyhow::{Context, Result, bail, ensure};
use bg_probe::dir::make;
use bg_probe::owner::hand_over;
use bg_probe::process::{Launched, Process};
use bg_probe::replace;
use bg_probe::settings::Site;
use bg_probe::slot::{Name, Slot};
use nix::unistd::{AccessFlags, access};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The marks by which CI runners find what a job has left running, and kill it.
const MARKS: [&str; 3] = ["RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"];

/// The command of `release` in `slot`, filled in and its program found: what can fail before anything is stopped.
///
/// # Errors
/// When the program is missing.
pub(crate) fn command(release: &Release, slot: &Slot) -> Result<Vec<String>> {
    let (name, artifact) = (release.name.as_str(), release.artifact.as_deref());
    release.template.fill(&Blanks { slot: slot.name.as_str(), port: slot.port, release: name, artifact })
}

/// Refuses where it could not be started for the sake of a folder: before anything is stopped, too.
///
/// # Errors
/// When the folder it is to run in, or the one its log goes to, is missing or may not be used.
pub(crate) fn ensure_folders(site: &Site, slot: &Slot, workdir: Option<&Path>) -> Result<()> {
    let (folder, logs) = (site.dir.slot(&slot.name), site.dir.logs(&slot.name));
    make(&logs)?;
    let write = AccessFlags::W_OK | AccessFlags::X_OK;
    let uses = [(logs.as_path(), write), (&folder, write), (workdir.unwrap_or(&folder), AccessFlags::X_OK)];
    for (folder, mode) in uses {
        ensure!(folder.is_dir(), "{} is not a folder", folder.display());
        access(folder, mode).with_context(|| format!("use the folder {}", folder.display()))?;
    }
    Ok(())
}

/// Starts `command` as `release` in `slot`. When this returns, the application runs and is written down; if this
/// process dies on the way, it does not run.
///
/// # Errors
/// When it can't be started, or not be written down.
pub(crate) fn start(
    site: &Site,
    slot: &Slot,
    release: &Release,
    command: &[String],
    workdir: Option<&Path>,
) -> Result<Launched> {
    let (log, output) = new_log(&site.dir.logs(&slot.name), &release.name)?;
    let (mut ours, theirs) = UnixStream::pair().context("make a socket pair")?;
    let pid = hold(site, slot, release, command, workdir, theirs, output)?;
    let process = Process::with_pid(pid).context("the new process is gone before it began")?;
    let launched = Launched {
        pid,
        start_ticks: process.start_ticks,
        boot_id: process.boot_id,
        port: slot.port,
        release: release.name.clone(),
        log: log.to_str().context("the log's path is not UTF-8")?.to_owned(),
    };
    let json = serde_json::to_string(&launched)? + "\n";
    replace::file(&site.dir.process(&slot.name), json.as_bytes(), 0o640)?;

    ours.write_all(GO).context("tell the new process to begin")?;
    let mut refusal = String::new();
    ours.read_to_string(&mut refusal).context("hear from the new process")?;
    if !refusal.is_empty() {
        bail!("{refusal}");
    }
    Ok(launched)
}

fn hold(
    site: &Site,
    slot: &Slot,
    release: &Release,
    command: &[String],
    workdir: Option<&Path>,
    stdin: UnixStream,
    output: File,
) -> Result<i32> {
    let slot_folder = site.dir.slot(&slot.name);
    let workdir = workdir.unwrap_or(&slot_folder);
    let mut holder = Command::new("/proc/self/exe");
    holder.arg(HOLD).args(command).current_dir(workdir);
    let internal = |name: &str| name.starts_with("BG_") || MARKS.contains(&name);
    for (name, _) in std::env::vars_os().filter(|(name, _)| internal(&name.to_string_lossy())) {
        holder.env_remove(name);
    }
    holder.env("BG_APP", site.app.as_str()).env("BG_SLOT", slot.name.as_str()).env("BG_RELEASE", &release.name);
    holder.env("PORT", slot.port.to_string()).env("SERVER_PORT", slot.port.to_string());
    holder.stdin(OwnedFd::from(stdin)).stderr(output.try_clone().context("share the log")?).stdout(Stdio::from(output));
    let child = holder.spawn().with_context(|| format!("start a process in {}", workdir.display()))?;
    i32::try_from(child.id()).context("its pid")
}

/// A new log, never one that is there already, and `app.log` leading to it.
fn new_log(folder: &Path, release: &str) -> Result<(PathBuf, File)> {
    make(folder)?;
    let mut count = 1;
    loop {
        let name = if count == 1 { format!("{release}.log") } else { format!("{release}.{count}.log") };
        let path = folder.join(&name);
        match OpenOptions::new().append(true).create_new(true).mode(0o640).open(&path) {
            Ok(file) => {
                hand_over(&file, &path)?;
                replace::link(&folder.join("app.log"), Path::new(&name))?;
                return Ok((path, file));
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => count += 1,
            Err(e) => return Err(e).with_context(|| format!("make {}", path.display())),
        }
    }
}

/// Removes all but the newest `keep` logs of a slot; the newest is the one in use.
///
/// # Errors
/// When the folder can't be read or one of them can't be removed.
pub(crate) fn prune_logs(site: &Site, slot: &Name, keep: usize) -> Result<()> {
    let folder = site.dir.logs(slot);
    let entries = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let mut logs: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| Some((created(&entry)?, entry.path())))
        .collect();
    logs.sort_unstable_by(|a, b| b.cmp(a));
    logs.iter().skip(keep.max(1)).try_for_each(|(_, path)| replace::remove(path))
}

/// When a log was begun. Its content changes later, so a filesystem without birth times gives the last change.
fn created(log: &std::fs::DirEntry) -> Option<std::time::SystemTime> {
    let meta = log.metadata().ok()?;
    meta.created().or_else(|_| meta.modified()).ok()
}
