//! A switch: check that the slot may be switched to, do as the file's form asks, and report the evidence.

use crate::after;
use crate::form;
use crate::form::change::Change;
use crate::form::convert::convert;
use crate::form::rules::Move;
use crate::form::settle::settle;
use crate::linger::{self, Linger};
use crate::means::Means;
use crate::nginx::cache::{UNCACHED, remembered};
use crate::preview;
use crate::proof::{Asks, BRIEFLY, Evidence};
use crate::quiet::Told;
use crate::reach::ensure_reached;
use crate::target::{Target, ensure_fit};
use anyhow::Result;
use bg_probe::live::front::{Answer, Front, LIMITED, Silence};
use bg_probe::live::lingering::Lingering;
use bg_probe::live::provable::ensure_provable;
use bg_probe::nginx::call;
use bg_probe::nginx::upstream::link::Looks;
use bg_probe::nginx::upstream::{Form, Upstream};
use bg_probe::os::http::NoReply;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::lock::Lock;
use bg_probe::site::route::Route;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Name, Slot};
use bg_probe::site::stand_in;
use bg_probe::site::visitor::NUMBERS;
use serde::Serialize;
use std::time::Instant;

/// The entry of `bg-switch` in the record.
#[derive(Debug, Serialize)]
struct Switch {
    from: Option<Name>,
    to: Name,
    form: &'static str,
    took_ms: f64,
    evidence: Evidence,
    /// How many visitors of a hundred the slot has from now on, where not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<u8>,
    #[serde(flatten)]
    told: Told,
}

/// Moves nginx to the slot that was asked for, and prints the record.
///
/// # Errors
/// Those of the target; [`Exit::NotMoved`] when nginx refuses or is not seen to move.
pub(crate) fn switch(target: Target, share: u8, linger: Option<Linger>, means: &Means) -> Result<()> {
    let record = target.record()?;
    // What is refused makes no folder. What may have changed since is asked again under the lock.
    if record.site.dir.is_missing() {
        ensure_fit(&record)?;
    }
    let lock = Lock::take(&record.site, means.wait, means.voice)?;
    switch_under(lock, record, share, linger, means)
}

/// Takes back the share that is out, or the one of the slot that was named: all visitors go to the other slot, and the
/// record is printed.
///
/// # Errors
/// Those of [`switch`]; [`Exit::Unsure`] where nobody can tell who serves.
pub(crate) fn take_back(site: Site, named: Option<&Slot>, means: &Means) -> Result<()> {
    let none_is = || means.voice.done("switch", "no share of the visitors is out; nothing was changed", None);
    if site.dir.is_missing() {
        none_is();
        return Ok(());
    }
    let lock = Lock::take(&site, means.wait, means.voice)?;
    let Some(route) = Route::of(&site.dir, &site.slots).filter(Route::is_shared) else {
        none_is();
        return Ok(());
    };
    let (new, old) = route.ends();
    let slot = named.map_or(old, |named| site.slots.other(&named.name)).clone();
    let live = if slot == *old { new.clone() } else { old.clone() };
    let record = Record::new(site, slot, Some(live));
    switch_under(lock, record, NUMBERS, None, means)
}

/// Moves nginx as the record has it, under the lock, and prints it.
///
/// # Errors
/// Those of [`switch`].
pub(crate) fn switch_under(
    lock: Lock,
    mut record: Record,
    share: u8,
    linger: Option<Linger>,
    means: &Means,
) -> Result<()> {
    let (site, voice) = (record.site.clone(), means.voice);
    ensure_fit(&record)?;
    ensure_reached(&record, there(&site)?.as_ref())?;
    let began = Instant::now();
    let left = site.slots.other(&record.slot.name);
    let goes_back = went_before(&site, &record.slot, left);
    if goes_back {
        stand_in::end(&site, left)?;
    }
    let before = Lingering::of(&site);
    let mut switch = move_to(&site, &record.slot, share, linger, means)?;
    voice.done("switch", &switch.in_words(&site), Some(began.elapsed()));
    after::keep(&site, &record.slot.name, voice);
    after::note_visitors(&site, &record.slot, voice);
    // Whoever has moved nginx there before, or was killed as it had moved, has left no note.
    if switch.from.as_ref() == Some(&left.name) {
        after::note_visitors(&site, left, voice);
    }
    if switch.share.is_none() {
        record.unset("prepared");
    }
    // Who stays in the old slot has not gone.
    if switch.share.is_none() && Lingering::of(&site).is_none() {
        switch.told = means.quiet.tell(&site, &record.slot, voice);
    }
    after::settle_stand_in(&site, &record.slot, voice);
    if !goes_back && left.listens() {
        after::resume_stand_in(&site, left, voice);
    }
    preview::end(&site, &record.slot, voice);
    linger::settle(&record, before.as_ref(), linger, means)?;
    // A folder of a hundred files, which need not be read where nobody has a share.
    let upstream = if switch.share.is_some() { there(&site)? } else { None };
    match upstream.and_then(|upstream| upstream.shares(&site)) {
        Some(shares) => record.set("shares", &shares.to_json())?,
        None => record.unset("shares"),
    }
    match Lingering::of(&site) {
        Some(lingering) => record.set("lingers", &lingering.to_json())?,
        None => record.unset("lingers"),
    }
    record.set("switch", &switch)?;
    drop(lock);
    if let Err(why) = record.print() {
        // nginx has moved: an exit code of failure would have the caller end what serves.
        voice.warn(&format!("nginx has moved, but the record could not be printed: {why:#}"));
    }
    Ok(())
}

