//! What follows a switch that was seen. nginx has moved, so whatever fails here is a warning.

use anyhow::Result;
use bg_probe::say::Voice;
use bg_probe::site::advice::Advice;
use bg_probe::site::first_to_go::put_back;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Name, Slot};
use bg_probe::site::stand_in;

/// Puts the release that serves now back among those that the kernel ends last when memory runs out: while it booted
/// beside a live one, it was the first. Also where nginx was there already, for an earlier switch may have come no further.
pub(crate) fn keep(site: &Site, slot: &Name, voice: Voice) {
    let launched = Launched::of(&site.dir, slot);
    if let Err(why) = launched.and_then(|launched| launched.as_ref().map_or(Ok(()), put_back)) {
        let words = format!(
            "{slot} serves, but is still the first to go when memory runs out: {why:#}. \
             As the user it runs as, or as root: {}",
            Advice::call_by(0, site, "bg-switch", &["--to", slot.as_str()])
        );
        voice.warn(&words);
    }
}

/// Writes down that visitors have been in what runs there: who has found it healthy before that knows nothing of how it went.
pub(crate) fn note_visitors(site: &Site, slot: &Slot, voice: Voice) {
    let launched = Launched::of(&site.dir, &slot.name);
    let noted =
        launched.and_then(|launched| launched.map_or(Ok(()), |launched| launched.note_visitors(&site.dir, &slot.name)));
    if let Err(why) = noted {
        voice.warn(&format!("nginx has moved, but that {slot} has had visitors could not be written down: {why:#}"));
    }
}

/// Lets the slot that serves stand in for the other one from the next switch on: nginx was seen to serve it, and bg-launch
/// knows when what runs there is touched. Of what it has not started nobody knows that.
pub(crate) fn settle_stand_in(site: &Site, slot: &Slot, voice: Voice) {
    let runs = Launched::runs_in(&site.dir, &slot.name).unwrap_or_default();
    let settled = if runs { stand_in::allow(site, slot) } else { stand_in::end(site, slot) };
    settled_or_told(settled, slot, voice);
}

/// Lets the slot that was left stand in again, where it was fit before its release was started again.
pub(crate) fn resume_stand_in(site: &Site, slot: &Slot, voice: Voice) {
    settled_or_told(stand_in::resume(site, slot), slot, voice);
}

fn settled_or_told(settled: Result<()>, slot: &Slot, voice: Voice) {
    if let Err(why) = settled {
        voice.warn(&format!("nginx has moved, but whether {slot} may stand in could not be written down: {why:#}"));
    }
}
