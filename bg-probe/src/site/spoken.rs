//! What a release, and a slot by what it holds, is called in a message.

use crate::say;
use crate::site::dir::Dir;
use crate::site::slot::Slot;

/// A release by its file or, without one, by its name.
#[must_use]
pub fn release(dir: &Dir, name: &str) -> String {
    match dir.file_of(name) {
        Some(file) => say::clean(&file.to_string_lossy()),
        None => format!("release {}", say::clean(name)),
    }
}

/// What a slot holds.
#[must_use]
pub fn slot(dir: &Dir, slot: &Slot) -> String {
    dir.release(&slot.name).map_or_else(|| slot.to_string(), |name| format!("{} in {slot}", release(dir, &name)))
}
