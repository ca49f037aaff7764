//! Whose process that is: by pid, start time and boot, never by name.
//!
//! A pid alone proves little: the kernel gives it to another process once its own is gone. Together with the
//! time the process started and the boot it started in, it is one process for ever (`proc_pid_stat(5)`).

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getsid};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// What an environment needs, in bytes, unless it is an unusual one.
const ROOM: usize = 8 * 1024;

/// The same of one line of numbers, and more.
const LINE: usize = 1024;

/// One process, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot it started in.
    pub boot_id: String,
}

impl Process {
    /// The process that has this pid now; `None` where none has, or only a zombie.
    #[must_use]
    pub fn with_pid(pid: i32) -> Option<Process> {
        let stat = Stat::of(pid)?;
        Some(Process { pid, start_ticks: stat.start_ticks, boot_id: boot_id()? })
    }

    /// Whether this very process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks)
            && boot_id().is_some_and(|boot| boot == self.boot_id)
    }

    /// Whether another process has this one's pid by now.
    #[must_use]
    pub fn is_recycled(&self) -> bool {
        boot_id().is_none_or(|boot| boot != self.boot_id)
            || Stat::of(self.pid).is_some_and(|stat| stat.start_ticks != self.start_ticks)
    }

    /// When it started, to a few hundredths of a second.
    #[must_use]
    pub fn started(&self) -> Option<SystemTime> {
        let hertz = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
        let hertz = u64::try_from(hertz).ok()?.max(1);
        let started = Duration::from_millis(self.start_ticks.checked_mul(1000)? / hertz);
        SystemTime::now().checked_sub(uptime()?.checked_sub(started)?)
    }
}

/// What stands in `/proc/PID/stat`, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The parent's process id.
    pub parent: i32,
    /// The process group.
    pub group: i32,
    /// The session.
    pub session: i32,
    /// When the process started, in clock ticks since boot.
    pub start_ticks: u64,
}

impl Stat {
    /// Of the process that has this pid now; `None` where none has, or only a zombie.
    #[must_use]
    pub fn of(pid: i32) -> Option<Stat> {
        Stat::parse(std::str::from_utf8(&short(&format!("/proc/{pid}/stat"), LINE).ok()?).ok()?)
    }

    /// Of the text of `/proc/PID/stat`; `None` where it is none, or a zombie's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Stat> {
        // The second field is the program's name in parentheses, and may itself hold any of these.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let state = *fields.first()?;
        if matches!(state, "Z" | "X" | "x") {
            return None;
        }
        Some(Stat {
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// The session of the process that has this pid now, a zombie as well; `None` where none has, or the kernel does not tell.
/// To ask takes a small part of the time that its `/proc/PID/stat` takes (`getsid(2)`).
#[must_use]
pub fn session(pid: i32) -> Option<i32> {
    getsid(Some(Pid::from_raw(pid))).ok().map(Pid::as_raw)
}

/// What a process has started, and what that has started since, by the kernel's own lists (`proc_tid_children(5)`): no other
/// process need be looked at. What has outlived the process that started it is another one's child by now, and not among
/// them. `None` where the process is gone, or the kernel keeps no such lists.
#[must_use]
pub fn descendants(pid: i32) -> Option<Vec<i32>> {
    let mut all = children(pid)?;
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        // One that has ended meanwhile has none any more.
        let more = children(*pid).unwrap_or_default();
        all.extend(more);
        next += 1;
    }
    Some(all)
}

fn children(pid: i32) -> Option<Vec<i32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let list = thread.ok()?.path().join("children");
        match std::fs::read_to_string(&list) {
            Ok(text) => children.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            // A thread may end at any time, and its children are another one's then.
            Err(_) if list.parent().is_some_and(|thread| !thread.exists()) => {}
            Err(_) => return None,
        }
    }
    Some(children)
}

