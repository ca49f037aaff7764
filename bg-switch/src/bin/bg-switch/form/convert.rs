//! `--convert`: from one form of the upstream file to the other, with one last reload, the live slot kept.

use crate::form::change::Change;
use crate::form::{rewrite, rules_of};
use crate::nginx::groups::Groups;
use crate::proof::Evidence;
use anyhow::Result;
use bg_probe::live::front::{Answer, FRONT_WITHIN, Front};
use bg_probe::live::pending::Pending;
use bg_probe::live::verdict::live;
use bg_probe::live::whose;
use bg_probe::live::witnesses::By;
use bg_probe::nginx::upstream::link::Looks;
use bg_probe::nginx::upstream::{Form, Upstream};
use bg_probe::say::exit::Exit;
use bg_probe::site::address::{self, Found};
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// Changes the upstream file to `form`; the live slot and which evidence there was, or `None` where the file has
/// that form already.
///
/// # Errors
/// [`Exit::Unsure`] when it is not certain which slot is live, [`Exit::NotMoved`] when nginx refuses.
pub(crate) fn convert(change: &Change, form: Form) -> Result<(Slot, Option<Evidence>)> {
    let site = change.site;
    let before = Upstream::read(&site.upstream_file)?;
    before.ensure_movable(site)?;
    let slot = serving(site, &before)?;
    let has_it = before.form() == form && !before.looks_elsewhere(site);
    if has_it && !may_look_for_kinds(change, &before) {
        return Ok((slot, None));
    }
    let site = &with_address_of(site, &before);
    let text = before.converted(&rules_of(form).directives(site, change.nginx, &before, &slot)?);
    let name = slot.name.to_string();
    let plan = Pending { from: Some(name.clone()), to: name, before: Some(before.text), is_conversion: true };
    let evidence = rewrite::apply(&change.that_moves_nothing(), &plan, &text, &slot)?;
    Ok((slot, Some(evidence)))
}

/// Whether the site sets the kind of each visitor, and the file does not look for that yet.
fn may_look_for_kinds(change: &Change, file: &Upstream) -> bool {
    let can = || matches!(Groups::look(change.site, change.nginx), Groups::There(Looks::ForKind));
    file.looks() == Some(Looks::ForName) && can()
}

fn serving(site: &Site, file: &Upstream) -> Result<Slot> {
    let live = if file.looks_elsewhere(site) {
        served_from_elsewhere(site, file)?
    } else {
        let verdict = live(site, By::Both, FRONT_WITHIN)?;
        verdict.ensure_one_is_idle(site)?;
        verdict.live
    };
    // Where nothing is live, nginx would serve the slot that the file names.
    live.or_else(|| file.points_at(site)).ok_or_else(|| {
        let [one, other] =
            site.slots.both().each_ref().map(|slot| Advice::call(site, "bg-switch", &["--to", slot.name.as_str()]));
        let what = format!("{} points at neither slot: nothing to keep", site.upstream_file.display());
        Exit::Unsure.refuse(what, format!("choose the slot that serves: {one}; or: {other}"))
    })
}

/// The slot that nginx serves by a file that looks into another folder, where nothing was ever deployed: it was written
/// without the settings, or the folder was moved.
fn served_from_elsewhere(site: &Site, file: &Upstream) -> Result<Option<Slot>> {
    whose::ensure_unused_elsewhere(site, file)?;
    let front = Front::of(site)?.map(|front| front.ask(FRONT_WITHIN));
    let named = match front {
        Some(Answer::Slot(slot)) => Some(slot),
        Some(Answer::NoSlot(_) | Answer::Limited(_)) | None => file.points_at(site),
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
