//! `--preview on|off`: a pass to the slot that is not live, or to the one that is named.

use crate::extras::remedy;
use crate::form::share::NAMES_IT;
use crate::means::Means;
use crate::page::unanswered;
use anyhow::Result;
use bg_probe::live::front::{Answer, FRONT_WITHIN, Front, Silence};
use bg_probe::live::verdict::live;
use bg_probe::live::witnesses::By;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::nginx::upstream::link::Looks;
use bg_probe::os::replace;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::say::stdout::print;
use bg_probe::site::advice::Advice;
use bg_probe::site::lock::Lock;
use bg_probe::site::pass::{Pass, revoke};
use bg_probe::site::route::Route;
use bg_probe::site::settings::{FrontSetting, Site};
use bg_probe::site::slot::Slot;
use clap::ValueEnum;

/// What is to become of passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preview {
    /// Make one and print it
    On,
    /// Take all of them back
    Off,
}

/// Makes a pass, or takes them back.
///
/// # Errors
/// [`Exit::Unsure`] where nobody can tell which slot is idle; [`Exit::Refused`] where the site has no passes;
/// [`Exit::NotMoved`] where nginx does not answer.
pub(crate) fn run(site: &Site, slot: Option<&Slot>, wanted: Preview, means: &Means) -> Result<()> {
    if site.dir.is_missing() && matches!(wanted, Preview::Off) {
        return off(site, means.voice);
    }
    let _lock = Lock::take(site, means.wait, means.voice)?;
    match wanted {
        Preview::On => on(site, slot, means.voice),
        Preview::Off => off(site, means.voice),
    }
}

fn on(site: &Site, slot: Option<&Slot>, voice: Voice) -> Result<()> {
    let upstream = Upstream::read(&site.upstream_file)?;
    if upstream.looks() != Some(Looks::ForKind) {
        let what = format!("{} has nginx look for one slot, the same for all", site.upstream_file.display());
        return Err(Exit::Refused.refuse(what, remedy(site, "preview")));
    }
    let slot = match slot {
        Some(slot) => slot.clone(),
        None => idle(site)?,
    };
    let slot = &slot;
    if !site.address.is_reachable(slot) {
        let what = format!("nothing listens on {}, so there is nothing to see. No pass was made", slot.its_port());
        return Err(
            Exit::Refused.refuse(what, "launch a release into it first: bg-probe | bg-launch app.jar | bg-health")
        );
    }
    complete(site, &upstream)?;
    let pass = Pass::make(&site.dir, slot)?;
    if let Err(why) = ensure_seen(site, slot, &pass) {
        pass.revoke(&site.dir)?;
        return Err(why);
    }
    voice.done(
        "preview",
        &format!("whoever has this sees {slot}, until it is live or another release comes into it"),
        None,
    );
    let page = pass.page();
    let url = match &site.front {
        FrontSetting::At(url) => url.for_visitors(site.front_host.as_deref(), &page),
        FrontSetting::Unset => page,
    };
    print(&format!("BG_PREVIEW_COOKIE={}\nBG_PREVIEW_URL={url}\n", pass.cookie(&site.app)))
}

fn idle(site: &Site) -> Result<Slot> {
    let verdict = live(site, By::Both, FRONT_WITHIN)?;
    verdict.ensure_one_is_idle(site)?;
    Ok(verdict.idle(site).clone())
}

/// Completes the route that nginx looks at: a pass is of no use where that lacks files, as before anything was ever moved.
fn complete(site: &Site, upstream: &Upstream) -> Result<()> {
    let now = Route::of(&site.dir, &site.slots)
        .or_else(|| Some(Route::whole(&site.slots, &upstream.points_at(site)?)))
        .filter(|now| !now.is_made(&site.dir, &site.app) || !site.dir.live().exists());
    let Some(now) = now else { return Ok(()) };
    replace::link(&site.dir.live(), &now.make(&site.dir, &site.app)?)
}

/// Refuses a pass that leads nowhere: the front is asked with it. A site without passes names the slot that is live.
fn ensure_seen(site: &Site, slot: &Slot, pass: &Pass) -> Result<()> {
    let Some(front) = Front::of(site)? else { return Ok(()) };
    let (said, remedy) = match front.ask_saying(("Cookie", &pass.cookie(&site.app)), FRONT_WITHIN) {
        Answer::Slot(seen) if seen == *slot => return Ok(()),
        Answer::Slot(other) => (other.to_string(), remedy(site, "preview")),
        Answer::NoSlot(Silence::NoReply(why)) => {
            return Err(unanswered(&site.front, &why, FRONT_WITHIN, &format!("The pass to {slot} was taken back")));
        }
        Answer::NoSlot(said) => (said.to_string(), NAMES_IT.to_owned()),
        Answer::Limited(status) => (status.to_string(), NAMES_IT.to_owned()),
    };
    let what = format!("{} answered {said} to a pass for {slot}, which was taken back", site.front);
    Err(Exit::Refused.refuse(what, remedy))
}

fn off(site: &Site, voice: Voice) -> Result<()> {
    let count: usize = site.slots.both().iter().map(|slot| revoke(&site.dir, &slot.name)).sum::<Result<usize>>()?;
    let words = match count {
        0 => "there is no pass; nothing was changed".to_owned(),
        1 => "the pass leads nowhere now".to_owned(),
        _ => format!("the {count} passes lead nowhere now"),
    };
    voice.done("preview", &words, None);
    Ok(())
}

/// Takes the passes back to a slot that everybody sees from now on.
pub(crate) fn end(site: &Site, slot: &Slot, voice: Voice) {
    if Route::of(&site.dir, &site.slots).is_some_and(|route| route.is_shared()) {
        return;
    }
    if let Err(why) = revoke(&site.dir, &slot.name) {
        let off = Advice::call(site, "bg-switch", &["--preview", "off"]);
        voice.warn(&format!("passes to {slot} are still there: {why:#}. Once that can be done: {off}"));
    }
}
