//! What `bg-health` does: it waits, watches or looks, and for which record.

use crate::args::Args;
use crate::{preflight, wait, watch};
use anyhow::Result;
use bg_probe::cli::preflight::conclude;
use bg_probe::live::subject;
use bg_probe::nginx::upstream::site_of;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::slot::Choice;

/// Runs the program.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.check.check {
        return conclude(&preflight::findings(args, &site_of(&args.settings)?)?, args.check.json, args.voice);
    }
    let record = subject(args)?;
    match args.watch {
        Some(within) => watch::run(args, record, *within),
        None => wait::run(args, record),
    }
}

/// The record to work on. Nothing is touched here, so a slot that was named can be checked also where nobody
/// knows which one is live: on a machine without nginx, say.
fn subject(args: &Args) -> Result<Record> {
    let subject = subject::subject(&args.settings, args.slot.as_ref());
    match (&args.slot, subject) {
        (Some(Choice::Named(name)), Err(why)) if Exit::of(&why) == Exit::Unsure => {
            args.voice.detail(&format!("{why:#}"));
            let site = site_of(&args.settings)?;
            let slot = site.slots.named(name.as_str())?.clone();
            Ok(Record::new(site, slot, None))
        }
        (_, subject) => subject,
    }
}