/// Changes the upstream file to another form, the live slot kept.
///
/// # Errors
/// Those of [`convert`].
pub(crate) fn change_form(site: &Site, form: Form, means: &Means) -> Result<()> {
    let _lock = Lock::take(site, means.wait, means.voice)?;
    let began = Instant::now();
    let change = Change::begin(site, means)?;
    settle(&change)?;
    let before = Lingering::of(site);
    let (slot, evidence) = convert(&change, form)?;
    for obstacle in form::rules_of(form).obstacles(site, &means.nginx) {
        means.voice.warn(&obstacle.to_string());
    }
    let (file, form) = (site.upstream_file.display(), form.name());
    let done = match evidence {
        Some(_) => format!("{file} has the {form} form now; {slot} serves as before"),
        None => format!("{file} has the {form} form already; nothing was changed"),
    };
    means.voice.done("switch", &done, Some(began.elapsed()));
    if let Some(before) = before.filter(|before| Lingering::of(site).as_ref() != Some(before)) {
        means.voice.done("switch", &before.ended(), None);
    }
    Ok(())
}

/// Whether the release in a slot is older than that in the other one, which is then left for a reason: it stands in for
/// nobody.
fn went_before(site: &Site, slot: &Slot, other: &Slot) -> bool {
    // The time of its folder says when a release was made; the one in its name is the clock's.
    let made = |slot: &Slot| std::fs::metadata(site.dir.current(&slot.name)).and_then(|folder| folder.modified()).ok();
    made(slot).zip(made(other)).is_some_and(|(this, other)| this < other)
}

fn move_to(site: &Site, slot: &Slot, share: u8, linger: Option<Linger>, means: &Means) -> Result<Switch> {
    let began = Instant::now();
    let change = Change::begin(site, means)?;
    let was_pending = settle(&change)?;
    let upstream = there(site)?;
    let file_says = upstream.as_ref().and_then(|upstream| upstream.points_at(site));
    let is_shared = upstream.as_ref().is_some_and(|upstream| upstream.shares(site).is_some());
    let said = change.answer();
    let served = match &said {
        Some(Answer::Slot(slot)) => Some(slot.clone()),
        Some(Answer::NoSlot(_) | Answer::Limited(_)) | None => None,
    };
    let from = served.clone().or_else(|| file_says.clone());
    let stays = linger.and_then(|linger| linger.route(site, from.as_ref(), slot));
    let route = stays.unwrap_or_else(|| Route::shared(&site.dir, &site.slots, slot, share));
    let takes_back = is_shared && Route::of(&site.dir, &site.slots).is_some_and(|now| route.takes_back(&now));
    // What is taken back need not be seen.
    if let Some(Answer::NoSlot(said)) = said.as_ref().filter(|_| !takes_back) {
        let live = file_says.as_ref().filter(|live| live.listens() && *live != slot);
        ensure_provable(site, slot, live, said)?;
    }
    let form = upstream.as_ref().map_or(Form::Reload, Upstream::form);
    // A switch that was cut short may have left a reload under way.
    let agreed = !was_pending && file_says.as_ref() == Some(route.live()) && from == file_says;
    let is_there = upstream.as_ref().is_some_and(|upstream| leads(site, upstream, &route));
    let evidence = if agreed && is_there && is_seen(&change, &route) {
        // A version of before, a script, or nobody yet has moved nginx here.
        if Route::of(&site.dir, &site.slots).as_ref() != Some(&route) {
            form::tell(site, route.live(), means.voice);
        }
        Evidence::Front
    } else {
        let to_do = Move { upstream: upstream.as_ref(), from: from.as_ref(), to: slot, route: &route, takes_back };
        let switched = form::rules_of(form).switch(&change, &to_do);
        let why = |why| with_a_cause(why, &change, served.is_some());
        switched.map_err(|unseen| if takes_back { with_a_look(why(unseen), site, slot) } else { why(unseen) })?
    };
    let took_ms = (began.elapsed().as_secs_f64() * 1e4).round() / 10.0;
    // The visitors who come from the other slot, where both had some or have some now.
    let from = if is_shared || route.is_shared() { Some(site.slots.other(&slot.name).clone()) } else { from };
    let share = route.is_shared().then_some(share);
    Ok(Switch {
        from: from.map(|from| from.name),
        to: slot.name.clone(),
        form: form.name(),
        took_ms,
        evidence,
        share,
        told: Told::default(),
    })
}

