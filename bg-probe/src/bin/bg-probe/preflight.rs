//! `bg-probe --check`: whether the live slot can be found out, and a deploy may begin.

use crate::order::Ask;
use anyhow::Result;
use bg_probe::cli::preflight::{Finding, State};
use bg_probe::live::front::{Answer, Front, Silence};
use bg_probe::live::lingering::Lingering;
use bg_probe::live::provable::ensure_provable;
use bg_probe::live::subject::choose;
use bg_probe::live::verdict::{self, Verdict};
use bg_probe::nginx::call;
use bg_probe::nginx::upstream::ensure_usable;
use bg_probe::os::http::NoReply;
use bg_probe::os::process::command_line;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::closed::is_closed;
use bg_probe::site::dir::Dir;
use bg_probe::site::drained::is_drained;
use bg_probe::site::launched::Launched;
use bg_probe::site::lock;
use bg_probe::site::prepared::Prepared;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Choice, Slot};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// No release is older than this program; a clock before this was never set. 2024-01-01T00:00:00Z.
const YEAR_2024: Duration = Duration::from_secs(1_704_067_200);

/// Everything that bg-probe has to look at.
pub(crate) fn findings(site: &Site, ask: Ask) -> Vec<Finding> {
    let verdict = verdict::live(site, ask.by, ask.within);
    let mut findings: Vec<Finding> = site.slots.both().iter().map(slot).collect();
    findings.push(front(site, ask.within, &verdict));
    findings.push(upstream_file(site));
    findings.push(agreement(site, &verdict));
    findings.extend(closed(site));
    findings.extend(drained(site));
    findings.extend(lingering(site));
    findings.extend(prepared(&site.dir));
    findings.push(lock(&site.dir));
    findings.extend(site.slots.both().iter().filter_map(|slot| damaged(&site.dir, slot)));
    findings.push(clock(SystemTime::now(), newest_release(&site.dir).as_deref()));
    findings
}

fn slot(slot: &Slot) -> Finding {
    if !slot.listens() {
        return Finding::ok("slot", format!("{}: nothing listens", slot.on_port()));
    }
    let holders = slot.holders().unwrap_or_default();
    let who = holders.first().map(|pid| format!(": pid {pid} ({})", command_line(*pid))).unwrap_or_default();
    Finding::ok("slot", format!("{} listens{who}", slot.on_port()))
}

/// What nginx answers; whether that is enough to tell which slot is live is decided in [`agreement`].
fn front(site: &Site, within: Duration, verdict: &Result<Verdict>) -> Finding {
    match Front::of(site) {
        Err(why) => Finding::refused("front", &why, "correct --front"),
        Ok(None) => Finding::ok("front", "no front is asked (--front -): the upstream file alone decides"),
        Ok(Some(front)) => match front.ask(within) {
            Answer::Slot(slot) => quickly(&front, site, &format!("answers {slot}"), within),
            Answer::Limited(status) => quickly(&front, site, &format!("answers {status}"), within),
            Answer::NoSlot(said) => silent(site, &said, verdict),
        },
    }
}

/// A front that names no slot. That of a release that is ill is no reason not to deploy a fix, and where nothing was ever
/// deployed nothing need answer.
fn silent(site: &Site, said: &Silence, verdict: &Result<Verdict>) -> Finding {
    let (live, idle) = match verdict {
        Ok(verdict) => (verdict.live.as_ref(), verdict.idle(site)),
        Err(_) => (None, site.slots.first()),
    };
    if let Err(why) = ensure_provable(site, idle, live, said) {
        return Finding::refused("front", &why, "correct --front");
    }
    let url = &site.front;
    let detail = format!("{url} names no slot ({said})");
    match (live, said) {
        (None, Silence::NoReply(NoReply::Refused)) => Finding::ill(
            "front",
            detail,
            format!("start nginx: {}; or let --front be a URL through it, or - where there is none", call::start()),
        ),
        (None, Silence::Status(502)) => {
            Finding::ok("front", format!("{url} answers 502, as it should while nothing runs"))
        }
        (None, _) => Finding::warn(
            "front",
            detail,
            "let --front be a page that answers with the slot's name alone (--front-host names the site; \
             bg-switch --print-site has such a page), or - where there is none",
        ),
        (Some(live), _) if live.listens() => Finding::ill(
            "front",
            format!("{detail}, while {live} is live"),
            format!(
                "look into {}; then deploy a fix, or go back: {}",
                site.dir.logs(&live.name).join("app.log").display(),
                Advice::call(site, "bg-deploy", &["--rollback"])
            ),
        ),
        (Some(_), _) => Finding::ill("front", detail, start_again(site)),
    }
}

