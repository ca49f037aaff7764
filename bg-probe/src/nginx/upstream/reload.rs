//! The reload form: one address, rewritten at each switch and followed by a reload.

use crate::nginx::conf::spelled;
use crate::nginx::upstream::VARIABLE;
use crate::site::settings::Site;
use crate::site::slot::Slot;

/// Why nginx and a file of this form may disagree.
pub(super) const SUSPICION: &str = "an edit that was never reloaded, or a reload that failed";

/// The whole text of a new file.
#[must_use]
pub fn text(site: &Site, slot: &Slot) -> String {
    with(&site.address.in_a_new_file(&site.app, slot))
}

/// The whole text of a file with this address.
#[must_use]
pub fn with(address: &str) -> String {
    format!("set {VARIABLE} {};\n", spelled(address))
}
