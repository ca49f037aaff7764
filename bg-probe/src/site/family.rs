//! The processes of a launch: the one that was started and all it has started since.
//!
//! Each launch is a session of its own (`setsid(2)`), so its processes are those of that session; the kernel does not
//! give a session's id to anybody else while one of them is left. Those of a unit are those of its control group.

use crate::os::process::{Process, Stat, boot_id, descendants, environment, pids, session};
use crate::site::launched::Launched;
use crate::site::slot::Slot;
use crate::site::unit::Unit;
use anyhow::Result;

/// The processes of what was launched; none once they are all gone.
///
/// # Errors
/// When `/proc` can't be read, or systemd not be asked.
pub fn members(launched: &Launched) -> Result<Vec<i32>> {
    of(launched.unit.as_ref(), &launched.process, &launched.release)
}

/// Whether any of them is left, or systemd is about to start one again.
///
/// # Errors
/// Those of [`members`].
pub fn is_there(launched: &Launched) -> Result<bool> {
    match &launched.unit {
        Some(unit) => Ok(unit.state()?.is_up_with(&launched.release)),
        None => Ok(is_led(&launched.process) || !members(launched)?.is_empty()),
    }
}

/// Those of them that are told without a look at all of a machine's processes: a unit's, or the leader and what it has started.
/// It may lack what has outlived the process that started it. Where the leader is gone, it is all of them.
///
/// # Errors
/// Those of [`members`].
pub fn led(launched: &Launched) -> Result<Vec<i32>> {
    let known = if launched.unit.is_none() { led_by(&launched.process) } else { None };
    known.map_or_else(|| members(launched), Ok)
}

/// The process that began a session, and what it has started in it; `None` where it is gone, or the kernel does not tell.
fn led_by(leader: &Process) -> Option<Vec<i32>> {
    if !is_led(leader) {
        return None;
    }
    let all = descendants(leader.pid)?.into_iter().chain([leader.pid]);
    Some(all.filter(|pid| session(*pid) == Some(leader.pid)).collect())
}

/// The processes of a launch, by what is known of it.
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

/// Those of these processes that came from a launch in `slot` whose own first process is gone, and have left its session: a
/// command that puts itself into the background leaves such (`daemon(3)`). They are known by the marks in their environment,
/// and began no earlier than the launch.
#[must_use]
pub fn strays(pids: &[i32], slot: &Slot, leader: &Process, release: &str) -> Vec<i32> {
    // A command that the release itself has run would take its own caller for one.
    let is_within = std::env::var_os("BG_RELEASE").is_some_and(|ours| ours == release);
    if is_within || boot_id().as_ref() != Some(&leader.boot_id) {
        return Vec::new();
    }
    // The same file may be deployed within one second from two folders, and one release may be in both slots.
    let marks = [format!("BG_RELEASE={release}"), format!("BG_SLOT={slot}"), format!("PORT={}", slot.port)];
    let is_one =
        |pid: &i32| Stat::of(*pid).is_some_and(|stat| stat.start_ticks >= leader.start_ticks) && has_all(*pid, &marks);
    pids.iter().copied().filter(is_one).collect()
}

/// Whether a process was given this release in its environment.
fn carries(pid: i32, release: &str) -> bool {
    has_all(pid, &[format!("BG_RELEASE={release}")])
}

/// Whether a process was given all of these variables.
fn has_all(pid: i32, variables: &[String]) -> bool {
    environment(pid).is_some_and(|environ| {
        let has = |variable: &String| environ.split(|byte| *byte == 0).any(|one| one == variable.as_bytes());
        variables.iter().all(has)
    })
}
