//! Who still meets the old slot after the command has ended with success.

use std::thread;
use std::time::Duration;

use bg_tests::http;

use crate::args::Row;
use crate::figure::Figure;
use crate::place::{Mover, Place, slot_after};
use crate::watch;

const VISITORS: usize = 4;
const VISITS: usize = 50;

pub(crate) fn measure(times: usize) -> Vec<Figure> {
    let place = Place::with_applications();
    let movers = [place.bare(), place.by_reload(), place.by_link()];
    let mut samples = [const { Vec::new() }; 3];
    for _ in 0..times.div_ceil(2) {
        for (mover, samples) in movers.iter().zip(&mut samples) {
            samples.extend([1, 0].map(|to| after(&place, mover, to)));
        }
    }
    let what = "old answers in 200 fresh connections after the command";
    movers.iter().zip(samples).map(|(mover, samples)| Figure::new(Row::Stale, mover.name, what, "", samples)).collect()
}

/// How many of the fresh connections after a switch reach the old slot, or nothing.
fn after(place: &Place, mover: &Mover, switches: usize) -> f64 {
    let slot = slot_after(switches);
    let front = mover.site.front();
    mover.go(slot);
    let visitor = || {
        let stale = |_: &usize| !http::get(&front).is_ok_and(|answer| answer.body == slot);
        (0..VISITS).filter(stale).count()
    };
    let stale: usize = thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(visitor)).collect();
        visitors.into_iter().filter_map(|visitor| visitor.join().ok()).sum()
    });
    // Not before nginx has moved may the file be written again.
    watch::first(&front, slot, watch::CALMLY, Duration::from_secs(30));
    place.settle();
    f64::from(u32::try_from(stale).unwrap_or(u32::MAX))
}
