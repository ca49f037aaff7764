//! `--convert`: from one form of the upstream file to the other, with one last reload, the live slot kept.

use crate::form::link;
use crate::form::reload::Reload;
use crate::nginx::Nginx;
use crate::nginx::groups::Groups;
use anyhow::Result;
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::front::{Answer, Front};
use bg_probe::live::pending::Pending;
use bg_probe::live::verdict::live;
use bg_probe::live::whose;
use bg_probe::live::witnesses::By;
use bg_probe::nginx::upstream::link::Spelling;
use bg_probe::nginx::upstream::{self, Form, Upstream};
use bg_probe::os::replace;
use bg_probe::say::exit::Exit;
use bg_probe::site::address::{self, Found};
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// Changes the upstream file to `form`; the live slot and which evidence there was, or `None` where the file has
/// that form already.
///
/// # Errors
/// [`Exit::Unsure`] when it is not certain which slot is live, [`Exit::NotMoved`] when nginx refuses.
pub(crate) fn convert(reload: &Reload, form: Form) -> Result<(Slot, Option<&'static str>)> {
    let site = reload.site;
    let before = Upstream::read(&site.upstream_file)?;
    before.ensure_movable(site)?;
    let slot = serving(site, &before)?;
    if before.form() == form && !before.looks_elsewhere(site) {
        return Ok((slot, None));
    }
    let site = &with_address_of(site, &before);
    let directives = match form {
        // An address that is there works: a name in it has its resolver.
        Form::Reload => match before.found(site) {
            Some(found) if found.by == address::By::Port => upstream::reload::with(&found.moved_to(&site.app, &slot)),
            _ => upstream::reload::text(site, &slot),
        },
        Form::Link => {
            // The slot that serves is the one without a condition: if nginx can't look at the link (a folder it may
            // not enter, a container), nothing moves.
            let directives = upstream::link::text(site, spelling(site, reload.nginx), &slot)?;
            // Before nginx reads the file: from the moment it looks, the link must agree.
            replace::link(&site.dir.live(), &link::route(&site.dir, &slot.name)?)?;
            directives
        }
    };
    let text = before.converted(&directives);
    let name = slot.name.to_string();
    let plan = Pending { from: Some(name.clone()), to: name, before: Some(before.text), is_conversion: true };
    let evidence = provable(reload).apply(&plan, &text, &slot)?;
    Ok((slot, Some(evidence)))
}

/// Ends a conversion that was cut short: the old text is put back and read again, whatever nginx has in memory.
///
/// # Errors
/// [`Exit::NotMoved`] when nginx refuses.
pub(crate) fn settle(reload: &Reload) -> Result<Option<String>> {
    let site = reload.site;
    let Some(unfinished) = Pending::of(&site.dir)?.filter(|unfinished| unfinished.is_conversion) else {
        return Ok(None);
    };
    let slot = site.slots.named(&unfinished.to)?;
    let file = site.upstream_file.display();
    if let Some(Answer::Slot(serving)) = reload.front.map(|front| front.ask(FRONT_WITHIN))
        && serving != *slot
    {
        // Somebody has moved nginx by hand since: what was there before is no longer what should be.
        Pending::end(&site.dir)?;
        return Ok(Some(format!("an earlier conversion of {file} was cut short; {serving} serves since, and stays")));
    }
    let text = unfinished.before.clone().unwrap_or_else(|| upstream::reload::text(site, slot));
    provable(reload).apply(&unfinished, &text, slot)?;
    Ok(Some(format!("an earlier conversion of {file} was cut short and is undone")))
}

/// Here nothing moves, so a front that names no slot, as one whose live slot is down, is no reason to refuse: the
/// workers are then the evidence.
fn provable<'a>(reload: &Reload<'a>) -> Reload<'a> {
    let names_one = |front: &&Front| matches!(front.ask(FRONT_WITHIN), Answer::Slot(_));
    Reload { front: reload.front.filter(names_one), ..*reload }
}

fn serving(site: &Site, file: &Upstream) -> Result<Slot> {
    let live = if file.looks_elsewhere(site) {
        served_from_elsewhere(site, file)?
    } else {
        live(site, By::Both, FRONT_WITHIN)?.live
    };
    // Where nothing is live, what the file says is what nginx would serve.
    match live.or_else(|| file.points_at(site)) {
        Some(slot) => Ok(slot),
        None => {
            Err(Exit::Unsure
                .because(format!("{} points at neither slot: nothing to keep", site.upstream_file.display())))
        }
    }
}

/// The slot that nginx serves by a file that looks into another folder, where nothing was ever deployed: it was written
/// without the settings, or the folder was moved.
fn served_from_elsewhere(site: &Site, file: &Upstream) -> Result<Option<Slot>> {
    whose::ensure_unused_elsewhere(site, file)?;
    let front = Front::of(site)?.map(|front| front.ask(FRONT_WITHIN));
    let named = match front {
        Some(Answer::Slot(slot)) => Some(slot),
        _ => file.points_at(site),
    };
    if let Some(slot) = &named {
        whose::ensure_ours(site, slot)?;
    }
    Ok(named)
}

/// The site with scheme, host and path as they stand in the file. Of a group the host is not known: there it is that
/// of the settings.
fn with_address_of(site: &Site, file: &Upstream) -> Site {
    let address = match file.found(site) {
        Some(Found { by: address::By::Port, address, .. }) => address,
        Some(Found { by: address::By::Group, address, .. }) => address.at_the_host_of(&site.address),
        None => site.address.clone(),
    };
    Site { address, ..site.clone() }
}

/// The scripts' own site has no groups, and there the link form names the addresses themselves; so it does where
/// nobody can see whether there are any.
fn spelling(site: &Site, nginx: &Nginx) -> Spelling {
    match Groups::look(site, nginx) {
        Groups::There => Spelling::Group,
        Groups::ToCome | Groups::Missing | Groups::Unknown => Spelling::Address,
    }
}
