//! The switch in the link form: one `rename(2)` of the link `live`, which nginx looks through on every request.

use crate::proof::{Witnesses, as_before};
use anyhow::{Context, Result};
use bg_probe::os::replace;
use bg_probe::say::exit::Exit;
use bg_probe::site::dir::{Dir, make};
use bg_probe::site::slot::{Name, Slot};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Refuses an upstream file that looks at another folder's link: renaming ours would move nothing.
///
/// # Errors
/// [`Exit::Unsure`] when it does; the message names both.
pub(crate) fn ensure_ours(dir: &Dir, flag: &Path) -> Result<()> {
    let looks_at = flag.parent().unwrap_or(flag);
    if dir.has_link(flag) {
        return Ok(());
    }
    Err(Exit::Unsure.because(format!(
        "the upstream file looks at {}, but this deploy's link is {}: give the same --dir as when it was written, \
         or have it look here with bg-switch --convert link",
        looks_at.display(),
        dir.live().display()
    )))
}

/// Makes what nginx looks up through the link while `slot` is live: a file of its name.
///
/// # Errors
/// When it can't be made.
pub(crate) fn route(dir: &Dir, slot: &Name) -> Result<PathBuf> {
    let route = Dir::route(slot);
    let folder = dir.root().join(&route);
    let file = folder.join(slot.as_str());
    if !file.is_file() {
        make(&folder)?;
        replace::sync_folder_of(&folder)?;
        replace::file(&file, b"", 0o644)?;
    }
    Ok(route)
}

/// Moves the link from where `from` serves to `slot`, and waits for the proof; which evidence it was. Where there is
/// no front to ask, the link itself is the evidence: nginx keeps no copy of it.
///
/// # Errors
/// When the link can't be moved; [`Exit::NotMoved`] when the slot is not seen. The link is back where it was then,
/// and the message says what was seen of that.
pub(crate) fn switch(
    dir: &Dir,
    from: Option<&Slot>,
    slot: &Slot,
    witnesses: &Witnesses,
    within: Duration,
) -> Result<&'static str> {
    let before = std::fs::read_link(dir.live()).ok();
    let route = route(dir, &slot.name)?;
    let why = match (replace::link(&dir.live(), &route), witnesses.front) {
        (Ok(()), None) => return Ok("link"),
        (Ok(()), Some(_)) => match witnesses.see(slot, within) {
            Ok(evidence) => return Ok(evidence),
            Err(unseen) => Exit::NotMoved.because(unseen.in_words(slot, within)),
        },
        (Err(why), _) if std::fs::read_link(dir.live()).ok() == before => return Err(why),
        // It was moved, and only the last fsync has failed.
        (Err(why), _) => why,
    };
    let undone = match &before {
        Some(target) => replace::link(&dir.live(), target),
        None => replace::remove(&dir.live()),
    };
    let now = match undone.with_context(|| format!("put {} back", dir.live().display())) {
        Ok(()) => {
            let now = witnesses.front.zip(from).map(|(front, from)| as_before(front, from, None, within).0);
            format!("The link is as it was; {}", now.as_deref().unwrap_or("no slot was seen live before"))
        }
        Err(worse) => format!("{worse:#}. Run the same command again once that can be done"),
    };
    Err(Exit::of(&why).because(format!("{why:#}. {now}")))
}
