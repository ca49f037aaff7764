//! Taking a setup back: of what is on its record, all that is as it was written.
//!
//! What was changed since is a person's or certbot's, and stays. What may be serving visitors stays as well: they are
//! turned away first, by closing the site.

use crate::means::Means;
use crate::nginx::dump::{Dump, fits};
use crate::nginx::parts::{Has, Part};
use crate::nginx::trial::Sites;
use crate::nginx::workers::{Generation, Master};
use crate::setup::record::{Record, There, Written};
use crate::setup::rights::by_root;
use crate::setup::wanted::What;
use crate::setup::{folder, ground};
use anyhow::Result;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::replace;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::closed::is_closed;
use bg_probe::site::settings::{Settings, Site};
use bg_probe::site::slot::Slot;
use nix::unistd::{AccessFlags, access};
use std::path::Path;
use std::time::Duration;

/// Takes back what the record beside this settings file has.
///
/// # Errors
/// [`Exit::Refused`] where a release serves, or nginx still needs something of it; nothing was touched then.
/// [`Exit::NotMoved`] where nginx does not go on without the site, which is there again then.
pub(super) fn undo(settings: &Settings, file: &Path, means: &Means) -> Result<()> {
    let place = Record::beside(file);
    let record = Record::read(&place)?;
    if record == Record::default() {
        let (file, is_there) = (file.display(), file.exists());
        let why =
            if is_there { format!("{file} has no record of a setup beside it") } else { format!("there is no {file}") };
        means.voice.done("setup", &format!("there is nothing to take back of {}: {why}", settings.app), None);
        return Ok(());
    }
    let site = settings.site()?;
    // In a server of a person's own visitors get to it as long as that includes the upstream file, which is looked up below.
    if record.site.is_some() || record.upstream.is_none() {
        ensure_unserved(&site, means)?;
    }
    ensure_possible(&place)?;
    let dump = ground::configuration(&means.nginx, What::Undo)?;
    ensure_unneeded(dump, &record)?;
    let sites = ground::sites_of(dump)?;
    if let Some(written) = &record.site {
        leave(&sites, written, means)?;
    }
    for written in [&record.upstream, &record.settings].into_iter().flatten() {
        take(written, means)?;
    }
    let site_file = ground::site_file(&sites, site.app.as_str());
    for path in [site_file.as_path(), site.upstream_file.as_path(), file] {
        if path.exists() && record.texts_of(path).is_empty() {
            means.voice.done("setup", &format!("left {}, which no setup has written", path.display()), None);
        }
    }
    let root = site.dir.root();
    if root.exists() && !record.folders.iter().any(|folder| folder == root) {
        means.voice.done("setup", &format!("left {}, which was there before", root.display()), None);
    }
    let (around, others): (Vec<_>, Vec<_>) = record.folders.iter().partition(|folder| place.starts_with(folder));
    others.into_iter().rev().try_for_each(|path| remove(path, means))?;
    replace::remove(&place)?;
    around.into_iter().rev().try_for_each(|path| remove(path, means))
}

fn remove(folder: &Path, means: &Means) -> Result<()> {
    let path = folder.display();
    if folder::remove_if_empty(folder)? {
        means.voice.done("setup", &format!("removed {path}"), None);
    } else {
        means.voice.done("setup", &format!("left {path}, which has something in it"), None);
    }
    Ok(())
}

/// Refuses while something listens in a slot and visitors may get to it.
fn ensure_unserved(site: &Site, means: &Means) -> Result<()> {
    let Some(slot) = site.slots.both().iter().find(|slot| slot.listens()).filter(|_| !is_closed(&site.dir)) else {
        return Ok(());
    };
    let what = format!("something listens in {}, and visitors may get to it. Nothing was touched", Slot::on_port(slot));
    let remedy = match Part::Door.look(site, &means.nginx) {
        Has::No => "have nginx hand requests on to another place, and stop what runs there".to_owned(),
        _ => format!("turn them away first: {}", Advice::call(site, "bg-switch", &["--close"])),
    };
    Err(Exit::Refused.refuse(what, remedy))
}

fn ensure_possible(place: &Path) -> Result<()> {
    let folder = place.parent().unwrap_or(Path::new("/"));
    if access(folder, AccessFlags::W_OK).is_ok() {
        return Ok(());
    }
    Err(by_root(&format!("may not write in {}", folder.display())))
}

/// Refuses where the site was changed since, or another file of nginx's needs the upstream file.
fn ensure_unneeded(dump: &Dump, record: &Record) -> Result<()> {
    if let Some(site) = &record.site
        && site.there()? == There::Other
    {
        let path = site.path.to_string_lossy();
        let remove = Advice::by_root(&["rm", &path]);
        let what = format!("{path} was changed since a setup wrote it. Nothing was touched");
        return Err(Exit::Refused.refuse(what, format!("keep what you need of it, then remove it: {remove}")));
    }
    let Some(upstream) = &record.upstream else { return Ok(()) };
    let own = record.site.as_ref().map(|site| site.path.as_path());
    let folder = dump.files.first().and_then(|main| main.parent()).unwrap_or(Path::new("/"));
    let needs = |pattern: &str| fits(&folder.join(pattern), &upstream.path);
    match dump.including(&needs).find(|file| Some(*file) != own) {
        None => Ok(()),
        Some(file) => {
            let what = format!("{} includes {}. Nothing was touched", file.display(), upstream.path.display());
            Err(Exit::Refused.refuse(what, "take that line out first, and let it hand requests on to another place"))
        }
    }
}

/// Has nginx go on without the site.
fn leave(sites: &Sites, written: &Written, means: &Means) -> Result<()> {
    let nginx = &means.nginx;
    let was = match written.there()? {
        There::Ours(text) => {
            sites.try_with(nginx, &written.path, None)?;
            replace::remove(&written.path)?;
            Some(text)
        }
        // An earlier run was killed, maybe before nginx had read that.
        _ => None,
    };
    let read = || -> Result<()> {
        let tested = nginx.test()?;
        let Some(master) = &tested.master else { return Ok(()) };
        let before = Master::generation(master);
        nginx.reload(Some(master))?;
        let is_over = || Ok(before.as_ref().is_none_or(Generation::has_left));
        let over = Deadline::within(means.within).wait(Duration::from_millis(20), is_over)?;
        if over {
            Ok(())
        } else {
            Err(Exit::NotMoved.because("nginx did not go over to its new configuration in time"))
        }
    };
    if let Err(why) = read() {
        let back = was.map_or(Ok(()), |text| replace::own_file(&written.path, text.as_bytes(), 0o644));
        let again = nginx.test().map_err(anyhow::Error::from).and_then(|tested| nginx.reload(tested.master.as_ref()));
        let and = back
            .and(again)
            .map_or_else(|worse| format!("could not be put back: {worse:#}"), |()| "is there again".into());
        return Err(Exit::of(&why).because(format!("{why:#}. {} {and}", written.path.display())));
    }
    if was.is_some() {
        means.voice.done(
            "setup",
            &format!("removed {}, which nginx does not read any more", written.path.display()),
            None,
        );
    }
    Ok(())
}

/// Removes a file that is as it was written.
fn take(written: &Written, means: &Means) -> Result<()> {
    let path = written.path.display();
    match written.there()? {
        There::Ours(_) => {
            replace::remove(&written.path)?;
            means.voice.done("setup", &format!("removed {path}"), None);
        }
        There::Other => means.voice.done("setup", &format!("left {path}, which was changed since"), None),
        There::Nothing => {}
    }
    Ok(())
}
