//! Making room: the oldest releases are removed, and what a run that was killed has left.

use crate::release::{gone, is_name, names_in, remove};
use anyhow::Result;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;

/// Removes all but the newest `keep` releases, and never `spared` or one that a slot holds or has started last: any slot
/// there ever was, for one that has another name by now may still be running.
///
/// # Errors
/// When it can't be read what a slot has; the first of them that can't be removed, after all the others are.
pub(crate) fn prune(dir: &Dir, keep: usize, spared: Option<&str>) -> Result<()> {
    let mut used: Vec<String> = spared.map(str::to_owned).into_iter().collect();
    for slot in names_in(&dir.root().join("slots"))?.iter().filter_map(|slot| slot.parse().ok()) {
        used.extend(dir.release(&slot));
        used.extend(Launched::of(dir, &slot)?.map(|last| last.release));
    }
    let releases = dir.releases();
    let (mut names, others): (Vec<String>, Vec<String>) =
        names_in(&releases)?.into_iter().partition(|name| is_name(name));
    // By name is by time.
    names.sort_unstable_by(|a, b| b.cmp(a));
    let left = others.iter().filter(|name| name.strip_prefix('.').is_some_and(is_name));
    let old = names.iter().skip(keep).filter(|name| !used.contains(name));
    let removed = left.map(|name| remove(&releases.join(name))).chain(old.map(|name| gone(&releases, name)));
    // A release that can't be removed is no reason to keep the rest.
    removed.fold(Ok(()), Result::and)
}