/// What starts the release again that nginx serves or is set to serve.
fn start_again(site: &Site) -> String {
    format!("start it again: {}", Advice::call(site, "bg-launch", &["--live"]))
}

/// A switch asks that often, and one right after another.
const QUICK: usize = 7;

/// Whether the front can also be asked as quickly as a switch does it.
fn quickly(front: &Front, site: &Site, answers: &str, within: Duration) -> Finding {
    let refused = (0..QUICK).filter(|_| matches!(front.ask_at_once(within), Answer::Limited(_))).count();
    let detail = format!("{} {answers}", site.front);
    if refused == 0 {
        return Finding::ok("front", detail);
    }
    Finding::warn(
        "front",
        format!("{detail}, but a rate limit (limit_req) refused {refused} of {QUICK} quick questions"),
        "let --front be /_bg/slot, the page of bg-switch --print-site: no limit reaches it",
    )
}

fn upstream_file(site: &Site) -> Finding {
    let path = site.upstream_file.display();
    let upstream = match ensure_usable(site) {
        Ok(upstream) => upstream,
        Err(why) => return Finding::refused("upstream-file", &why, "write the address of the slot that serves"),
    };
    let form = upstream.form().name();
    match upstream.points_at(site) {
        Some(slot) => Finding::ok("upstream-file", format!("{path} has the {form} form and points at {slot}")),
        None => Finding::warn(
            "upstream-file",
            format!("{path} has the {form} form and {}", upstream.nowhere(site)),
            format!("make sure that --slots {} are the ports in it", site.slots),
        ),
    }
}

fn agreement(site: &Site, verdict: &Result<Verdict>) -> Finding {
    let verdict = match verdict {
        Ok(verdict) => verdict,
        Err(why) => return Finding::refused("live", why, "fix that first"),
    };
    let idle = match choose(site, &Choice::Idle, verdict) {
        Ok(idle) => idle,
        Err(why) => return Finding::refused("live", &why, "fix that first"),
    };
    let next = format!("the next deploy is for {idle}");
    let Some(live) = &verdict.live else {
        return match verdict.down(site) {
            Some(slot) => Finding::ill(
                "live",
                format!("nothing runs, and nginx is set to serve {slot}; {next}"),
                start_again(site),
            ),
            None => Finding::ok("live", format!("no slot is live; {next}")),
        };
    };
    let detail = format!("{live} is live; {next}");
    match &verdict.warning {
        Some(warning) if verdict.stand_in.is_some() => Finding::ill("live", warning.clone(), start_again(site)),
        Some(warning) if !live.listens() => Finding::ill("live", format!("{warning}; {next}"), start_again(site)),
        Some(warning) => {
            Finding::warn("live", format!("{detail}, but {warning}"), "fix that, or make sure that it is meant so")
        }
        None => Finding::ok("live", detail),
    }
}

/// A deploy goes on all the same.
fn closed(site: &Site) -> Option<Finding> {
    let open = || format!("open it with: {}", Advice::call(site, "bg-switch", &["--open"]));
    is_closed(&site.dir).then(|| Finding::warn("closed", "the site is closed: visitors get 503 and a page", open()))
}

