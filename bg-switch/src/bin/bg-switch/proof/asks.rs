//! What is asked of the front: as which kinds of visitor, and which slot each must be answered by.

use bg_probe::live::front::is_nginx_own;
use bg_probe::site::closed::is_closed;
use bg_probe::site::route::Route;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::visitor::Visitor;

/// The questions, asked one after the other and over again; there is always one.
pub(crate) struct Asks {
    first: (Visitor, Slot),
    others: Vec<(Visitor, Slot)>,
}

impl Asks {
    /// Whoever asks must be answered by `slot`.
    pub(crate) fn of_all(slot: &Slot) -> Asks {
        Asks { first: (Visitor::Prober, slot.clone()), others: Vec::new() }
    }

    /// Visitors must be answered as this route has it: some of each slot that it leads to. Where the site is closed, the
    /// application's own pages are asked as one who says the slot, for visitors would get none.
    pub(crate) fn of(route: &Route, site: &Site) -> Asks {
        let sees = |(visitor, slot): (Visitor, Slot)| match visitor {
            Visitor::Number(_) | Visitor::WasIn(_) if is_closed(&site.dir) && !is_nginx_own(&site.front) => {
                (Visitor::Of(slot.name.clone()), slot)
            }
            visitor => (visitor, slot),
        };
        Asks { others: route.sample().into_iter().map(sees).collect(), ..Asks::of_all(route.live()) }
    }

    /// The question that comes after `count` answers.
    pub(super) fn after(&self, count: u32) -> (&Visitor, &Slot) {
        let at = usize::try_from(count).unwrap_or_default() % (self.others.len() + 1);
        let (visitor, slot) = at.checked_sub(1).and_then(|at| self.others.get(at)).unwrap_or(&self.first);
        (visitor, slot)
    }

    /// How many slots must answer.
    pub(crate) fn slots(&self) -> u32 {
        if self.others.iter().all(|(_, slot)| *slot == self.first.1) { 1 } else { 2 }
    }
}
