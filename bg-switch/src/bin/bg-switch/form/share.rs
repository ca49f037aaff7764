//! A share of the visitors, in the link form: what it needs of the site.

use crate::form::change::Change;
use crate::form::rules::Move;
use crate::nginx::Nginx;
use crate::nginx::groups::has_kinds;
use crate::page::unanswered;
use anyhow::Result;
use bg_probe::cli::preflight::Finding;
use bg_probe::live::front::{Answer, FRONT_WITHIN, Silence};
use bg_probe::nginx::upstream::link::Looks;
use bg_probe::nginx::upstream::{Form, Upstream};
use bg_probe::os::replace;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::route::Route;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::visitor::{HEADER, Visitor};

/// What to do where the front does not name the slot that it is asked for.
pub(crate) const NAMES_IT: &str = "let --front be /_bg/slot at 127.0.0.1, the page of bg-switch --print-site";

/// What to do for shares.
pub(super) fn remedy(site: &Site) -> String {
    let over = Advice::call(site, "bg-switch", &["--convert", "link"]);
    let print = Advice::call(site, "bg-switch", &["--print-site"]);
    format!("for shares, install the site of {print}, and change over with: {over}")
}

/// The command that moves everybody to a slot.
fn to(site: &Site, slot: &Slot) -> Advice {
    Advice::call(site, "bg-switch", &["--to", slot.name.as_str()])
}

/// Why nobody can be given a share by this upstream file, whatever else is there; `None` where that can be.
pub(crate) fn obstacle(site: &Site, upstream: Option<&Upstream>) -> Option<anyhow::Error> {
    let sends = match upstream.map(|upstream| (upstream.form(), upstream.looks())) {
        Some((_, Some(Looks::ForKind))) => return None,
        Some((Form::Link, _)) => "has nginx look for one slot, the same for all visitors",
        Some((Form::Reload, _)) | None => "has the reload form, in which nginx sends everybody to one slot",
    };
    let what = format!("{} {sends}. Nothing was touched", site.upstream_file.display());
    Some(Exit::Refused.refuse(what, remedy(site)))
}

/// Refuses a share that this site can't give, or of which nothing could be proven, before anything changes for visitors.
///
/// # Errors
/// [`Exit::Refused`], with what to install; [`Exit::Unsure`] where nobody is in the other slot; [`Exit::NotMoved`] where that
/// does not listen.
pub(super) fn ensure_possible(change: &Change, to_do: &Move) -> Result<()> {
    let site = change.site;
    if let Some(why) = obstacle(site, to_do.upstream) {
        return Err(why);
    }
    let other = site.slots.other(&to_do.to.name);
    let now = Route::of(&site.dir, &site.slots).filter(Route::is_shared);
    if now.is_none() && to_do.from != Some(other) {
        let share = to_do.route.share_of(to_do.to).to_string();
        let remedy = format!(
            "to give {other} that share: {}; or all of them: {}",
            Advice::call(site, "bg-switch", &["--to", other.name.as_str(), "--share", &share]),
            to(site, other)
        );
        let what = || {
            let to = to_do.to;
            format!("everybody goes to {to} already, so there is no share to give it. Nothing was touched")
        };
        return Err(match to_do.from {
            Some(_) => Exit::Unsure.refuse(what(), remedy),
            None => Exit::Unsure.refuse(
                format!(
                    "no slot is seen to serve beside {}, so there are no visitors to share. Nothing was touched",
                    to_do.to
                ),
                format!("move all of them with: {}", to(site, to_do.to)),
            ),
        });
    }
    if !site.address.is_reachable(other) {
        let what =
            format!("nothing listens on {}, which the other visitors go to: nginx stays where it is", other.its_port());
        return Err(Exit::NotMoved.refuse(what, format!("move all of them with: {}", to(site, to_do.to))));
    }
    ensure_provable(change, to_do)
}

/// Refuses a front that does not answer as the visitor that it is told of.
fn ensure_provable(change: &Change, to_do: &Move) -> Result<()> {
    let (site, to) = (change.site, to_do.to);
    let Some(front) = change.front() else { return Ok(()) };
    // What an older bg-switch has made has no kinds, and where nothing was ever moved there is no route.
    let now = Route::of(&site.dir, &site.slots).or_else(|| Some(Route::whole(&site.slots, to_do.from?)));
    if let Some(now) = now.filter(|now| !now.is_made(&site.dir, &site.app) || !site.dir.live().exists()) {
        replace::link(&site.dir.live(), &now.make(&site.dir, &site.app)?)?;
    }
    let said = match front.ask_as(&Visitor::Of(to.name.clone()), FRONT_WITHIN) {
        Answer::Slot(slot) if slot == *to => return Ok(()),
        Answer::Limited(_) => return Ok(()),
        Answer::Slot(other) => other.to_string(),
        Answer::NoSlot(Silence::NoReply(why)) => {
            return Err(unanswered(&site.front, &why, FRONT_WITHIN, "Nothing was moved"));
        }
        Answer::NoSlot(said) => said.to_string(),
    };
    Err(Exit::Refused.refuse(
        format!(
            "{} answers {said} where {HEADER}: {to} is asked, so no share could be seen. Nothing was moved",
            site.front
        ),
        NAMES_IT,
    ))
}

/// Completes the route that `live` leads to, for a file that looks for kinds is about to be installed.
pub(super) fn complete_live(site: &Site, voice: Voice) {
    let Some(now) = Route::of(&site.dir, &site.slots) else { return };
    if let Err(why) = now.make(&site.dir, &site.app) {
        let live = now.live();
        voice.warn(&format!(
            "what this file looks for is not all there yet, and nginx would go to {} by it: {why:#}. \
             Before it is installed: {}",
            site.slots.first(),
            to(site, live)
        ));
    }
}

/// What a preflight says of shares.
pub(super) fn finding(site: &Site, nginx: &Nginx, upstream: Option<&Upstream>) -> Option<Finding> {
    let kinds = nginx.configuration().map(|dump| has_kinds(dump, site));
    match upstream?.looks()? {
        Looks::ForKind => {
            let now = Route::of(&site.dir, &site.slots)?;
            let folder = site.dir.root().join(now.path());
            let remedy = format!("complete it with: {}", to(site, now.live()));
            Some(if now.is_made(&site.dir, &site.app) {
                Finding::ok("shares", "a share of the visitors can be moved")
            } else {
                Finding::fail("shares", format!("{} lacks files that nginx looks for", folder.display()), remedy)
            })
        }
        Looks::ForName if kinds == Some(true) => Some(Finding::ok(
            "shares",
            format!(
                "the site has shares of visitors, and the file gets them by: {}",
                Advice::call(site, "bg-switch", &["--convert", "link"])
            ),
        )),
        Looks::ForName => {
            let print = Advice::call(site, "bg-switch", &["--print-site"]);
            Some(Finding::ok("shares", format!("a site printed anew would have shares of visitors: {print}")))
        }
    }
}
