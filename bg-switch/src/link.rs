//! The switch in the link form: one `rename(2)` of the link `live`, which nginx looks through on every request.

use crate::proof::Witnesses;
use anyhow::{Context, Result, ensure};
use bg_probe::dir::{Dir, make};
use bg_probe::exit::Exit;
use bg_probe::replace;
use bg_probe::say;
use bg_probe::slot::Name;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Refuses an upstream file that looks at another folder's link: renaming ours would move nothing.
///
/// # Errors
/// When it does; the message names both.
pub(crate) fn ensure_ours(dir: &Dir, flag: &Path) -> Result<()> {
    let looks_at = flag.parent().unwrap_or(flag);
    ensure!(
        looks_at == dir.live(),
        "the upstream file looks at {}, but this deploy's link is {}: give the same --dir as when it was written",
        looks_at.display(),
        dir.live().display()
    );
    Ok(())
}

/// Makes what nginx looks up through the link while `slot` is live: a file of its name.
///
/// # Errors
/// When it can't be made.
pub(crate) fn route(dir: &Dir, slot: &Name) -> Result<PathBuf> {
    let route = Dir::route(slot);
    let folder = dir.root().join(&route);
    let file = folder.join(slot.as_str());
    make(&folder)?;
    if !file.is_file() {
        replace::file(&file, b"", 0o644)?;
    }
    Ok(route)
}

/// Moves the link to `slot` and waits for the proof; which evidence it was. Where there is no front to ask, the
/// link itself is the evidence: nginx keeps no copy of it.
///
/// # Errors
/// When the link can't be moved; [`Exit::NotMoved`] when the slot is not seen. The link is back where it was then,
/// and the message says what was seen of that.
pub(crate) fn switch(dir: &Dir, slot: &Name, witnesses: &Witnesses, within: Duration) -> Result<&'static str> {
    let before = std::fs::read_link(dir.live()).ok();
    replace::link(&dir.live(), &route(dir, slot)?)?;
    if witnesses.front.is_none() {
        return Ok("link");
    }
    witnesses.see(slot, within).map_err(|seen| {
        let why = format!("nginx did not move to {slot} within {}: {seen}", say::seconds(within));
        back(dir, before.as_deref(), witnesses, within, &why)
    })
}

fn back(dir: &Dir, before: Option<&Path>, witnesses: &Witnesses, within: Duration, why: &str) -> anyhow::Error {
    let undone = match before {
        Some(target) => replace::link(&dir.live(), target),
        None => replace::remove(&dir.live()),
    };
    if let Err(worse) = undone.with_context(|| format!("put {} back", dir.live().display())) {
        return Exit::NotMoved.because(format!("{why}. {worse:#}. Run the same command again once that can be done"));
    }
    let old = before.and_then(|target| target.file_name()?.to_str()?.parse::<Name>().ok());
    let Some(old) = old else { return Exit::NotMoved.because(format!("{why}. The link is gone again, as before")) };
    // An interrupt has been heard; what is left is to see that all is as it was.
    let calm = AtomicBool::new(false);
    let witnesses = Witnesses { front: witnesses.front, before: None, reloaded: false, interrupted: &calm };
    match witnesses.see(&old, within) {
        Ok(_) => Exit::NotMoved.because(format!("{why}. The link is back; {old} is serving, seen at the front")),
        Err(seen) => Exit::NotMoved.because(format!("{why}. The link is back at {old}, but {seen}")),
    }
}
