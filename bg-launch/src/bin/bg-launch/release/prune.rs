//! Making room: the oldest releases are removed, and what a run that was killed has left.

use crate::release::{gone, is_name, names_in, remove};
use anyhow::Result;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use std::cmp::Reverse;
use std::path::Path;
use std::time::SystemTime;

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
    names.sort_by_cached_key(|name| Reverse(age(&releases, name)));
    let left = others.iter().filter(|name| name.strip_prefix('.').is_some_and(is_name));
    let old = names.iter().skip(keep).filter(|name| !used.contains(name));
    let removed = left.map(|name| remove(&releases.join(name))).chain(old.map(|name| gone(&releases, name)));
    // A release that can't be removed is no reason to keep the rest.
    removed.fold(Ok(()), Result::and)
}

/// When a release was made: the second is in its name; of those of one second, by the time of the folder.
fn age(releases: &Path, name: &str) -> (String, Option<SystemTime>) {
    let second = name.split('-').next().unwrap_or(name).to_owned();
    (second, std::fs::metadata(releases.join(name)).and_then(|meta| meta.modified()).ok())
}
