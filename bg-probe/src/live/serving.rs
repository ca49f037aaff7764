//! Who answers the visitors. The last words of a program that failed name it, and somebody acts on them at night: so they
//! go by shares, by what stands in and by what is closed, and not by the live slot alone.

use crate::record::Record;
use crate::site::closed::is_closed;
use crate::site::dir::Dir;
use crate::site::slot::Slot;
use crate::site::spoken;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What answers the visitors, as a record of bg-probe has it. It is true as long as the record is.
#[derive(Debug)]
pub struct Serving<'a> {
    dir: &'a Dir,
    who: Who<'a>,
    is_closed: bool,
}

/// Who answers them while the site is open.
#[derive(Debug)]
enum Who<'a> {
    /// The live slot.
    Live(&'a Slot),
    /// Nobody: it does not listen.
    Down(&'a Slot),
    /// The second one in place of the first, which does not listen.
    StandIn(&'a Slot, &'a Slot),
    /// Both slots, each so many of a hundred; the one with the larger share first.
    Both([(&'a Slot, u8); 2]),
}

/// What bg-probe has found out, as far as it matters here.
#[derive(Deserialize)]
struct Probe {
    stand_in: Option<String>,
}

impl<'a> Serving<'a> {
    /// What the record has; `None` where no slot is live in it.
    #[must_use]
    pub fn of(record: &'a Record) -> Option<Serving<'a>> {
        let (slots, live) = (&record.site.slots, record.live.as_ref()?);
        let shares: Option<BTreeMap<String, u8>> = record.get("shares").ok().flatten();
        let stand_in = record.get::<Probe>("probe").ok().flatten().and_then(|probe| probe.stand_in);
        let other = slots.other(&live.name);
        let who = match shares {
            Some(shares) => {
                let of = |slot: &'a Slot| (slot, shares.get(slot.name.as_str()).copied().unwrap_or_default());
                Who::Both([of(live), of(other)])
            }
            None if live.listens() => Who::Live(live),
            None if stand_in.as_deref() == Some(other.name.as_str()) && other.listens() => Who::StandIn(live, other),
            None => Who::Down(live),
        };
        let dir = &record.site.dir;
        Some(Serving { dir, who, is_closed: is_closed(dir) })
    }

    /// The live slot, where it answers all visitors itself.
    #[must_use]
    pub fn by_one(&self) -> Option<&'a Slot> {
        match self.who {
            Who::Live(live) if !self.is_closed => Some(live),
            Who::Live(_) | Who::Down(_) | Who::StandIn(..) | Who::Both(_) => None,
        }
    }

    /// The same in words. Of what listens it is said `how`: as before, or since when.
    #[must_use]
    pub fn in_words(&self, how: &str) -> String {
        let held = |slot: &Slot| spoken::slot(self.dir, slot);
        let words = match self.who {
            Who::Live(live) => format!("{}, {how}", held(live)),
            Who::Down(live) => format!("nothing: {} is live, but does not listen", held(live)),
            Who::StandIn(live, other) => {
                format!("{}, which stands in for {}: that is live, but does not listen", held(other), held(live))
            }
            Who::Both([(live, most), (other, few)]) => {
                format!("{} for {most} % of the visitors, {} for {few} %", held(live), held(other))
            }
        };
        if self.is_closed { format!("nobody: the site is closed to visitors; behind it {words}") } else { words }
    }
}
