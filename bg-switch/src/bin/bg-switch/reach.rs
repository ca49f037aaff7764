//! Whether nginx reaches the slot that it is to move to.
//!
//! The printed site asks a slot at the address that its group had when it was printed. Where the settings have another one by now,
//! the application is well and nginx finds nobody there; and the page by which the printed site names the live slot is
//! nginx's own, so it does not show that.

use anyhow::{Context, Result};
use bg_probe::live::front::{Answer, FRONT_WITHIN, Front, is_nginx_own};
use bg_probe::nginx::upstream::Upstream;
use bg_probe::nginx::upstream::link::Looks;
use bg_probe::os::http::{Get, Url};
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::address::group_of;
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::{FrontSetting, Site};
use bg_probe::site::visitor::Visitor;
use serde::Deserialize;

/// What bg-health has added to the record, as far as it matters here.
#[derive(Deserialize)]
struct Health {
    url: String,
}

/// What to do where a group has another address than the slot.
pub(crate) fn print_anew(site: &Site) -> String {
    let print = Advice::call(site, "bg-switch", &["--print-site"]);
    format!("give the slots the ports that the site has, or print it anew and reload nginx: {print}")
}

/// Refuses a slot whose health page nginx does not get, which was well a moment ago. nginx is asked as somebody who sees that slot
/// alone; where it does not know such visitors, the switch itself has to show what it leads to.
///
/// # Errors
/// [`Exit::NotMoved`].
pub(crate) fn ensure_reached(record: &Record, upstream: Option<&Upstream>) -> Result<()> {
    let (site, slot) = (&record.site, &record.slot);
    let knows_visitors = upstream.and_then(Upstream::looks) == Some(Looks::ForKind);
    let (FrontSetting::At(front), true) = (&site.front, knows_visitors && is_nginx_own(&site.front)) else {
        return Ok(());
    };
    let Some(page) = health_page(record)? else { return Ok(()) };
    let Some(url) = front.on(front.scheme(), front.port(), &page) else { return Ok(()) };
    let visitor = Visitor::Of(slot.name.clone());
    let asked = Front::of(site)?.context("a front that is an address")?.ask_as(&visitor, FRONT_WITHIN);
    if asked != Answer::Slot(slot.clone()) {
        return Ok(());
    }
    let (name, value) = visitor.header(&site.app);
    let get = Get::new(&url, site.front_host.as_deref())?;
    match get.send_with(&[(name, &value)], FRONT_WITHIN) {
        Ok(reply) if reply.status == 502 => {
            let (at, group) = (site.address.server(slot), group_of(&site.app, slot));
            Err(Exit::NotMoved.refuse(
                format!(
                    "{slot} is well at {at}, but nginx does not reach it: its upstream {group} has another address. nginx \
                     stays where it is"
                ),
                print_anew(site),
            ))
        }
        _ => Ok(()),
    }
}

/// The path of the page by which the slot was found healthy.
fn health_page(record: &Record) -> Result<Option<String>> {
    let health: Option<Health> = record.get("health")?;
    Ok(health.and_then(|health| health.url.parse::<Url>().ok()).map(|url| url.path().to_owned()))
}
