//! A turn at the site: the lock, with nothing of an earlier switch left undone.

use anyhow::Result;
use bg_probe::live::lingering;
use bg_probe::live::pending;
use bg_probe::say::Voice;
use bg_probe::site::holder::Errand;
use bg_probe::site::launched::Launched;
use bg_probe::site::lock::{Lock, Wait};
use bg_probe::site::settings::Site;

/// Takes the lock, and settles a switch that was cut short.
///
/// # Errors
/// Those of [`Lock::take`] and [`pending::settle`].
pub(crate) fn take(site: &Site, wait: Wait, voice: Voice) -> Result<Lock> {
    take_on(site, wait, voice, None)
}

/// The same for an errand.
///
/// # Errors
/// Those of [`take`].
pub(crate) fn take_on(site: &Site, wait: Wait, voice: Voice, errand: Option<Errand>) -> Result<Lock> {
    let lock = Lock::take_on(site, wait, voice, errand)?;
    if let Some(words) = pending::settle(site)? {
        voice.warn(&words);
    }
    if let Some(words) = lingering::settle(site)? {
        voice.done("launch", &words, None);
    }
    for slot in site.slots.both() {
        if let Some(why) = Launched::damage(&site.dir, &slot.name) {
            let path = site.dir.process(&slot.name);
            voice.warn(&format!(
                "{} is damaged ({why}); nothing of it runs, and the next launch there writes it anew",
                path.display()
            ));
        }
    }
    Ok(lock)
}
