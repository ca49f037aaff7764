//! What `bg-probe` does.

use crate::history;
use crate::if_live;
use crate::metrics::metrics;
use crate::order::{Order, Wanted, Word};
use crate::preflight;
use crate::table::table;
use crate::watch::watch;
use anyhow::Result;
use bg_probe::cli::forgotten::told;
use bg_probe::cli::preflight::conclude;
use bg_probe::live::lingering::Lingering;
use bg_probe::live::provable::ensure_provable;
use bg_probe::live::subject::{choose, minted};
use bg_probe::live::verdict::{self, Verdict};
use bg_probe::nginx::upstream::ensure_usable;
use bg_probe::say::Voice;
use bg_probe::say::stdout::print;
use bg_probe::site::closed::is_closed;
use bg_probe::site::dir::Dir;
use bg_probe::site::drained::is_drained;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Name, Slot};
use std::time::SystemTime;

/// Runs the program.
pub(crate) fn run(site: Site, voice: Voice, order: Order) -> Result<()> {
    match order {
        Order::Preflight { ask, as_json } => conclude(&preflight::findings(&site, ask), as_json, voice),
        Order::IfLive { slot, command, ask } => told(&site, voice, if_live::run(&site, &slot, &command, ask, voice)),
        Order::History(most) => told(&site, voice, past(&site.dir, voice, most)),
        Order::Table(wanted) => told(&site, voice, both(&site, voice, &wanted)),
        Order::Metrics(wanted) => told(&site, voice, metrics(&site, wanted.ask).and_then(|text| print(&text))),
        Order::Watch(ask) => watch(&site, ask),
        Order::Word(word, wanted) => one(&site, voice, word, &wanted),
        Order::Record(wanted) => record(site, voice, &wanted),
    }
}

fn past(dir: &Dir, voice: Voice, most: usize) -> Result<()> {
    let (table, broken) = history::table(dir, most)?;
    if broken > 0 {
        let lines = if broken == 1 { "a line is".to_owned() } else { format!("{broken} lines are") };
        voice.warn(&format!("{}: {lines} broken, and passed over", dir.deploys().display()));
    }
    print(&table)
}

/// Prints the table, also where nobody can tell which slot is live.
fn both(site: &Site, voice: Voice, wanted: &Wanted) -> Result<()> {
    wanted.slot.ensure_one_of(&site.slots)?;
    let verdict = verdict(site, voice, wanted);
    print(&table(site, verdict.as_ref().ok()))?;
    verdict.map(drop)
}

fn one(site: &Site, voice: Voice, word: Word, wanted: &Wanted) -> Result<()> {
    let (_, slot) = decided(site, voice, wanted)?;
    match word {
        Word::Name => print(&format!("{slot}\n")),
        Word::Port => print(&format!("{}\n", slot.port)),
    }
}

fn record(site: Site, voice: Voice, wanted: &Wanted) -> Result<()> {
    site.dir.ensure_no_foreign_link()?;
    let (verdict, slot) = decided(&site, voice, wanted)?;
    let is_live = verdict.live.as_ref() == Some(&slot);
    // What is for the live slot moves nothing.
    if !is_live {
        ensure_movable(&site, &slot, &verdict)?;
    }
    let said = verdict.in_words();
    let said = if is_live { said } else { format!("{said}; this deploy is for {}", slot.on_port()) };
    let said = if is_closed(&site.dir) { format!("{said}; closed to visitors") } else { said };
    let said = if is_drained(&site.dir) { format!("{said}; drained, a load balancer sends nobody here") } else { said };
    let lingering = Lingering::of(&site);
    let record = minted(site, slot, &verdict)?;
    voice.done("probe", &said, None);
    // Where nobody ends it, that was said with the verdict.
    if let Some(lingering) = lingering.filter(|lingering| lingering.overdue(&record.site).is_none()) {
        voice.done("probe", &lingering.to_string(), None);
    }
    record.print()
}

/// Refuses a record for a deploy that is sure to fail at its switch, when a release has been stopped for it.
fn ensure_movable(site: &Site, slot: &Slot, verdict: &Verdict) -> Result<()> {
    ensure_usable(site)?;
    preflight::ensure_dated(SystemTime::now())?;
    let live = verdict.live.as_ref();
    verdict.silence.as_ref().map_or(Ok(()), |said| ensure_provable(site, slot, live, said))
}

/// The verdict, and the slot that is wanted.
fn decided(site: &Site, voice: Voice, wanted: &Wanted) -> Result<(Verdict, Slot)> {
    wanted.slot.ensure_one_of(&site.slots)?;
    let verdict = verdict(site, voice, wanted)?;
    voice.detail(&found_out(site, &verdict));
    let slot = choose(site, &wanted.slot, &verdict)?.clone();
    Ok((verdict, slot))
}

fn verdict(site: &Site, voice: Voice, wanted: &Wanted) -> Result<Verdict> {
    let verdict = verdict::live(site, wanted.ask.by, wanted.ask.within)?;
    if let Some(warning) = &verdict.warning {
        voice.warn(warning);
    }
    if let Some((what, remedy)) = Lingering::of(site).and_then(|lingering| lingering.overdue(site)) {
        voice.warn(&format!("{what}: {remedy}"));
    }
    Ok(verdict)
}

/// What each witness said.
fn found_out(site: &Site, verdict: &Verdict) -> String {
    let facts = &verdict.facts;
    let file = facts.points_at.as_ref().map_or("no slot that is known", Name::as_str);
    let front = facts.front_said.as_ref().map_or(String::new(), |said| format!("{} said {said}; ", site.front));
    format!("decided by the {}; {front}{} points at {file}", facts.by, site.upstream_file.display())
}
