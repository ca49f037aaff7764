//! `--drain on|off`: whether a load balancer sends visitors to this host.
//!
//! One file decides, at which the page for the balancer looks. No lock is taken, and visitors who come are served: a deploy
//! goes on, and so does one that is started on a drained host.

use crate::means::Means;
use crate::nginx::parts::{self, Part};
use crate::nginx::servers::ports_of;
use crate::nginx::tree::Tree;
use crate::page::{Page, unanswered};
use crate::proof::IN_A_ROW;
use crate::ready::{DRAINED, READY_PAGE};
use anyhow::Result;
use bg_probe::nginx::call;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::http::{NoReply, Reply};
use bg_probe::os::outside;
use bg_probe::os::port;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::drained;
use bg_probe::site::folder_app;
use bg_probe::site::settings::{FrontSetting, Site};
use clap::ValueEnum;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The pause between two looks at who is connected.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether this host is to be drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drain {
    /// Take it out
    On,
    /// Bring it back
    Off,
}

/// How long visitors are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// At the most.
    pub(crate) within: Duration,
    /// Until none has been connected for so long.
    pub(crate) idle: Duration,
}

/// Drains this host and waits until no connection from outside is left.
///
/// # Errors
/// [`Exit::Refused`] where the site has no page for a balancer, or nobody can tell where visitors come; [`Exit::NotMoved`]
/// where the page was not seen to say so, and the host is not drained then; and where connections are left when the time is
/// up, and it stays drained.
pub(crate) fn on(site: &Site, patience: Patience, means: &Means) -> Result<()> {
    let Patience { within, idle } = patience;
    if within < idle {
        return Err(Exit::Usage.because("--drain-timeout is shorter than --drain-idle, so the time is up before"));
    }
    let ports = ports(site, means)?;
    folder_app::ensure(site)?;
    site.dir.create()?;
    let was_drained = drained::is_drained(&site.dir);
    drained::drain(&site.dir)?;
    let now = if was_drained { "This host stays drained" } else { "This host is not drained, as before" };
    let seen = match seen(site, true, now, means) {
        Ok(seen) => seen,
        Err(why) if was_drained => return Err(why),
        Err(why) => {
            drained::end(&site.dir)?;
            return Err(why);
        }
    };
    let [idle, within] = [idle, within].map(humantime::format_duration);
    let waiting = format!("waiting until nobody from outside has been connected for {idle}, {within} at most");
    let now = in_words(&outside::connected(&ports)?);
    means.voice.done("drain", &format!("a load balancer sends nobody to this host any more{seen}"), None);
    means.voice.done("drain", &format!("{waiting}; now {now}"), None);
    wait(site, &ports, patience, means)
}

fn wait(site: &Site, ports: &BTreeSet<u16>, patience: Patience, means: &Means) -> Result<()> {
    let began = Instant::now();
    let mut last = began;
    let mut there = Vec::new();
    let is_quiet = || {
        there = outside::connected(ports)?;
        if !there.is_empty() {
            last = Instant::now();
        }
        Ok(last.elapsed() >= patience.idle)
    };
    let is_quiet = Deadline::within(patience.within).wait(LOOK_EVERY, is_quiet)?;
    let [idle, within] = [patience.idle, patience.within].map(humantime::format_duration);
    let back = Advice::call(site, "bg-switch", &["--drain", "off"]);
    if !is_quiet {
        let again = Advice::call(site, "bg-switch", &["--drain", "on"]);
        let left = if there.is_empty() { "some have come until now".to_owned() } else { in_words(&there) };
        return Err(Exit::NotMoved.refuse(
            format!("after {within} visitors are still connected: {left}. This host stays drained"),
            format!("to go on waiting: {again}; or bring it back: {back}"),
        ));
    }
    let done =
        format!("nobody from outside has been connected for {idle}: stop or restart what you like, then: {back}");
    means.voice.done("drain", &done, Some(began.elapsed()));
    Ok(())
}

/// Brings this host back.
///
/// # Errors
/// When the file can't be removed; [`Exit::NotMoved`] where the page still says that the host is drained.
pub(crate) fn off(site: &Site, means: &Means) -> Result<()> {
    folder_app::ensure(site)?;
    if !drained::is_drained(&site.dir) {
        means.voice.done("drain", "this host is not drained; nothing was changed", None);
        return Ok(());
    }
    site.dir.look()?;
    drained::end(&site.dir)?;
    let seen = seen(site, false, "This host is not drained any more", means)?;
    means.voice.done("drain", &format!("a load balancer may send visitors to this host again{seen}"), None);
    Ok(())
}