/// Whether what nginx looks at is that route already.
fn leads(site: &Site, upstream: &Upstream, route: &Route) -> bool {
    match upstream.looks() {
        Some(Looks::ForKind) => {
            Route::of(&site.dir, &site.slots).as_ref() == Some(route) && route.is_made(&site.dir, &site.app)
        }
        Some(Looks::ForName) | None => !route.is_shared() && route.keeps().is_none(),
    }
}

/// Whether the front shows that nginx serves so already.
fn is_seen(change: &Change, route: &Route) -> bool {
    change.front().is_some() && change.witnesses(None).see(&Asks::of(route, change.site), BRIEFLY).is_ok()
}

/// The upstream file, if there is one. The scripts' own `tee` makes it, and so does bg-switch.
fn there(site: &Site) -> Result<Option<Upstream>> {
    match Upstream::read(&site.upstream_file) {
        Ok(upstream) => Ok(Some(upstream)),
        Err(_) if !site.upstream_file.exists() => Ok(None),
        Err(why) => Err(why),
    }
}

/// Adds to a switch that was not seen what is likely the cause, as the front shows it; `named` is whether that named a slot
/// before.
fn with_a_cause(why: anyhow::Error, change: &Change, named: bool) -> anyhow::Error {
    let Some(front) = change.front().filter(|_| Exit::of(&why) == Exit::NotMoved) else { return why };
    let url = &change.site.front;
    let likely = match front.ask(BRIEFLY) {
        Answer::NoSlot(Silence::NoReply(NoReply::Refused)) => {
            format!("nothing listens at {url}; start nginx: {}", call::start())
        }
        _ if named => match cache_that_answers(front, change) {
            Some(cache) => cache,
            None => return why,
        },
        Answer::Limited(_) => LIMITED.to_owned(),
        Answer::Slot(_) | Answer::NoSlot(_) => {
            let none = Advice::setting(change.site, "", "front", "-");
            format!("{url} named no slot before either: if it never names one, go without a front: {none}")
        }
    };
    Exit::NotMoved.because(format!("{why:#}\n  likely    {likely}"))
}

/// Adds how to see that nginx follows, to a share that was taken back and not seen to be.
fn with_a_look(why: anyhow::Error, site: &Site, slot: &Slot) -> anyhow::Error {
    if Exit::of(&why) != Exit::NotMoved {
        return why;
    }
    let look = Advice::call(site, "bg-switch", &["--to", slot.name.as_str()]);
    Exit::NotMoved.because(format!("{why:#}\n  next      when the cause is gone, see that nginx follows: {look}"))
}

/// That the front's answer comes from a cache, which goes on naming the old slot, where it does.
fn cache_that_answers(front: &Front, change: &Change) -> Option<String> {
    let seen =
        front.cache_that_answers(BRIEFLY).map(|header| format!("the front's answer comes from a cache ({header})"));
    let seen = seen.or_else(|| remembered(change.site, change.nginx.configuration()?))?;
    Some(format!("{seen}: {UNCACHED}"))
}

impl Switch {
    fn in_words(&self, site: &Site) -> String {
        let Switch { from, to, form, evidence, share, .. } = self;
        let moved = match from {
            Some(from) if share.is_some() => {
                let share = share.unwrap_or(NUMBERS);
                format!("{to} has {share} % of the visitors, {from} {} %, by {form}", NUMBERS - share)
            }
            Some(from) if from == to => format!("{to} serves already"),
            Some(from) => format!("{from} -> {to} by {form}"),
            None => format!("to {to} by {form}"),
        };
        format!("{moved}, {}", evidence.in_words(&site.front))
    }
}
