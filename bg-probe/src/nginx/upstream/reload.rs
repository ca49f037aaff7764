//! The reload form: one address, rewritten at each switch and followed by a reload.

use crate::nginx::conf::spelled;
use crate::nginx::upstream::{Form, Upstream, VARIABLE};
use crate::site::settings::Site;
use crate::site::slot::Slot;
use anyhow::{Context, Result, bail};

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

impl Upstream {
    /// The text of the file in the reload form for `slot`: its port in place of the other one's, or its group in place
    /// of the other one's, and nothing else changed.
    ///
    /// # Errors
    /// Those of [`Upstream::ensure_movable`]; when the file has the link form, which is written once.
    pub fn moved_to(&self, site: &Site, slot: &Slot) -> Result<String> {
        match self.form() {
            Form::Reload => {}
            Form::Link => bail!("the file has the link form"),
        }
        self.ensure_movable(site)?;
        let found = self.found(site).context("no slot's address")?;
        let mut text = self.text.clone();
        text.replace_range(self.address.span.clone(), &spelled(&found.moved_to(&site.app, slot)));
        Ok(text)
    }
}