/// The ports at which visitors come.
///
/// # Errors
/// [`Exit::Refused`] where nobody can tell, or where this machine does not see who is connected.
fn ports(site: &Site, means: &Means) -> Result<BTreeSet<u16>> {
    let asked = format!("whether the site has a page {READY_PAGE} for a load balancer");
    Part::ReadyPage.ensure(site, &means.nginx, no_page, &asked)?;
    let dump = means.nginx.configuration().filter(|dump| dump.includes(&site.upstream_file));
    let mut ports = dump.map(|dump| ports_of(&Tree::of(dump), &site.upstream_file)).unwrap_or_default();
    if let FrontSetting::At(front) = &site.front {
        ports.insert(front.port().unwrap_or(if front.scheme() == "https" { 443 } else { 80 }));
    }
    let unseen = ports.iter().find(|port| port::listeners(**port).is_ok_and(|listeners| listeners.is_empty()));
    let (what, remedy) = match unseen {
        _ if ports.is_empty() => {
            ("nobody can tell at which port visitors come".to_owned(), "let --front be a page of the site".to_owned())
        }
        Some(port) => {
            let what = format!("nothing on this machine listens on port {port}, where visitors come");
            (what, format!("start nginx: {}", call::start()))
        }
        None if !means.nginx.is_on_this_machine() => {
            let what = "nginx is called by another program, as in a container, so who is connected may not be seen";
            (what.to_owned(), "where it runs on this machine, name its pid file by --pid-file".to_owned())
        }
        None => return Ok(ports),
    };
    Err(Exit::Refused.refuse(format!("{what}. Nothing was touched"), remedy))
}

/// How many connections there are, and from where.
fn in_words(peers: &[IpAddr]) -> String {
    const MOST: usize = 5;
    let from: BTreeSet<&IpAddr> = peers.iter().collect();
    let mut names: Vec<String> = from.iter().take(MOST).map(ToString::to_string).collect();
    if from.len() > MOST {
        names.push(format!("{} more", from.len() - MOST));
    }
    match peers.len() {
        0 => "there is none".to_owned(),
        1 => format!("there is one, from {}", names.concat()),
        count => format!("there are {count}, from {}", names.join(", ")),
    }
}

/// Waits until the page is seen to say whether the host is drained; how that was seen, in words. Where it is not answered, the
/// host is as `now` has it, a sentence.
fn seen(site: &Site, is_drained: bool, now: &str, means: &Means) -> Result<String> {
    let Some(page) = Page::of(site, READY_PAGE)? else { return Ok(parts::UNSEEN.into()) };
    let says_so = |reply: &Reply| reply.status == 503 && reply.body == DRAINED.as_bytes();
    let is_found = |reply: &Result<Reply, NoReply>| reply.as_ref().is_ok_and(|reply| says_so(reply) == is_drained);
    let url = &page.url;
    match page.is_seen(&[], means.within, is_found) {
        Ok(()) if is_drained => Ok(format!(", seen {IN_A_ROW} times at {url}")),
        Ok(()) => Ok(match page.ask(&[]) {
            Ok(reply) if reply.status == 503 => {
                format!(", once {url} answers 200: it says {}", String::from_utf8_lossy(&reply.body).trim())
            }
            _ => format!(", seen {IN_A_ROW} times at {url}"),
        }),
        Err(Err(why)) => Err(unanswered(url, &why, means.within, now)),
        Err(Ok(_)) if is_drained => Err(no_page(site)),
        Err(Ok(_)) => Err(Exit::NotMoved.because(format!("{url} still says that this host is drained"))),
    }
}

fn no_page(site: &Site) -> anyhow::Error {
    let what = format!("the site has no page {READY_PAGE} for a load balancer. Nothing was changed");
    Exit::Refused.refuse(what, parts::remedy(site))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_and_their_addresses_named() {
        let from = |last: &[u8]| last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect::<Vec<_>>();
        assert_eq!(in_words(&[]), "there is none");
        assert_eq!(in_words(&from(&[7])), "there is one, from 10.0.0.7");
        assert_eq!(in_words(&from(&[7, 7, 8])), "there are 3, from 10.0.0.7, 10.0.0.8");
        assert!(in_words(&from(&[1, 2, 3, 4, 5, 6, 7])).ends_with("10.0.0.5, 2 more"));
    }
}
