//! The last look before anything in a slot is touched: a record can be old.

use crate::live::front::{Answer, FRONT_WITHIN, Front};
use crate::live::lingering::Lingering;
use crate::live::unsure::not_to_be_touched;
use crate::live::verdict::{Verdict, live};
use crate::live::witnesses::{By, Heard};
use crate::record::Record;
use crate::say::exit::Exit;
use crate::site::advice::Advice;
use crate::site::settings::Site;
use crate::site::slot::Slot;
use anyhow::Result;
use serde::Deserialize;

/// Refuses a slot that is live or may be.
///
/// # Errors
/// [`Exit::Unsure`], also when nobody can tell.
pub fn ensure_idle(site: &Site, slot: &Slot) -> Result<()> {
    ensure_not_live(site, slot)?;
    let Some(lingering) = Lingering::of(site).filter(|lingering| lingering.old == *slot) else { return Ok(()) };
    let end = Advice::call(site, "bg-switch", &["--linger", "0"]);
    Err(Exit::Unsure.refuse(
        format!("{slot} still serves: {lingering}. Nothing in it was touched"),
        format!("wait for that; or have all of them moved now with: {end}"),
    ))
}

/// The same, where it does not count that some visitors stay in the slot: they will be moved first.
///
/// # Errors
/// Those of [`ensure_idle`].
pub fn ensure_not_live(site: &Site, slot: &Slot) -> Result<()> {
    ensure_not_live_by(&live(site, By::Both, FRONT_WITHIN)?, site, slot)
}

/// The same by a verdict of this moment.
///
/// # Errors
/// Those of [`ensure_idle`].
pub fn ensure_not_live_by(verdict: &Verdict, site: &Site, slot: &Slot) -> Result<()> {
    verdict.ensure_stands_in_for_nobody(site, slot)?;
    if verdict.share_of(slot) > 0 {
        verdict.ensure_one_is_idle(site)?;
        return Err(Exit::Unsure.refuse(
            format!("{}: nothing in it may be touched", verdict.in_words()),
            format!(
                "move nginx to the other slot first, if a release runs there: {}",
                Advice::call(site, "bg-switch", &["--to", site.slots.other(&slot.name).name.as_str()])
            ),
        ));
    }
    Ok(())
}

/// Refuses the slot of a record that answers visitors in place of the live one, as the record has it.
///
/// # Errors
/// [`Exit::Unsure`], with the two ways to end that.
pub fn ensure_stands_in_for_nobody(record: &Record) -> Result<()> {
    /// What bg-probe has found out, as far as it matters here.
    #[derive(Deserialize)]
    struct Probe {
        stand_in: Option<String>,
    }
    let (slot, stand_in) = (&record.slot, record.get::<Probe>("probe")?.and_then(|probe| probe.stand_in));
    match &record.live {
        Some(live) if stand_in.as_deref() == Some(slot.name.as_str()) => {
            Err(not_to_be_touched(&record.site, live, slot))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether nginx serves a slot or is set to, whatever the verdict: nobody there may be taken over.
///
/// # Errors
/// When the front can't be looked up.
pub fn is_named(site: &Site, slot: &Slot) -> Result<bool> {
    let front = Front::of(site)?;
    let heard = Heard::now(site, By::Both, front.as_ref(), FRONT_WITHIN);
    let has_share = heard.shares.is_some();
    Ok(has_share || heard.front == Some(Answer::Slot(slot.clone())) || heard.file == Some(Ok(slot.clone())))
}
