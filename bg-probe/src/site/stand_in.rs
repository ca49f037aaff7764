//! The stand-in: where nobody listens in the slot that a visitor goes to, nginx may ask the other one.
//!
//! A file says so, for each slot one, at which the printed site looks: `backed/visitors/set1` is there where set2 may stand
//! in for set1. It is true of set2 alone, whichever of them is live: nginx was moved to its release with proof, and nobody
//! has touched that since. So bg-switch makes the file when a switch to set2 is proven, and bg-launch removes it before it
//! touches set2; a kill in between leaves no stand-in, or one that is fit.

use crate::os::folder::make;
use crate::os::replace;
use crate::site::dir::Dir;
use crate::site::settings::Site;
use crate::site::sign;
use crate::site::slot::{Name, Slot};
use anyhow::{Context, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The header by which the printed site's page of the live slot says that nginx asks the other slot where the live one does not
/// answer.
pub const HEADER: &str = "X-Bg-Stand-In";

/// The folder of the files, for requests of this kind, as the printed site has it in a variable.
#[must_use]
pub fn folder(dir: &Dir, who: &str) -> PathBuf {
    dir.root().join("backed").join(who)
}

/// What the site's variable says of a visitor: whoever says which slot is asked, or asks which one is live, has no stand-in.
pub const VISITORS: &str = "visitors";

/// The file that has the other slot stand in for this one.
#[must_use]
pub fn file(dir: &Dir, backed: &Name) -> PathBuf {
    folder(dir, VISITORS).join(backed.as_str())
}

/// Whether `slot` may stand in for the other one.
#[must_use]
pub fn is_fit(site: &Site, slot: &Slot) -> bool {
    file(&site.dir, &site.slots.other(&slot.name).name).exists()
}

/// Lets `slot`, which nginx was seen to serve, stand in for the other one.
///
/// # Errors
/// When the file can't be made; [`crate::say::exit::Exit::Refused`] where something else is in its place.
pub fn allow(site: &Site, slot: &Slot) -> Result<()> {
    make(&folder(&site.dir, VISITORS))?;
    sign::make(&file(&site.dir, &site.slots.other(&slot.name).name))
}

/// Has `slot` stand in for nobody any more, for good.
///
/// # Errors
/// When the file is there and can't be removed; nothing in the slot may be touched then.
pub fn end(site: &Site, slot: &Slot) -> Result<()> {
    let backed = &site.slots.other(&slot.name).name;
    for file in [file(&site.dir, backed), suspended(&site.dir, backed)] {
        if is_there(&file) {
            replace::remove(&file).with_context(|| left_alone(slot))?;
        }
    }
    Ok(())
}

/// The same while its release is started again: what was fit once may be so again, as [`resume`] has it.
///
/// # Errors
/// Those of [`end`].
pub fn suspend(site: &Site, slot: &Slot) -> Result<()> {
    let backed = &site.slots.other(&slot.name).name;
    let (fit, suspended) = (file(&site.dir, backed), suspended(&site.dir, backed));
    if !is_there(&fit) {
        return Ok(());
    }
    let moved = || {
        make(&folder(&site.dir, SUSPENDED))?;
        std::fs::rename(&fit, &suspended).with_context(|| format!("rename {}", fit.display()))?;
        replace::sync_folder_of(&fit)
    };
    moved().with_context(|| left_alone(slot))
}

/// Lets `slot`, which was live until now and listens, stand in again, where it was fit before its release was started again.
///
/// # Errors
/// Those of [`allow`].
pub fn resume(site: &Site, slot: &Slot) -> Result<()> {
    let suspended = suspended(&site.dir, &site.slots.other(&slot.name).name);
    if !is_there(&suspended) {
        return Ok(());
    }
    allow(site, slot)?;
    replace::remove(&suspended)
}

/// In the place of [`VISITORS`], where nginx looks for nobody.
const SUSPENDED: &str = "suspended";

fn suspended(dir: &Dir, backed: &Name) -> PathBuf {
    folder(dir, SUSPENDED).join(backed.as_str())
}

fn is_there(file: &Path) -> bool {
    let there = std::fs::symlink_metadata(file);
    !matches!(there, Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

fn left_alone(slot: &Slot) -> String {
    format!("{slot} can't be kept from standing in, so it is left alone")
}
