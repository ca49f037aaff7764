//! Starting a release detached from whatever started it: a session of its own, its output in a file.

use crate::start::hold::{GO, HOLD};
use crate::start::log;
use crate::start::plan::Plan;
use crate::start::user;
use anyhow::{Context, Result, bail};
use bg_probe::os::oom::{Place, may_put};
use bg_probe::os::process::Process;
use bg_probe::site::first_to_go::{FIRST, to_be_left};
use bg_probe::site::launched::Launched;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

/// Starts it in a session of its own.
///
/// # Errors
/// When it can't be started, or not be written down.
pub(crate) fn start(plan: &Plan) -> Result<Launched> {
    let (path, output) = log::new(plan)?;
    let (mut ours, theirs) = UnixStream::pair().context("make a socket pair")?;
    let child = hold(plan, theirs, output)?;
    let pid = i32::try_from(child.id()).context("its pid")?;
    let process = Process::with_pid(pid).context("the new process is gone before it began")?;
    let launched = Launched {
        log: Some(path.to_str().context("the log's path is not UTF-8")?.to_owned()),
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

/// Starts a holder of the plan's command, with all that is to be around it.
///
/// # Errors
/// When it can't be started.
pub(crate) fn hold(plan: &Plan, stdin: UnixStream, output: File) -> Result<Child> {
    let workdir = plan.mode.workdir(plan.site, plan.slot);
    let user = plan.mode.user.as_ref();
    let mut holder = Command::new("/proc/self/exe");
    holder.arg(HOLD).arg(user.map_or("", |user| &user.name)).arg(plan.surroundings.limits().to_word()?);
    holder.args(plan.command).current_dir(&workdir);
    holder.env_clear().envs(plan.surroundings.variables());
    holder.envs(user.into_iter().flat_map(user::environment)).envs(plan.variables()?);
    holder.stdin(OwnedFd::from(stdin)).stderr(output.try_clone().context("share the log")?).stdout(Stdio::from(output));
    holder.spawn().with_context(|| format!("start a process in {}", workdir.display()))
}
