//! What visitors notice, side by side: of all rows what somebody sees who only uses the site.

use crate::args::Row;
use crate::figure::{Figure, median};
use crate::table::number;
use crate::{moves, place, throughput, visitors};

/// The contestants, each with a name in its row.
pub(crate) const COLUMNS: [&str; 3] = [visitors::SCRIPTS, visitors::FORMER, visitors::PRINTED];

/// One line a thing to notice; what was not measured has no cell.
pub(crate) fn lines(figures: &[Figure]) -> Vec<(String, [Option<String>; 3])> {
    let of = |row, what, names: [&str; 3]| names.map(|who| median(figures, row, who, what));
    let sites = [throughput::SCRIPTS, throughput::FORMER, throughput::PRINTED];
    let [(_, none), _, (_, many)] = moves::OTHERS;
    let movers = [place::BARE, "", place::LINK];
    let (alone, among) = (of(Row::Switch, none, movers), of(Row::Switch, many, movers));
    let ratios: [Option<f64>; 3] = std::array::from_fn(|at| Some(among[at]? / alone[at]?));
    let met = [visitors::SENT, visitors::GETS, visitors::POSTS, visitors::ASKED, visitors::MET];
    let mut lines: Vec<(&str, [Option<f64>; 3])> =
        met.into_iter().map(|what| (what, of(Row::Visitors, what, COLUMNS))).collect();
    lines.push((throughput::WHAT, of(Row::Throughput, throughput::WHAT, sites)));
    lines.push(("worker CPU a request, µs", of(Row::Throughput, throughput::CPU, sites)));
    lines.push(("a switch among 1000 other sites against one among none", ratios));
    lines.into_iter().map(|(what, cells)| (what.to_owned(), cells.map(|cell| cell.map(number)))).collect()
}
