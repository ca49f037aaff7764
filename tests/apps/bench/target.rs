//! What the programs must reach, and what of it they do.

use std::fmt;

use crate::args::Row;
use crate::figure::{Figure, median, total, turn_by_turn};
use crate::table::number;
use crate::{cost, deploy, lost, moves, place, throughput, visitors};

/// One thing that must be reached.
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) limit: Limit,
    pub(crate) measured: f64,
}

/// Where it is reached.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    /// Whether it is reached.
    pub(crate) fn reached(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.measured <= limit,
            Limit::AtLeast(limit) => self.measured >= limit,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::AtMost(limit) => write!(out, "at most {}", number(*limit)),
            Limit::AtLeast(limit) => write!(out, "at least {}", number(*limit)),
        }
    }
}

/// Those that can be told from these figures, in the order of the rows. One is missing where its row was not
/// measured, or the other contestant is not installed.
pub(crate) fn measured(figures: &[Figure]) -> Vec<Target> {
    let target = |what: &str, limit, measured: Option<f64>| {
        measured.map(|measured| Target { what: what.to_owned(), limit, measured })
    };
    let ratio = |row, what, of: &str, to: &str| Some(median(figures, row, of, what)? / median(figures, row, to, what)?);
    let beyond = |who| ratio(Row::Deploy, deploy::BEYOND, who, deploy::SCRIPTS);
    let rate = |to| ratio(Row::Throughput, throughput::WHAT, throughput::PRINTED, to);
    let cost = |what, who| ratio(Row::Cost, what, who, cost::CURL);
    let (at_most, at_least) = (Limit::AtMost, Limit::AtLeast);
    let mut targets = vec![
        target(
            "ms from the first UP to the first request served, link form, median",
            at_most(20.0),
            median(figures, Row::Deploy, deploy::LINK, deploy::WAIT),
        ),
        target(
            "ms of a deploy of 1 KiB, up at once, an idle release stopped, link form, median",
            at_most(60.0),
            median(figures, Row::Deploy, deploy::LINK, deploy::AT_ONCE),
        ),
        target("deploy time beyond the boot, link form against the scripts", at_most(0.02), beyond(deploy::LINK)),
        target("deploy time beyond the boot, reload form against the scripts", at_most(0.02), beyond(deploy::RELOAD)),
        target("requests failed, connections cut, WebSockets closed, link form", at_most(0.0), lost(figures)),
        target("requests/s, printed site against the scripts' site", at_least(1.5), rate(throughput::SCRIPTS)),
        target("requests/s, printed site against HAProxy", at_least(0.95), rate(throughput::HAPROXY)),
        target("requests/s, printed site against that of before shares", at_least(0.97), against_former(figures)),
        target("µs of a worker's CPU a request, printed site beyond that of before shares", at_most(5.0), cpu(figures)),
        target("GETs lost where the live process is killed, printed site", at_most(0.0), lost_by_kill(figures)),
        target(
            "POSTs lost by one kill, printed site: one of each connection at most",
            at_most(f64::from(visitors::CONNECTIONS)),
            worst(figures, visitors::POSTS),
        ),
        target("requests that met a bad release, --ramp 10 against no ramp", at_most(0.2), met(figures)),
        target("link switch to first new answer, 1000 sites against 0", at_most(1.2), flat(figures)),
    ];
    targets.extend(moves::OTHERS.map(|(_, sites)| {
        let what = format!("ms from a link switch's start to the first new answer, {sites}, median");
        target(&what, at_most(3.0), median(figures, Row::Switch, place::LINK, sites))
    }));
    targets.extend(moves::OTHERS.map(|(_, sites)| {
        let what = format!("reload form to first new answer against bare nginx -s reload, {sites}");
        target(&what, at_most(1.5), ratio(Row::Switch, sites, place::RELOAD, place::BARE))
    }));
    targets.extend([
        target("bg-probe against curl -s, wall time", at_most(0.6), cost(cost::WALL, cost::PROBE)),
        target("bg-probe against curl -s, peak memory", at_most(0.6), cost(cost::PEAK, cost::PROBE)),
        target("bg-switch, link form, against curl -s, wall time", at_most(2.0), cost(cost::WALL, place::LINK)),
    ]);
    targets.extend(
        [place::RELOAD, place::LINK]
            .map(|who| target(&format!("stale answers after {who}"), at_most(0.0), total(figures, Row::Stale, who))),
    );
    targets.into_iter().flatten().collect()
}

/// Whatever a visitor could notice. A WebSocket that could not be opened counts too.
fn lost(figures: &[Figure]) -> Option<f64> {
    let count = |what| median(figures, Row::Lost, place::LINK, what);
    Some(count(lost::FAILED)? + count(lost::CUT)? + count(lost::CLOSED)? + count(lost::REFUSED)?)
}

fn against_former(figures: &[Figure]) -> Option<f64> {
    let of = (Row::Throughput, throughput::WHAT);
    turn_by_turn(figures, of, [throughput::PRINTED, throughput::FORMER], |new, former| new / former)
}

fn cpu(figures: &[Figure]) -> Option<f64> {
    let of = (Row::Throughput, throughput::CPU);
    turn_by_turn(figures, of, [throughput::PRINTED, throughput::FORMER], |new, former| new - former)
}

fn lost_by_kill(figures: &[Figure]) -> Option<f64> {
    worst(figures, visitors::GETS)
}

/// The most of all times, of the printed site.
fn worst(figures: &[Figure], what: &str) -> Option<f64> {
    let is_it =
        |figure: &&Figure| figure.row == Row::Visitors && figure.who == visitors::PRINTED && figure.what == what;
    figures.iter().find(is_it)?.samples.iter().copied().max_by(f64::total_cmp)
}

fn met(figures: &[Figure]) -> Option<f64> {
    let count = |who| median(figures, Row::Visitors, who, visitors::MET);
    Some(count(visitors::PRINTED)? / count(visitors::FORMER)?)
}

fn flat(figures: &[Figure]) -> Option<f64> {
    let [(_, none), _, (_, many)] = moves::OTHERS;
    let time = |sites| median(figures, Row::Switch, place::LINK, sites);
    Some(time(many)? / time(none)?)
}
