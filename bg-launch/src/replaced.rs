//! The release that a slot held before a launch, and putting it back.
//!
//! A release that failed is stopped, and nobody wants it again: going back, and starting what the slot holds, mean the
//! release that was there before.

use anyhow::Result;
use bg_probe::os::replace;
use bg_probe::say::exit::Exit;
use bg_probe::site::dir::Dir;
use bg_probe::site::prepared::Prepared;
use bg_probe::site::slot::Name;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;

/// The release that a slot held before a launch; `None` where it held none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Replaced(Option<String>);

impl Replaced {
    /// The release that `slot` holds now, before it is given another; where that was only prepared, the one before it, for no
    /// visitor has ever been in the one that was.
    #[must_use]
    pub fn by_what_comes_into(dir: &Dir, slot: &Name) -> Replaced {
        match Prepared::in_slot(dir, slot) {
            Some(prepared) => Replaced(prepared.replaced().map(str::to_owned)),
            None => Replaced(dir.release(slot)),
        }
    }

    /// The release's name.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Has `slot` hold it again.
    ///
    /// # Errors
    /// When it is not on disk any more, or the link can't be changed.
    pub fn put_back(&self, dir: &Dir, slot: &Name) -> Result<()> {
        let Some(name) = self.release() else { return replace::remove(&dir.current(slot)) };
        // It comes from a record: it must lead to a release and nowhere else.
        let is_name = !name.starts_with('.') && !name.contains('/');
        if !is_name || !dir.releases().join(name).is_dir() {
            let what = format!("{slot} held release {name:?} before, which is not on disk any more");
            return Err(Exit::Refused.refuse(what, "deploy a release, and the slot holds that one"));
        }
        replace::link(&dir.current(slot), &Path::new("../../releases").join(name))
    }
}

/// Reads a key that is there, also as `null`: a slot that held nothing differs from one of which nothing is known.
///
/// # Errors
/// When it is not a name.
pub(crate) fn there<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Replaced>, D::Error> {
    Replaced::deserialize(value).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Launch;

    #[test]
    fn a_slot_that_held_nothing_differs_from_one_of_which_nothing_is_known() {
        let read = |key: &str| {
            let json = format!(r#"{{"pid":1,"start_ticks":2,"boot_id":"b","release":"r","log":"l"{key}}}"#);
            let launch: Launch = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&launch).unwrap(), json);
            launch.replaced
        };
        assert_eq!(read(""), None);
        assert_eq!(read(r#","replaced":null"#), Some(Replaced(None)));
        assert_eq!(read(r#","replaced":"x""#), Some(Replaced(Some("x".into()))));
    }
}
