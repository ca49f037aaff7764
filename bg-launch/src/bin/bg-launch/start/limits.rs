//! The limits, the umask and the niceness of a process, and taking on those of another (`getrlimit(2)`, `umask(2)`,
//! `setpriority(2)`).

use anyhow::{Context, Result};
use bg_probe::os::process::{is_capable, niceness, umask_of};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use rustix::process::setpriority_process;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a process may use at most: how the kernel calls it, as `ulimit` or `prlimit` name it, and what it is.
const KINDS: [(Resource, &str, &str); 15] = [
    (Resource::RLIMIT_AS, "as", "address space"),
    (Resource::RLIMIT_CORE, "core", "size of a core file"),
    (Resource::RLIMIT_CPU, "cpu", "processor time"),
    (Resource::RLIMIT_DATA, "data", "data segment"),
    (Resource::RLIMIT_FSIZE, "fsize", "size of a file"),
    (Resource::RLIMIT_LOCKS, "locks", "file locks"),
    (Resource::RLIMIT_MEMLOCK, "memlock", "locked memory"),
    (Resource::RLIMIT_MSGQUEUE, "msgqueue", "message queues"),
    (Resource::RLIMIT_NICE, "nice", "niceness"),
    (Resource::RLIMIT_NOFILE, "nofile", "open files"),
    (Resource::RLIMIT_NPROC, "nproc", "processes"),
    (Resource::RLIMIT_RSS, "rss", "resident memory"),
    (Resource::RLIMIT_RTPRIO, "rtprio", "real-time priority"),
    (Resource::RLIMIT_SIGPENDING, "sigpending", "pending signals"),
    (Resource::RLIMIT_STACK, "stack", "stack"),
];

/// The capabilities that it takes to raise the most of a limit, and to lower the niceness.
const SYS_RESOURCE: u32 = 24;
const SYS_NICE: u32 = 23;

/// The limits, the umask and the niceness of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    umask: u32,
    nice: i32,
    /// Each limit by its name: what counts, and the most that it may be raised to.
    most: BTreeMap<String, (u64, u64)>,
}

impl Limits {
    /// Those of this process; what the kernel does not tell is left as it will be.
    pub(crate) fn of_this_process() -> Limits {
        let limit = |(kind, name, _): (Resource, &str, _)| Some((name.to_owned(), getrlimit(kind).ok()?));
        Limits {
            umask: umask_of("self").unwrap_or(0o022),
            nice: niceness("self").unwrap_or(0),
            most: KINDS.into_iter().filter_map(limit).collect(),
        }
    }

    /// As one word of a command line.
    ///
    /// # Errors
    /// When they can't be written as JSON.
    pub(crate) fn to_word(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// From that word.
    ///
    /// # Errors
    /// When it is not one.
    pub(crate) fn from_word(word: &str) -> Result<Limits> {
        serde_json::from_str(word).context("the limits")
    }

    /// Gives them to this process, as far as it may have them.
    pub(crate) fn take_on(&self) {
        umask(Mode::from_bits_truncate(self.umask));
        // That it may be refused is known before, and said.
        let _ = setpriority_process(None, self.nice);
        for (kind, name, _) in KINDS {
            let (Some((soft, hard)), Ok((_, most))) = (self.most.get(name), getrlimit(kind)) else { continue };
            if setrlimit(kind, *soft, *hard).is_err() {
                // The most that there may be is lowered by anybody, and raised by few.
                let _ = setrlimit(kind, *soft.min(&most), *hard.min(&most));
            }
        }
    }

    /// What of them this process can't give to another, in words, with what to do.
    pub(crate) fn out_of_reach(&self) -> Vec<String> {
        let here = Limits::of_this_process();
        let lacks = |(_, name, what): (Resource, &str, &str)| {
            let ((soft, _), (_, most)) = (self.most.get(name)?, here.most.get(name)?);
            (soft > most).then(|| {
                let then = if *soft == u64::MAX { "no limit".to_owned() } else { format!("a limit of {soft}") };
                format!(
                    "it was launched with {then} on {what} and has {most} now, the most there is here: raise it where this \
                     runs, by limits.conf(5) or the unit's Limit*="
                )
            })
        };
        let mut words: Vec<String> =
            KINDS.into_iter().filter_map(lacks).filter(|_| !is_capable(SYS_RESOURCE)).collect();
        if here.nice > self.nice && !is_capable(SYS_NICE) {
            words.push(format!(
                "it was launched with niceness {} and has {} now: run this without nice",
                self.nice, here.nice
            ));
        }
        words
    }
}
