//! What a command line asks for.

use crate::boot_unit;
use crate::changed::Comparison;
use crate::companion;
use crate::current;
use crate::hooks::Hooks;
use crate::later;
use crate::launch;
use crate::manner::Manner;
use crate::preflight;
use crate::release::given::Given;
use crate::revive;
use crate::start::mode::Wish;
use crate::stop::{self, Clearing};
use crate::turn;
use anyhow::Result;
use bg_probe::cli::forgotten::told;
use bg_probe::cli::preflight::conclude;
use bg_probe::live::subject::subject;
use bg_probe::nginx::upstream::site_of;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::say::stdout::print;
use bg_probe::site::lock::Wait;
use bg_probe::site::settings::Settings;
use bg_probe::site::slot::Choice;
use serde_json::Value;
use std::time::Duration;

/// What a command line asks for.
pub(crate) enum Order {
    /// Report whether a launch would work, and change nothing.
    Preflight { given: Given, wish: Wish, hooks: Hooks, adopt: bool, json: bool },
    /// Report what would keep the launch of the record on stdin from working.
    Foresee { what: What, wish: Wish, hooks: Hooks, adopt: bool },
    /// Print whether it would be another release than the live one.
    Compare { slot: Option<Choice>, given: Given, wish: Wish },
    /// Print the unit of systemd that starts the live slot again after a reboot.
    PrintUnit { wish: Wish, keep: usize },
    /// Make sure that the live slot's release runs.
    Revive { wait: Wait, manner: Manner },
    /// Start a release in a slot: that of the record, or the chosen one.
    Launch { slot: Option<Choice>, what: What, wait: Wait, manner: Manner },
    /// Have the companion follow nginx to a slot.
    Companion { slot: Option<Choice>, wait: Wait, manner: Manner },
    /// Stop the companion.
    StopCompanion { wait: Wait, clearing: Clearing },
    /// Stop what is in a slot.
    Stop { slot: Option<Choice>, wait: Wait, clearing: Clearing },
    /// Leave a process behind that stops it later.
    StopLater { slot: Option<Choice>, after: Duration, clearing: Clearing, hooks: Hooks },
    /// Be that process.
    StopDetached { slot: Option<Choice>, after: Duration, clearing: Clearing, hooks: Hooks },
}

/// What is to be launched.
pub(crate) enum What {
    /// A new release.
    New(Given),
    /// The release on disk that is called so, or whose name begins so.
    Named(String),
    /// The release that the slot holds already.
    Current,
}

impl Order {
    /// Does what is asked for, at the site that the settings describe.
    ///
    /// # Errors
    /// Those of the order.
    pub(crate) fn run(self, settings: &Settings, voice: Voice) -> Result<()> {
        match self {
            Order::Preflight { given, wish, hooks, adopt, json } => {
                conclude(&preflight::findings(&site_of(settings)?, &given, &wish, &hooks, adopt), json, voice)
            }
            Order::Foresee { what, wish, hooks, adopt } => {
                let record = Record::from_stdin()?.overruled(settings)?;
                conclude(&preflight::foreseen::findings(&record, &what, &wish, &hooks, adopt), true, voice)
            }
            Order::Compare { slot, given, wish } => {
                Comparison::now(&given, &wish, &record(settings, slot.as_ref())?)?.print()
            }
            Order::PrintUnit { wish, keep } => {
                let site = site_of(settings)?;
                told(&site, voice, boot_unit::unit(&site, &wish, keep).and_then(|unit| print(&unit)))
            }
            Order::Revive { wait, manner } => revive::run(&site_of(settings)?, wait, &manner, voice),
            Order::Launch { slot, what, wait, manner } => {
                launched(record(settings, slot.as_ref())?, &what, wait, &manner, voice)
            }
            Order::Companion { slot, wait, manner } => {
                let mut record = record(settings, slot.as_ref())?;
                let lock = turn::take(&record.site, wait, voice)?;
                companion::follow(&mut record, &manner, voice)?;
                drop(lock);
                record.print()
            }
            Order::StopCompanion { wait, clearing } => {
                let site = site_of(settings)?;
                site.dir.ensure_own()?;
                let stops = || {
                    let _lock = turn::take(&site, wait, voice)?;
                    companion::stop(&site, clearing.grace, voice)
                };
                if site.dir.is_missing() || !stops()? {
                    voice.done("launch", "no companion runs", None);
                }
                Ok(())
            }
            Order::Stop { slot, wait, clearing } => {
                let record = record(settings, slot.as_ref())?;
                let lock = turn::take(&record.site, wait, voice)?;
                stop::stop(&record, clearing, &lock, voice)
            }
            Order::StopLater { slot, after, clearing, hooks } => {
                later::leave(&record(settings, slot.as_ref())?, after, clearing, &hooks, voice)
            }
            Order::StopDetached { slot, after, clearing, hooks } => {
                later::stop(&record(settings, slot.as_ref())?, after, clearing, &hooks, voice)
            }
        }
    }
}

/// The record to work on, in a folder by which this user may start and stop processes.
fn record(settings: &Settings, slot: Option<&Choice>) -> Result<Record> {
    let record = subject(settings, slot)?;
    record.site.dir.ensure_own()?;
    Ok(record)
}

/// Launches, and prints the record for the next stage.
fn launched(mut record: Record, what: &What, wait: Wait, manner: &Manner, voice: Voice) -> Result<()> {
    let lock = turn::take(&record.site, wait, voice)?;
    if let What::New(given) = what
        && given.if_changed
        && let Some((live, launch)) = Comparison::now(given, &manner.wish, &record)?.same(voice)
    {
        let has_shares = record.get::<Value>("shares")?.is_some();
        if let Ok(Some((what, remedy))) = companion::fault(&record.site, &live, has_shares) {
            voice.warn(&format!("{what}; {remedy}"));
        }
        // So the stages behind this one look at what serves, and find it where it is to be.
        record.slot = live;
        record.set("launch", &launch)?;
        drop(lock);
        return record.print();
    }
    let launch = match what {
        What::New(given) => Some(launch::new(given, &record, manner, voice)?),
        What::Named(wanted) => Some(launch::named(wanted, &record, manner, voice)?),
        What::Current => current::run(&record, manner, voice)?,
    };
    if let Some(launch) = launch {
        if !launch.was_running {
            record.unset("prepared");
        }
        record.set("launch", &launch)?;
    }
    // The next stage begins as soon as it has the record, and may need the lock.
    drop(lock);
    record.print()
}
