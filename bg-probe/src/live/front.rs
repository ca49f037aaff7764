//! The front: what nginx itself answers when it is asked which slot it serves.

use crate::os::http::{Get, NoReply, Reply};
use crate::site::settings::{FrontSetting, Site};
use crate::site::slot::{Name, Slots};
use anyhow::Result;
use std::time::Duration;

/// How long the front may take for one answer, where nothing else is said.
pub const FRONT_WITHIN: Duration = Duration::from_secs(2);

/// The front of a site, ready to be asked.
pub struct Front {
    get: Get,
    slots: Slots,
}

/// What the front said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It named this slot.
    Slot(Name),
    /// It named none; what it said instead, in a few words: `502`, `302 to /login`, `connection refused`.
    NoSlot(String),
}

impl Front {
    /// The front of `site`; `None` where it has none.
    ///
    /// # Errors
    /// When its host can't be looked up.
    pub fn of(site: &Site) -> Result<Option<Front>> {
        let FrontSetting::At(url) = &site.front else { return Ok(None) };
        let get = Get::new(url, site.front_host.as_deref())?;
        Ok(Some(Front { get, slots: site.slots.clone() }))
    }

    /// Asks once, on a fresh connection.
    #[must_use]
    pub fn ask(&self, within: Duration) -> Answer {
        Answer::of(self.get.send(within), &self.slots)
    }
}

impl Answer {
    /// An answer names a slot only if it is 200 and its whole body, trimmed, is that slot's name: an error page
    /// that happens to contain `set1` says nothing.
    #[must_use]
    pub fn of(reply: Result<Reply, NoReply>, slots: &Slots) -> Answer {
        let reply = match reply {
            Ok(reply) => reply,
            Err(why) => return Answer::NoSlot(why.to_string()),
        };
        let text = String::from_utf8_lossy(&reply.body);
        match (reply.status, slots.named(text.trim())) {
            (200, Ok(slot)) if reply.whole => Answer::Slot(slot.name.clone()),
            (200, _) => Answer::NoSlot(format!("200 \"{}\"", crate::say::quoted(text.trim()))),
            (status, _) => match reply.location {
                Some(to) => Answer::NoSlot(format!("{status} to {}", crate::say::quoted(&to))),
                None => Answer::NoSlot(status.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let slots = "set1=8081,set2=8082".parse().unwrap();
        Answer::of(Ok(Reply { status, body: body.into(), whole: true, location: None }), &slots)
    }

    #[test]
    fn only_a_whole_200_names_a_slot() {
        assert_eq!(answer(200, " set2\n"), Answer::Slot("set2".parse().unwrap()));
        for (status, body) in
            [(200, ""), (200, "set1 set2"), (200, "real"), (200, "\"set1\""), (502, "set1"), (302, "set1")]
        {
            assert!(matches!(answer(status, body), Answer::NoSlot(_)), "{status} {body}");
        }
    }
}
