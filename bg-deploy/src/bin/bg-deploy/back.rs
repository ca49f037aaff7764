//! The way back: the slot that a rollback goes to once nginx is on the slot of a record.

use bg_probe::record::Record;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Slot;

/// The slot that was live when this began; where none was, as after a crash of both or a reboot, the other one, if it holds a
/// release that visitors have been in. A rollback starts that again.
pub(crate) fn slot(record: &Record) -> Option<&Slot> {
    let dir = &record.site.dir;
    let other = record.site.slots.other(&record.slot.name);
    let was_seen = || dir.release(&other.name).is_some() && !Launched::never_served(dir, &other.name);
    (record.live_beside().is_some() || was_seen()).then_some(other)
}
