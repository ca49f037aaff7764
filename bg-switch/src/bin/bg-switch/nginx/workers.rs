//! The workers of nginx: one generation of processes per configuration.
//!
//! After a reload nginx starts new workers, and for a tenth of a second (`ngx_master_process_cycle`) both
//! generations take connections. Only when the old ones have stopped doing so is a switch over.

use bg_probe::os::process::{Process, Stat, pids, session};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How far apart the times of a file and of a process may be that were made in the same moment: one is in clock ticks.
const CLOCKS: Duration = Duration::from_millis(100);

/// The end of the title of a worker that takes no more connections (`ngx_worker_process_cycle`).
const LEAVING: &[u8] = b"is shutting down";

/// The master of a running nginx.
#[derive(Clone, Debug)]
pub(crate) struct Master(Process);

/// The workers that an nginx had at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    master: Process,
    workers: Vec<Process>,
}

impl Master {
    /// The master whose pid is in that file, if it is there and an nginx.
    pub(crate) fn from(pid_file: &Path) -> Option<Master> {
        let pid = std::fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
        let master = is_titled(pid, b"master process");
        Process::with_pid(pid).filter(|_| master).map(Master)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.0.pid
    }

    /// Whether it has workers that take connections.
    pub(crate) fn serves(&self) -> bool {
        !taking_connections(self.0.pid).is_empty()
    }

    /// The one of its workers that is there longest, since the configuration was read.
    pub(crate) fn eldest_worker(&self) -> Option<Process> {
        taking_connections(self.0.pid).into_iter().min_by_key(|worker| worker.start_ticks)
    }

    /// Its present workers; `None` where none is seen, for then none can be seen leaving either.
    pub(crate) fn generation(&self) -> Option<Generation> {
        let workers = taking_connections(self.0.pid);
        (!workers.is_empty()).then(|| Generation { master: self.0.clone(), workers })
    }
}

impl Generation {
    /// Whether none of these workers takes connections any more.
    pub(crate) fn has_left(&self) -> bool {
        self.workers.iter().all(|worker| !worker.is_alive() || is_leaving(worker.pid))
    }

    /// Whether others take connections in their place.
    pub(crate) fn is_followed(&self) -> bool {
        self.master.is_alive()
            && taking_connections(self.master.pid).iter().any(|worker| !self.workers.contains(worker))
    }
}

/// Whether a worker was there before the file became what it is; `None` where that can't be seen.
pub(crate) fn is_older_than(worker: &Process, file: &Path) -> Option<bool> {
    Some(changed(file)? > worker.started()? + CLOCKS)
}

/// The same, and also where the two times are too close to tell.
pub(crate) fn may_be_older_than(worker: &Process, file: &Path) -> Option<bool> {
    Some(changed(file)? + CLOCKS > worker.started()?)
}

fn changed(file: &Path) -> Option<SystemTime> {
    let meta = std::fs::metadata(file).ok()?;
    let since = Duration::new(meta.ctime().try_into().ok()?, meta.ctime_nsec().try_into().ok()?);
    Some(SystemTime::UNIX_EPOCH + since)
}

fn taking_connections(master: i32) -> Vec<Process> {
    // A worker stays in its master's session: of nearly all of a machine's processes no file is read.
    let own = session(master);
    let near = |pid: &i32| session(*pid) == own;
    let child = |pid: &i32| Stat::of(*pid).is_some_and(|stat| stat.parent == master);
    let worker = |pid: &i32| is_titled(*pid, b"worker process") && !is_leaving(*pid);
    pids()
        .unwrap_or_default()
        .into_iter()
        .filter(near)
        .filter(child)
        .filter(worker)
        .filter_map(Process::with_pid)
        .collect()
}

/// Whether its title is that one, after the name: `nginx: master process`, and `angie:` where it is one.
fn is_titled(pid: i32, what: &[u8]) -> bool {
    let title = title(pid);
    // Whatever the name: it is what somebody has compiled in, and one word.
    let end = title.iter().position(|byte| *byte == b':' || byte.is_ascii_whitespace()).unwrap_or_default();
    title[end..].strip_prefix(b": ").is_some_and(|rest| rest.starts_with(what))
}

fn is_leaving(pid: i32) -> bool {
    title(pid).windows(LEAVING.len()).any(|part| part == LEAVING)
}

/// The title of a process, for which nginx overwrites its command line (`ngx_setproctitle`).
fn title(pid: i32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}