/// Every pid there is.
///
/// # Errors
/// When `/proc` can't be read.
pub fn pids() -> Result<Vec<i32>> {
    let entries = std::fs::read_dir("/proc").context("read /proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The command line of a process, made harmless, for messages.
#[must_use]
pub fn command_line(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ");
    crate::say::quoted(&text)
}

/// The environment that a process was started with, as `NAME=VALUE` with a NUL after each (`proc_pid_environ(5)`); `None`
/// where this user may not look.
#[must_use]
pub fn environment(pid: i32) -> Option<Vec<u8>> {
    short(&format!("/proc/{pid}/environ"), ROOM).ok()
}

/// What stands in one of the kernel's short files, of which `room` is enough for nearly any: the kernel does not say how long
/// they are, and what asks for them piece by piece asks eight times.
pub(crate) fn short(path: &str, room: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; room];
    let mut file = File::open(path)?;
    let count = file.read(&mut bytes)?;
    bytes.truncate(count);
    // Where it leaves room, that was all of it: each of these files is made in one piece.
    if count == room {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The umask of a process, which is a pid or `self`; `None` where it is gone (`proc_pid_status(5)`).
#[must_use]
pub fn umask_of(pid: &str) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    u32::from_str_radix(status.lines().find_map(|line| line.strip_prefix("Umask:"))?.trim(), 8).ok()
}

/// Whether a process takes note of a signal, and so lives on when it comes: it has a handler, waits for it, or ignores it
/// (`proc_pid_status(5)`).
#[must_use]
pub fn hears(pid: i32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let set = |name: &str| {
        let set = status.lines().find_map(|line| line.strip_prefix(name));
        set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default()
    };
    (set("SigBlk:") | set("SigIgn:") | set("SigCgt:")) >> (signal as i32 - 1) & 1 == 1
}

/// Whether this process may do what takes the capability of that number (`capabilities(7)`): root in a container lacks some.
#[must_use]
pub fn is_capable(capability: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set >> capability & 1 == 1)
}

/// The niceness of a process, which is a pid or `self`; `None` where it is gone (`proc_pid_stat(5)`).
#[must_use]
pub fn niceness(pid: &str) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.split_ascii_whitespace().nth(16)?.parse().ok()
}

/// What names this boot of the machine (`random(4)`).
#[must_use]
pub fn boot_id() -> Option<String> {
    static READ: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let bytes = short("/proc/sys/kernel/random/boot_id", LINE).ok()?;
        Some(String::from_utf8(bytes).ok()?.trim().to_owned())
    };
    READ.get_or_init(read).clone()
}

/// How long this machine has been up: `/proc/stat` has the time of the boot too, but only in whole seconds.
fn uptime() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(text.split_ascii_whitespace().next()?.parse().ok()?).ok()
}

/// The user that a process runs as; `None` where it is gone.
#[must_use]
pub fn owner_of(pid: i32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(format!("/proc/{pid}")).ok()?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_may_hold_anything() {
        let rest = "S 1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let stat = Stat::parse(&format!("7 (a) S 9 (b) {rest}")).unwrap();
        assert_eq!(stat, Stat { parent: 1, group: 7, session: 7, start_ticks: 4242 });
        assert_eq!(Stat::parse(&format!("7 (x) {}", rest.replacen('S', "Z", 1))), None);
        for broken in ["", "7", "7 (x)", "7 (x) S", "7 (x) S a b c"] {
            assert_eq!(Stat::parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn descendants_are_children_and_theirs() {
        let script = "sleep 60 & sh -c 'sleep 60 & echo up; wait' & wait";
        let mut sh = std::process::Command::new("sh");
        let mut sh = sh.args(["-c", script]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut up = [0; 3];
        std::io::Read::read_exact(sh.stdout.as_mut().unwrap(), &mut up).unwrap();
        let pid = i32::try_from(sh.id()).unwrap();
        let all = descendants(pid);
        for pid in all.iter().flatten().chain([&pid]) {
            let _ = nix::sys::signal::kill(Pid::from_raw(*pid), nix::sys::signal::SIGKILL);
        }
        sh.wait().unwrap();
        // Not every kernel is built with these lists.
        assert!(all.is_none_or(|all| all.len() == 3));
        assert_eq!(descendants(pid), None);
    }

    #[test]
    fn the_same_pid_at_another_time_or_boot_is_another_process() {
        let this = Process::with_pid(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(this.is_alive() && !this.is_recycled());
        let earlier = Process { start_ticks: this.start_ticks - 1, ..this.clone() };
        assert!(!earlier.is_alive() && earlier.is_recycled());
        let last_boot = Process { boot_id: "another".into(), ..this };
        assert!(!last_boot.is_alive() && last_boot.is_recycled());
    }
}
