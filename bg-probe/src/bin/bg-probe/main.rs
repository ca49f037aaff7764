//! `bg-probe` asks which slot is live and which one this run is for, and mints the record that says so.

#![forbid(unsafe_code)]

mod args;
mod history;
mod preflight;
mod table;

use anyhow::Result;
use args::{Args, Format};
use bg_probe::cli::command_line;
use bg_probe::cli::preflight::conclude;
use bg_probe::live::verdict::{self, Verdict, choose};
use bg_probe::nginx::upstream::{ensure_movable, site_of};
use bg_probe::record::Record;
use bg_probe::say::stdout::print;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Name;
use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::run(|args: Args| run(&args))
}

fn run(args: &Args) -> Result<()> {
    let site = site_of(&args.settings)?;
    if args.check.check {
        return conclude(&preflight::findings(&site, args.by, *args.timeout), args.check.json, args.voice);
    }
    if let Some(most) = args.history {
        return past(args, &site, most);
    }
    args.slot.ensure_one_of(&site.slots)?;
    let verdict = verdict::live(&site, args.by, *args.timeout);
    if let Ok(Verdict { warning: Some(warning), .. }) = &verdict {
        args.voice.warn(warning);
    }
    if args.format == Format::Table {
        print(&table::table(&site, verdict.as_ref().ok()))?;
        return verdict.map(drop);
    }
    let verdict = verdict?;
    args.voice.detail(&found_out(&site, &verdict));
    let slot = choose(&site, &args.slot, &verdict)?.clone();
    // What is for the live slot moves nothing.
    if args.format == Format::Json && verdict.live.as_ref() != Some(&slot) {
        ensure_movable(&site)?;
    }
    match args.format {
        Format::Name => print(&format!("{}\n", slot.name)),
        Format::Port => print(&format!("{}\n", slot.port)),
        Format::Json | Format::Table => {
            let mut record = Record::new(site, slot, verdict.live.clone());
            record.set("probe", &verdict.facts)?;
            args.voice.done("probe", &said(&record, &verdict), None);
            record.print()
        }
    }
}

fn past(args: &Args, site: &Site, most: usize) -> Result<()> {
    let (table, broken) = history::table(&site.dir, most)?;
    if broken > 0 {
        let lines = if broken == 1 { "a line is".to_owned() } else { format!("{broken} lines are") };
        args.voice.warn(&format!("{}: {lines} broken, and passed over", site.dir.deploys().display()));
    }
    print(&table)
}

/// What each witness said.
fn found_out(site: &Site, verdict: &Verdict) -> String {
    let facts = &verdict.facts;
    let file = facts.points_at.as_ref().map_or("no slot that is known", Name::as_str);
    let front = facts.front_said.as_ref().map_or(String::new(), |said| format!("{} said {said}; ", site.front));
    format!("decided by the {}; {front}{} points at {file}", facts.by, site.upstream_file.display())
}

fn said(record: &Record, verdict: &Verdict) -> String {
    let slot = &record.slot;
    let live = match &verdict.live {
        Some(live) => format!("{live} is live on {}", live.port),
        None => "no slot is live".to_owned(),
    };
    if verdict.live.as_ref() == Some(slot) {
        live
    } else {
        format!("{live}; this deploy is for {slot} on {}", slot.port)
    }
}
