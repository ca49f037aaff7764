//! What visitors lose by switches while they work: 64 keep-alive connections that do not retry, and 8 WebSockets.

use std::time::{Duration, Instant};

use bg_tests::until;

use crate::args::Row;
use crate::figure::Figure;
use crate::load::Visitors;
use crate::place::{Mover, Place, slot_after};
use crate::websocket::WebSockets;

const CONNECTIONS: usize = 64;
const WEBSOCKETS: usize = 8;

/// How long the visitors are let alone between two switches.
const BETWEEN: Duration = Duration::from_millis(100);

pub(crate) const FAILED: &str = "requests failed";
pub(crate) const CUT: &str = "connections cut";
pub(crate) const REFUSED: &str = "WebSockets refused, of 8";
pub(crate) const CLOSED: &str = "WebSockets closed";

pub(crate) fn measure(switches: usize) -> Vec<Figure> {
    let place = Place::with_applications();
    let movers = [place.bare(), place.by_printed_reload(), place.by_link()];
    movers.iter().flat_map(|mover| by(mover, switches)).collect()
}

/// One contestant: a count each, of all switches together.
fn by(mover: &Mover, switches: usize) -> Vec<Figure> {
    // To and fro before anything counts: seen to move, nginx has read the file and it may be written again.
    mover.go_and_see(slot_after(1));
    mover.go_and_see(slot_after(0));
    let websockets = WebSockets::open(&mover.site.url, WEBSOCKETS);
    let visitors = Visitors::start(&mover.site.url, CONNECTIONS, Duration::ZERO);
    for switch in 1..=switches {
        let next = Instant::now() + BETWEEN;
        mover.go_and_see(slot_after(switch));
        until(BETWEEN * 2, "time passes", || Instant::now() >= next);
    }
    let tally = visitors.stop();
    let (opened, closed) = websockets.close();
    let count = |what, count: u64| {
        Figure::new(Row::Lost, mover.name, what, "", vec![f64::from(u32::try_from(count).unwrap_or(u32::MAX))])
    };
    let mut figures = vec![
        count("switches", switches as u64),
        count("requests", tally.requests()),
        count(FAILED, tally.failures()),
        count(CUT, tally.cut),
        count(REFUSED, (WEBSOCKETS - opened) as u64),
    ];
    // A site that lets none through can't close any.
    figures.extend((opened > 0).then(|| count(CLOSED, closed as u64)));
    figures
}
