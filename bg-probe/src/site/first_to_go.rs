//! The first to go when memory runs out: what is being booted, and not what serves.
//!
//! Two releases at a time are the most that a small machine is ever asked for, and the kernel may choose the live one. So
//! a release that boots beside a live one is made the first to go by bg-launch, and put back by bg-switch once nginx has
//! moved to it. One that was live keeps its place when it is idle: a rollback needs it.

use crate::os::oom::{place_of, put};
use crate::site::family;
use crate::site::launched::Launched;
use anyhow::Result;

/// The place of what is booted: before all that has none of its own, and behind what wants to go sooner.
pub const FIRST: i32 = 800;

/// Where a process stands, if it is to be made the first to go: one that would go sooner stays.
#[must_use]
pub fn to_be_left(pid: i32) -> Option<i32> {
    place_of(pid).filter(|place| *place < FIRST)
}

/// Puts what was launched back to where it was before, all of its processes that were made the first to go. To look
/// whether there is anything to do takes one file.
///
/// # Errors
/// When one of them can't be put back; the others are.
pub fn put_back(launched: &Launched) -> Result<()> {
    let Some(place) = launched.oom_score_adj else { return Ok(()) };
    let is_first = |pid: &i32| place_of(*pid) == Some(FIRST);
    let leader = launched.running().map(|process| process.pid);
    // It is put back last: where it is back, an earlier run has done them all.
    if leader.is_some_and(|leader| !is_first(&leader)) {
        return Ok(());
    }
    let others = family::members(launched)?.into_iter().filter(|pid| Some(*pid) != leader);
    let back = |pid: i32| match put(pid, place) {
        // It has ended meanwhile.
        Err(_) if place_of(pid).is_none() => Ok(()),
        done => done,
    };
    others.filter(is_first).chain(leader).map(back).fold(Ok(()), Result::and)
}
