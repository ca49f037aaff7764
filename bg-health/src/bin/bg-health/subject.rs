//! The slot in question: that of the record on stdin, or the one that was named.

use anyhow::Result;
use bg_probe::live::{stale, subject};
use bg_probe::nginx::upstream::site_of;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::settings::Settings;
use bg_probe::site::slot::Choice;

/// Where the record to work on comes from, and how much to print about it.
pub(crate) struct Subject {
    pub(crate) settings: Settings,
    /// The slot that was named; then no record is read.
    pub(crate) slot: Option<Choice>,
    pub(crate) voice: Voice,
}

impl Subject {
    /// The record to work on. Nothing is touched here, so a slot that was named can be checked also where it is not known
    /// which one is live, as on a machine without nginx.
    ///
    /// # Errors
    /// Those of [`subject::subject`]; [`Exit::Unsure`] for a record of a launch that the slot has no longer.
    pub(crate) fn record(&self) -> Result<Record> {
        self.record_or(Exit::Refused)
    }

    /// The same, where to find that no slot is live ends with this code.
    ///
    /// # Errors
    /// Those of [`Subject::record`].
    pub(crate) fn record_or(&self, none_live: Exit) -> Result<Record> {
        let record = subject::subject_or(&self.settings, self.slot.as_ref(), none_live);
        let record = match (&self.slot, record) {
            (Some(Choice::Named(name)), Err(why)) if Exit::of(&why) == Exit::Unsure => {
                self.voice.detail(&format!("{why:#}"));
                let site = site_of(&self.settings)?;
                let slot = site.slots.named(name.as_str())?.clone();
                Ok(Record::new(site, slot, None))
            }
            (_, record) => record,
        }?;
        stale::ensure_in_slot(&record)?;
        Ok(record)
    }
}
