//! The orders that a command line can give.

use crate::attend;
use crate::door;
use crate::drain::{self, Patience};
use crate::extras::Extras;
use crate::linger::Linger;
use crate::means::Means;
use crate::preflight::{self, foreseen};
use crate::preview::{self, Preview};
use crate::print::{self, Server};
use crate::setup::{self, wanted::Setup};
use crate::switch;
use crate::target::Target;
use anyhow::Result;
use bg_probe::cli::forgotten::told;
use bg_probe::cli::preflight::conclude;
use bg_probe::nginx::upstream::Form;
use bg_probe::record::Record;
use bg_probe::say::stdout::print;
use bg_probe::site::settings::{Settings, Site};
use bg_probe::site::slot::Slot;
use std::path::PathBuf;

/// One of the things that `bg-switch` does.
pub(crate) enum Order {
    /// Report whether nginx could be moved, and would be seen to move.
    Preflight { site: Site, shares: bool, as_json: bool },
    /// Report what would keep nginx from being moved as the record on stdin has it, with these extras, and by a share first
    /// or not.
    Foresee(Settings, Extras, bool),
    /// Print the server block to install.
    PrintSite(Site, Server),
    /// Print the upstream file to install, in this form.
    PrintUpstream(Site, Form),
    /// Make all that a site needs, show how, or take it back.
    SetUp(Settings, Server, Setup),
    /// Change the upstream file to this form, keeping the live slot.
    Convert(Site, Form),
    /// Answer all visitors with the page in this file, or with the usual one.
    Close(Site, Option<PathBuf>),
    /// Answer visitors again.
    Open(Site),
    /// Have a load balancer send nobody to this host, and wait until nobody is connected.
    Drain(Site, Patience),
    /// Have it send visitors again.
    BringBack(Site),
    /// Move so many visitors of a hundred to the slot that the record or the operator names; those who were in the other one
    /// may stay there for a while.
    Switch(Target, u8, Option<Linger>),
    /// Move those who stay.
    EndLinger(Site),
    /// Be the process that moves those in the end who stay as the record on stdin has it.
    Attend(Settings, Linger),
    /// Take back the share that is out, or that of this slot.
    TakeBack(Site, Option<Slot>),
    /// Make a pass to this slot or the one that is not live, or take all back.
    Preview(Site, Option<Slot>, Preview),
}

impl Order {
    /// Carries the order out.
    ///
    /// # Errors
    /// Those of what it asks for.
    pub(crate) fn run(self, means: &Means) -> Result<()> {
        let voice = means.voice;
        match self {
            Order::Preflight { site, shares, as_json } => {
                conclude(&preflight::findings(&site, shares, &means.nginx), as_json, means.voice)
            }
            Order::Foresee(settings, wanted, shares) => {
                let record = Record::from_stdin()?.overruled(&settings)?;
                conclude(&foreseen::findings(&record, &wanted, shares, &means.nginx)?, true, means.voice)
            }
            Order::PrintSite(site, server) => {
                told(&site, voice, print::site(&site, &server, means).and_then(|text| print(&text)))
            }
            Order::PrintUpstream(site, form) => {
                told(&site, voice, print::upstream(&site, form, means).and_then(|text| print(&text)))
            }
            Order::SetUp(settings, server, wanted) => setup::run(settings, server, &wanted, means),
            Order::Convert(site, form) => switch::change_form(&site, form, means),
            Order::Switch(target, share, linger) => switch::switch(target, share, linger, means),
            Order::EndLinger(site) => told(&site.clone(), voice, attend::end(site, means)),
            Order::Attend(settings, linger) => {
                attend::attend(&Record::from_stdin()?.overruled(&settings)?, linger, means)
            }
            Order::Preview(site, slot, wanted) => told(&site, voice, preview::run(&site, slot.as_ref(), wanted, means)),
            Order::Close(site, page) => door::close(&site, page.as_deref(), means),
            Order::Open(site) => told(&site, voice, door::open(&site, means)),
            Order::Drain(site, patience) => drain::on(&site, patience, means),
            Order::BringBack(site) => told(&site, voice, drain::off(&site, means)),
            Order::TakeBack(site, slot) => told(&site.clone(), voice, switch::take_back(site, slot.as_ref(), means)),
        }
    }
}