/// A deploy goes on, which is what a host may be drained for.
fn drained(site: &Site) -> Option<Finding> {
    let back = || format!("bring it back with: {}", Advice::call(site, "bg-switch", &["--drain", "off"]));
    let detail = "this host is drained: /_bg/ready answers 503, so a load balancer sends nobody here";
    is_drained(&site.dir).then(|| Finding::warn("drained", detail, back()))
}

/// The next launch ends it, and no visitor should have to wait for that.
fn lingering(site: &Site) -> Option<Finding> {
    let (what, remedy) = Lingering::of(site)?.overdue(site)?;
    Some(Finding::warn("lingers", what, remedy))
}

/// A record of what is prepared that says nothing: a rollback or the next deploy would not know of it.
fn prepared(dir: &Dir) -> Option<Finding> {
    let why = Prepared::noted(dir).err()?;
    let refused = Finding::refused("prepared", &why, "prepare a release anew");
    Some(Finding { state: State::Warn, exit: None, ..refused })
}

fn lock(dir: &Dir) -> Finding {
    match lock::held_by(dir) {
        None => Finding::ok("lock", "no other deploy runs"),
        Some(holder) => Finding::warn(
            "lock",
            format!("another deploy holds {}: {holder}", dir.lock().display()),
            "wait until it is done, or let the next one wait with --wait 5m",
        ),
    }
}

/// A file of ours that can't be understood; where that is a refusal, the verdict has it.
fn damaged(dir: &Dir, slot: &Slot) -> Option<Finding> {
    let why = Launched::damage(dir, &slot.name).filter(|_| Launched::of(dir, &slot.name).is_ok())?;
    let path = dir.process(&slot.name);
    let path = path.display();
    let detail = format!("{path} is damaged ({why}), and nothing that was launched from here runs in {slot}");
    Some(Finding::warn("process", detail, format!("remove it: rm {path}; or deploy into {slot}, which writes it anew")))
}

/// Refuses a clock that was never set: releases are named by the time they were made, and the oldest are removed.
///
/// # Errors
/// [`bg_probe::say::exit::Exit::Refused`].
pub(crate) fn ensure_dated(now: SystemTime) -> Result<()> {
    if now >= UNIX_EPOCH + YEAR_2024 {
        return Ok(());
    }
    Err(Exit::Refused.refuse(format!("the clock says {}", humantime::format_rfc3339_seconds(now)), SET_THE_CLOCK))
}

const SET_THE_CLOCK: &str = "set the clock, as by timedatectl set-ntp true";

/// A clock that goes back makes the newest release look old.
fn clock(now: SystemTime, newest: Option<&str>) -> Finding {
    if let Err(why) = ensure_dated(now) {
        return Finding::refused("clock", &why, SET_THE_CLOCK);
    }
    let said = humantime::format_rfc3339_seconds(now).to_string();
    let now = said.replace(['-', ':'], "");
    match newest.filter(|newest| newest.split('-').next() > Some(&now)) {
        Some(newest) => {
            let detail = format!("the clock says {said}, but release {newest} is from later");
            Finding::warn("clock", detail, SET_THE_CLOCK)
        }
        None => Finding::ok("clock", format!("the clock says {said}")),
    }
}

/// By name is by time: `20261121T193000Z-1a2b3c4d`.
fn newest_release(dir: &Dir) -> Option<String> {
    let names = std::fs::read_dir(dir.releases()).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bg_probe::cli::preflight::State;

    #[test]
    fn a_clock_that_was_never_set_is_told_from_one_that_went_back() {
        let at = |text| humantime::parse_rfc3339(text).unwrap();
        assert_eq!(clock(at("1970-01-01T00:01:00Z"), None).state, State::Fail);
        let release = Some("20261121T193000Z-1a2b3c4d");
        assert_eq!(clock(at("2026-11-21T19:29:00Z"), release).state, State::Warn);
        assert_eq!(clock(at("2026-11-21T19:30:00Z"), release).state, State::Ok, "made in this very second");
    }
}
