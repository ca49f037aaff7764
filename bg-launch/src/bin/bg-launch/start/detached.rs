//! Starting a release detached from whatever started it: a session of its own, its output in a file.

use crate::start::hold::{GO, HOLD};
use crate::start::plan::Plan;
use crate::start::user;
use anyhow::{Context, Result, bail};
use bg_probe::os::oom::{Place, may_put};
use bg_probe::os::owner::hand_over;
use bg_probe::os::process::Process;
use bg_probe::os::replace;
use bg_probe::site::first_to_go::{FIRST, to_be_left};
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Name;
use nix::unistd::geteuid;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The marks by which CI runners find what a job has left running, and kill it.
pub(crate) const MARKS: [&str; 3] = ["RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"];

/// Starts it in a session of its own.
///
/// # Errors
/// When it can't be started, or not be written down.
pub(crate) fn start(plan: &Plan) -> Result<Launched> {
    let (log, output) = new_log(plan)?;
    let (mut ours, theirs) = UnixStream::pair().context("make a socket pair")?;
    let pid = hold(plan, theirs, output)?;
    let process = Process::with_pid(pid).context("the new process is gone before it began")?;
    let launched = Launched {
        log: Some(log.to_str().context("the log's path is not UTF-8")?.to_owned()),
        oom_score_adj: to_be_left(pid).filter(|_| plan.gives_way()),
        ..plan.launched(process)
    };
    plan.write_down(&launched)?;
    let left = launched.oom_score_adj.and_then(|place| make_first_to_go(pid).map(|now| (now, place)));

    ours.write_all(GO).context("have the new process begin")?;
    let mut refusal = String::new();
    ours.read_to_string(&mut refusal).context("wait for the new process")?;
    if !refusal.is_empty() {
        bail!("{refusal}");
    }
    // The application may have privileges of its own, and then only root could put it back once it is live.
    if let Some((mut now, place)) = left.filter(|_| !may_put(pid)) {
        // It may have ended, and this is only advice to the kernel.
        let _ = now.put(place);
    }
    Ok(launched)
}

/// Makes a process that only holds what it is to become the first to go when memory runs out, and with it all that it
/// will start. `None` where that can't be done: it is no reason not to start it.
fn make_first_to_go(pid: i32) -> Option<Place> {
    let mut place = Place::of(pid).ok()?;
    place.put(FIRST).ok()?;
    Some(place)
}

fn hold(plan: &Plan, stdin: UnixStream, output: File) -> Result<i32> {
    let workdir = plan.mode.workdir(plan.site, plan.slot);
    let user = plan.mode.user.as_ref();
    let mut holder = Command::new("/proc/self/exe");
    holder.arg(HOLD).arg(user.map_or("", |user| &user.name)).args(plan.command).current_dir(&workdir);
    let internal = |name: &str| name.starts_with("BG_") || MARKS.contains(&name);
    for (name, _) in std::env::vars_os().filter(|(name, _)| internal(&name.to_string_lossy())) {
        holder.env_remove(name);
    }
    holder.envs(user.into_iter().flat_map(user::environment)).envs(plan.variables());
    holder.stdin(OwnedFd::from(stdin)).stderr(output.try_clone().context("share the log")?).stdout(Stdio::from(output));
    let child = holder.spawn().with_context(|| format!("start a process in {}", workdir.display()))?;
    i32::try_from(child.id()).context("its pid")
}

/// A new log, never one that is there already, and `app.log` leading to it.
fn new_log(plan: &Plan) -> Result<(PathBuf, File)> {
    let (folder, release) = (plan.site.dir.logs(&plan.slot.name), &plan.release.name);
    let mut count = 1;
    loop {
        let name = if count == 1 { format!("{release}.log") } else { format!("{release}.{count}.log") };
        let path = folder.join(&name);
        match OpenOptions::new().append(true).create_new(true).mode(0o640).open(&path) {
            Ok(file) => {
                // An application that opens /dev/stdout opens the file once more, as itself.
                match plan.mode.user.as_ref().filter(|_| geteuid().is_root()) {
                    Some(user) => fchown(&file, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                        .with_context(|| format!("give {} to {}", path.display(), user.name))?,
                    None => hand_over(&file, &path)?,
                }
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
