//! Whether a switch could be seen at the front. That is known before anything is touched for one: where a front names no
//! slot today and nothing of ours is why, it will name none after the switch, and all would be undone.

use crate::live::front::{Answer, FRONT_WITHIN, SLOT_PAGE, Silence};
use crate::nginx::call;
use crate::os::http::{Get, NoReply, Url};
use crate::say::exit::Exit;
use crate::site::advice::Advice;
use crate::site::settings::{FrontSetting, Site};
use crate::site::slot::Slot;
use anyhow::Result;
use std::time::Duration;

/// How long another page may take to show that it would do as the front.
const BRIEFLY: Duration = Duration::from_millis(500);

/// Refuses a move of nginx to `slot` that the front could not show. Its answer was this one, while `live` was live.
///
/// A release that is down or ill is a reason to go forward: what answers 5xx or too late may come from it, and so may
/// what it answers itself, where the release to move to names its slot. Where nothing is live, nothing need listen at
/// the front yet.
///
/// # Errors
/// [`Exit::NotMoved`], with a front that would do, where one is found.
pub fn ensure_provable(site: &Site, slot: &Slot, live: Option<&Slot>, said: &Silence) -> Result<()> {
    let FrontSetting::At(url) = &site.front else { return Ok(()) };
    let may_pass = match said {
        Silence::Status(500..=599) | Silence::NoReply(NoReply::Slow) => true,
        Silence::NoReply(NoReply::Refused) => live.is_none(),
        Silence::NoReply(NoReply::Broken(_)) | Silence::Status(_) | Silence::Redirect(..) | Silence::Text(_) => false,
    };
    if may_pass || live.is_some_and(|live| is_its_own(site, url, live) && names_itself(site, url, slot)) {
        return Ok(());
    }
    let what = format!("no switch could be seen, for {url} names no slot ({said}). Nothing was touched");
    Err(Exit::NotMoved.refuse(what, remedy(site, url, live, said)))
}

/// Whether the release in a slot, asked past nginx, names no slot either.
fn is_its_own(site: &Site, url: &Url, live: &Slot) -> bool {
    matches!(past_nginx(site, url, live), Some(Answer::NoSlot(_)))
}

fn names_itself(site: &Site, url: &Url, slot: &Slot) -> bool {
    past_nginx(site, url, slot) == Some(Answer::Slot(slot.clone()))
}

fn past_nginx(site: &Site, url: &Url, slot: &Slot) -> Option<Answer> {
    let asked = site.address.ask(slot, url.path()).parse().ok()?;
    let get = Get::new(&asked, site.front_host.as_deref()).ok()?;
    Some(Answer::of(get.send(FRONT_WITHIN), &site.slots))
}

fn remedy(site: &Site, url: &Url, live: Option<&Slot>, said: &Silence) -> String {
    let with = |front: &str| Advice::again(site, &[("--front", Some(front))]);
    if let Some((better, named)) = better(site, url, live, said) {
        let setting = Advice::setting(site, "", "front", &better);
        return format!("ask {better}, which names {named}: {setting}; or for this once: {}", with(&better));
    }
    let what = match said {
        Silence::NoReply(NoReply::Refused) => {
            format!("start nginx: {}; or let --front be a URL through it", call::start())
        }
        _ => format!(
            "let --front be a page, through nginx, that answers with the slot's name alone, as {SLOT_PAGE} of \
             bg-switch --print-site does (--front-host names the site)"
        ),
    };
    format!("{what}; or go without one: {}", with("-"))
}

/// A page that names the slot where the front does not: by https, where a redirect leads (certbot's is the usual one), or
/// the printed site's own.
fn better(site: &Site, url: &Url, live: Option<&Slot>, said: &Silence) -> Option<(String, Slot)> {
    let port = match said {
        Silence::Redirect(_, to) => to.parse().ok().and_then(|to: Url| to.port()),
        _ => None,
    };
    let pages = [
        ("https", port, url.path()),
        ("https", port, SLOT_PAGE),
        // A port that speaks TLS answers a plain question with 400.
        ("https", url.port(), url.path()),
        (url.scheme(), url.port(), SLOT_PAGE),
    ];
    pages.into_iter().find_map(|(scheme, port, path)| {
        let page = url.on(scheme, port, path)?;
        let reply = Get::new(&page, site.front_host.as_deref()).ok()?.send(BRIEFLY);
        match Answer::of(reply, &site.slots) {
            Answer::Slot(named) if live.is_none_or(|live| *live == named) => Some((page.to_string(), named)),
            _ => None,
        }
    })
}
