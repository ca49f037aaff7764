//! `--setup`: settings file, folder, upstream file and site of an application in one step, and out again.
//!
//! What is to be made is a plan, of steps as values ([`plan`]). It is printed as shell ([`script`]) or carried out
//! ([`carry`]); what was made is on record ([`record`]), so that only that is ever replaced or taken back ([`undo`]).

mod by_hand;
mod carry;
mod folder;
mod ground;
mod plan;
mod record;
mod rights;
mod script;
mod taken;
mod undo;
pub(crate) mod wanted;

use crate::means::Means;
use crate::print::{self, Server};
use crate::setup::ground::{Ground, ensure_agrees};
use crate::setup::plan::Plan;
use crate::setup::rights::by_root;
use crate::setup::wanted::{Setup, What};
use anyhow::Result;
use bg_probe::cli::env_file;
use bg_probe::say::stdout;
use bg_probe::site::settings::Settings;
use nix::unistd::{AccessFlags, access};
use std::fs::File;
use std::path::Path;

/// Sets an application up, shows how, or takes that back.
///
/// # Errors
/// [`bg_probe::say::exit::Exit::Refused`] where something is there that no setup has made, or nginx does not accept its
/// configuration as it is: nothing was touched then. [`bg_probe::say::exit::Exit::NotMoved`] where nginx does not take the
/// site, or is not seen to serve it: all is as it was then.
pub(crate) fn run(mut settings: Settings, server: Server, setup: &Setup, means: &Means) -> Result<()> {
    let file = ground::settings_file(&settings, setup);
    folder::ensure_may_be(file.parent().unwrap_or(Path::new("/")))?;
    // Whoever calls: the folder is where nginx's workers may enter.
    settings.dir.get_or_insert_with(|| Path::new("/var/lib/bg").join(settings.app.as_str()));
    if file.exists() {
        if setup.what != What::Show && access(&file, AccessFlags::R_OK).is_err() {
            return Err(by_root(&format!("may not read {}", file.display())));
        }
        // What it says is the site; this process may be replaced by one that has it.
        env_file::apply(&file)?;
        ensure_agrees(&file, &settings, &server)?;
    }
    print::ensure_port(&server.listen)?;
    // Two setups at once would choose the same ports.
    let _turn = turn(&file)?;
    if setup.what == What::Undo {
        return undo::undo(&settings, &file, means);
    }
    let ground = Ground::find(settings, server, &file, setup, means)?;
    let plan = Plan::make(ground, means)?;
    match setup.what {
        What::Show => stdout::print(&script::of(&plan, means)?),
        _ => carry::out(&plan, means),
    }
}

/// Held until the end: a lock of the nearest folder of the settings file that is there (flock(2)).
fn turn(file: &Path) -> Result<Option<File>> {
    let folder = file.ancestors().skip(1).find(|folder| folder.is_dir());
    let folder = folder.and_then(|folder| File::open(folder).ok());
    if let Some(folder) = &folder {
        folder.lock()?;
    }
    Ok(folder)
}
