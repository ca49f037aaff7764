//! How long from the switch command to the first answer of the new slot, on a fresh connection.

use std::time::{Duration, Instant};

use crate::args::Row;
use crate::figure::Figure;
use crate::place::{Mover, Place, end, slot_after};
use crate::{others, watch};

/// How many other sites there are in the same nginx.
pub(crate) const OTHERS: [(usize, &str); 3] =
    [(0, "0 other sites"), (100, "100 other sites"), (1000, "1000 other sites")];

/// Reloads with a thousand sites take seconds; a link switch is repeated more often, as it is short.
const MORE: usize = 3;

pub(crate) fn measure(times: usize) -> Vec<Figure> {
    let place = Place::with_applications();
    let mut figures = Vec::new();
    for (count, what) in OTHERS {
        others::add(&place.world, count);
        let reloads = if count < 1000 { times } else { times.div_ceil(4) };
        figures.extend(with(&place, what, reloads.next_multiple_of(2), times * MORE));
    }
    figures
}

fn with(place: &Place, what: &'static str, reloads: usize, links: usize) -> Vec<Figure> {
    let [bare, reload, link] = [place.bare(), place.by_reload(), place.by_link()];
    let mut samples = [const { Vec::new() }; 3];
    // To a known beginning, which warms up as well. The two movers of the scripts' site take turns, each to and fro.
    for mover in [&bare, &reload, &link] {
        mover.go_and_see(slot_after(1));
        mover.go_and_see(slot_after(0));
        place.settle();
    }
    for turn in 0..reloads / 2 {
        for (at, mover) in [&bare, &reload].into_iter().enumerate() {
            for to in [1, 0] {
                samples[at].push(move_to(mover, to));
                place.settle();
            }
        }
        let share = links * (turn + 1) / (reloads / 2) - links * turn / (reloads / 2);
        for _ in 0..share {
            samples[2].push(move_to(&link, samples[2].len() + 1));
        }
    }
    // For the next to begin with the first slot.
    link.go_and_see(slot_after(0));
    let movers = [bare, reload, link];
    movers
        .iter()
        .zip(samples)
        .map(|(mover, samples)| Figure::new(Row::Switch, mover.name, what, "ms", samples))
        .collect()
}

fn move_to(mover: &Mover, switches: usize) -> f64 {
    let slot = slot_after(switches);
    let began = Instant::now();
    let command = mover.begin(slot);
    let seen = watch::first(&mover.site.front(), slot, watch::CLOSELY, Duration::from_secs(60));
    end(command, mover.name);
    (seen - began).as_secs_f64() * 1e3
}
