//! The processes of a launch: the one that was started and all it has started since.
//!
//! Each launch is a session of its own (`setsid(2)`), so its processes are those of that session; the kernel does not
//! give a session's id to anybody else while one of them is left. Those of a unit are those of its control group.

use crate::os::process::{Process, Stat, environment, pids, session};
use crate::site::launched::Launched;
use crate::site::unit::Unit;
use anyhow::Result;

/// The processes of what was launched; none once they are all gone.
///
/// # Errors
/// When `/proc` can't be read, or systemd not be asked.
pub fn members(launched: &Launched) -> Result<Vec<i32>> {
    of(launched.unit.as_ref(), &launched.process, &launched.release)
}

/// The same by what is known of a launch.
///
/// # Errors
/// Those of [`members`].
pub fn of(unit: Option<&Unit>, leader: &Process, release: &str) -> Result<Vec<i32>> {
    match unit {
        Some(unit) => of_unit(unit, release),
        None => of_session(leader, release),
    }
}

/// The processes of the unit; none where it does not run this release.
fn of_unit(unit: &Unit, release: &str) -> Result<Vec<i32>> {
    let state = unit.state()?;
    if state.is_up_with(release) { state.members() } else { Ok(Vec::new()) }
}

/// The processes of the session that `leader` began; none once they are all gone.
///
/// # Errors
/// When `/proc` can't be read.
pub fn of_session(leader: &Process, release: &str) -> Result<Vec<i32>> {
    Ok(among(&pids()?, leader, release))
}

/// Whether the process that began a session is there, and with it the session: no other process need be looked at.
#[must_use]
pub fn is_led(leader: &Process) -> bool {
    leader.is_alive() && session(leader.pid) == Some(leader.pid)
}

/// Those of these processes that are of the session that `leader` began.
#[must_use]
pub fn among(pids: &[i32], leader: &Process, release: &str) -> Vec<i32> {
    // Its pid is somebody else's by now: so is everything that goes by that number.
    if pids.is_empty() || leader.is_recycled() {
        return Vec::new();
    }
    let leads = leader.is_alive();
    // Nearly all of a machine's processes: no file is read of them.
    let is_elsewhere = |pid: i32| session(pid).is_some_and(|session| session != leader.pid);
    let belongs = |pid: &i32| {
        Stat::of(*pid).is_some_and(|stat| {
            stat.session == leader.pid
                && stat.start_ticks >= leader.start_ticks
                // Without its leader, a session's number alone is thin evidence for killing somebody.
                && (leads || carries(*pid, release))
        })
    };
    pids.iter().copied().filter(|pid| !is_elsewhere(*pid)).filter(belongs).collect()
}

/// Whether a process was given this release in its environment.
fn carries(pid: i32, release: &str) -> bool {
    let mark = format!("BG_RELEASE={release}");
    environment(pid).is_some_and(|environ| environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()))
}
