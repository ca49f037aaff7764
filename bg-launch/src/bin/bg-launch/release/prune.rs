//! Making room: the oldest releases are taken out under the lock, by a rename each, and removed by a process that nobody
//! waits for. A thousand of them would take seconds, and those are of the deploy.

use crate::release::names::{is_name, names, names_in, newest_first};
use crate::release::{remains, taken_out};
use crate::start::surroundings::Surroundings;
use anyhow::Result;
use bg_probe::os::replace::sync_folder_of;
use bg_probe::site::digest;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use bg_probe::site::past;
use bg_probe::site::prepared::Prepared;
use bg_probe::site::unserved;

/// Takes out all but the newest `keep` releases, and never `spared` or one in use, and has them and what earlier runs have
/// left removed.
///
/// # Errors
/// When it can't be read what a slot has; the first of them that can't be renamed, after all the others are.
pub(crate) fn prune(dir: &Dir, keep: usize, spared: Option<&str>) -> Result<()> {
    let used = used(dir)?;
    let releases = dir.releases();
    let out_of_reach = out_of_reach(dir, &used);
    let is_spared =
        |name: &String| used.contains(name) || Some(name.as_str()) == spared || Some(name) == out_of_reach.as_ref();
    let old: Vec<String> = newest_first(dir)?.into_iter().skip(keep).filter(|name| !is_spared(name)).collect();
    // A release that can't be renamed is no reason to keep the rest.
    let renamed = old.iter().map(|name| taken_out(&releases, name).map(drop)).fold(Ok(()), Result::and);
    if !old.is_empty() {
        // Once for all of them: it is what takes time.
        sync_folder_of(&releases.join("any"))?;
    }
    renamed.and(Surroundings::prune(dir)).and(prune_signs(dir)).and(remains::leave_to_be_removed(&releases))
}

/// Removes the signs of releases that are gone.
fn prune_signs(dir: &Dir) -> Result<()> {
    let folder = dir.unserved();
    if !folder.exists() {
        return Ok(());
    }
    let releases = names(dir)?;
    let signs = names_in(&folder)?;
    signs
        .iter()
        .filter(|name| !releases.contains(name))
        .map(|name| unserved::forget(dir, name))
        .fold(Ok(()), Result::and)
}

/// The release to go back to, where all that are in use are made of the same artifact: it was deployed twice, and neither slot
/// has that one any more.
pub(crate) fn out_of_reach(dir: &Dir, used: &[String]) -> Option<String> {
    let digests: Option<Vec<String>> = used.iter().map(|name| digest::of_release(dir, name)).collect();
    let digests = digests?;
    let (first, others) = digests.split_first()?;
    if others.iter().any(|other| other != first) {
        return None;
    }
    past::last_other(dir, first)
}

/// The releases that a slot holds or has started last, or held before what is prepared in it: any slot there ever was, for one that has another name by now may
/// still be running.
///
/// # Errors
/// When it can't be read what a slot has.
pub(crate) fn used(dir: &Dir) -> Result<Vec<String>> {
    let mut used = Vec::new();
    let slots = dir.root().join("slots");
    if !slots.exists() {
        return Ok(used);
    }
    for slot in names_in(&slots)?.iter().filter_map(|slot| slot.parse().ok()) {
        used.extend(dir.release(&slot));
        used.extend(Launched::of(dir, &slot)?.map(|last| last.release));
    }
    // The one to go back to while another one waits in its place.
    used.extend(Prepared::of(dir).and_then(|prepared| prepared.replaced().map(str::to_owned)));
    used.retain(|name| is_name(name));
    Ok(used)
}
