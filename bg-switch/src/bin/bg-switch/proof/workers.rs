//! The workers' proof: those of the old configuration are gone, and others have come in their place.

use crate::proof::{LOOK_EVERY, Unseen, Witnesses};
use bg_probe::os::deadline::Deadline;

/// The reason while the proof has not come.
pub(super) const STILL_THERE: &str = "nginx's old workers still took connections";

impl Witnesses<'_> {
    /// Waits until nginx's workers have all read the configuration anew.
    pub(super) fn in_the_workers(&self, deadline: Deadline) -> Result<(), Unseen> {
        let Some(before) = self.reloaded.as_ref().and_then(|reloaded| reloaded.before.as_ref()) else {
            return Err(Unseen::Late("there is no front to ask and no worker to watch".into()));
        };
        let late = || Err(Unseen::Late(STILL_THERE.into()));
        let look = || {
            Ok(match () {
                () if before.is_followed() && before.has_left() => Some(Ok(())),
                () if self.is_interrupted() => Some(Err(Unseen::Interrupted)),
                () if self.is_refused() => Some(late()),
                () => None,
            })
        };
        deadline.poll(LOOK_EVERY, look).ok().flatten().unwrap_or_else(late)
    }
}
