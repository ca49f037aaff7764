//! Staying with the old release, in the link form: what it needs of the site.

use crate::extras::Extras;
use crate::form::change::Change;
use crate::form::rules::Move;
use anyhow::Result;
use bg_probe::say::exit::Exit;

/// Refuses a site by which nobody could stay.
///
/// # Errors
/// [`Exit::Refused`], with what to install.
pub(super) fn ensure_possible(change: &Change, to_do: &Move) -> Result<()> {
    let wanted = Extras { sticky: true, ..Extras::default() };
    match wanted.missing(change.site, change.nginx, to_do.upstream) {
        Some(finding) => Err(Exit::Refused.refuse(finding.detail, finding.remedy.unwrap_or_default())),
        None => Ok(()),
    }
}
