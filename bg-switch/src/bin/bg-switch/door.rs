//! `--close` and `--open`: whether visitors get answers, or a page that says that there are none at the moment.
//!
//! One file decides, at which nginx looks on every request. No lock is taken: a site is closed when that is needed, and a
//! deploy that is under way goes on.

use crate::closing::{HEADER, PATH};
use crate::means::Means;
use crate::nginx::parts::{self, Has, Part};
use crate::page::{Page, unanswered};
use crate::proof::IN_A_ROW;
use anyhow::{Context, Result};
use bg_probe::os::http::{NoReply, Reply};
use bg_probe::say;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::site::advice::Advice;
use bg_probe::site::closed::{self, MOST_PAGE};
use bg_probe::site::folder_app;
use bg_probe::site::settings::Site;
use bg_probe::site::visitor::{HEADER as AS_A_VISITOR, Visitor};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// The page where none was given.
const USUAL: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n<title>Closed for a moment</title>\n\
    <p>This site is closed for a moment. Please try again in a few minutes.</p>\n</html>\n";

/// Closes the site with the page in a file, or with the usual one.
///
/// # Errors
/// [`Exit::Refused`] for a page that can't be used, for a site that has no door, and where nobody can tell whether it has one;
/// [`Exit::NotMoved`] where nginx was not seen to close it. It is open then, as before.
pub(crate) fn close(site: &Site, page: Option<&Path>, means: &Means) -> Result<()> {
    let text = page.map_or_else(|| Ok(USUAL.as_bytes().to_vec()), read)?;
    let began = Instant::now();
    folder_app::ensure(site)?;
    let door = Part::Door.ensure(site, &means.nginx, no_door, "whether the site looks if it is closed")?;
    let page = Page::of(site, "/")?;
    site.dir.create()?;
    let was_closed = closed::is_closed(&site.dir);
    closed::close(&site.dir, &text)?;
    let doorway = Doorway::Closed(&text);
    let seen = match doorway.seen(page.as_ref(), means.within) {
        Ok(seen) => seen,
        Err(unseen) if was_closed => return Err(doorway.missed(site, unseen, means.within, "The site stays closed")),
        Err(unseen) => return Err(opened_again(site, |now| doorway.missed(site, unseen, means.within, now))),
    };
    if let Has::InPart(file) = door {
        let file = file.display();
        means.voice.warn(&format!(
            "a server in {file} does not look whether the site is closed: its visitors go on to get answers"
        ));
    }
    let open = Advice::call(site, "bg-switch", &["--open"]);
    means.voice.done("switch", &format!("closed to visitors{seen}; open it with: {open}"), Some(began.elapsed()));
    Ok(())
}

/// Opens the site.
///
/// # Errors
/// When the file can't be removed; [`Exit::NotMoved`] where visitors still get the page.
pub(crate) fn open(site: &Site, means: &Means) -> Result<()> {
    folder_app::ensure(site)?;
    if !closed::is_closed(&site.dir) {
        means.voice.done("switch", "open already; nothing was changed", None);
        return Ok(());
    }
    let began = Instant::now();
    site.dir.look()?;
    closed::open(&site.dir)?;
    let seen = Doorway::Open.seen(Page::of(site, "/")?.as_ref(), means.within);
    let seen =
        seen.map_err(|unseen| Doorway::Open.missed(site, unseen, means.within, "The site is open to visitors"))?;
    means.voice.done("switch", &format!("open to visitors{seen}"), Some(began.elapsed()));
    Ok(())
}

/// The text of a page.
fn read(path: &Path) -> Result<Vec<u8>> {
    let refuse = |what: &str| {
        let remedy = format!("give a page of HTML, of {} KiB at most", MOST_PAGE / 1024);
        Exit::Refused.refuse(format!("{} {what}. Nothing was touched", path.display()), remedy)
    };
    let mut text = Vec::new();
    let read = |file: File| file.take(MOST_PAGE + 1).read_to_end(&mut text);
    File::open(path).and_then(read).with_context(|| format!("read {}", path.display())).or_exit(Exit::Refused)?;
    match text.len() as u64 {
        0 => Err(refuse("is empty")),
        length if length > MOST_PAGE => Err(refuse("is too long")),
        _ => Ok(text),
    }
}

fn no_door(site: &Site) -> anyhow::Error {
    let what =
        "the site does not look whether it is closed, so visitors would go on to get answers. It is open as before";
    Exit::Refused.refuse(what, parts::remedy(site))
}

/// Opens the site that was not seen to close; `why`, with how it is now.
fn opened_again(site: &Site, why: impl FnOnce(&str) -> anyhow::Error) -> anyhow::Error {
    match closed::open(&site.dir) {
        Ok(()) => why("The site is open to visitors, as before"),
        Err(worse) => {
            let why = why("The site is closed");
            let open = Advice::call(site, "bg-switch", &["--open"]);
            Exit::of(&why).refuse(format!("{why:#}. {worse:#}"), format!("once that can be done: {open}"))
        }
    }
}

/// What visitors are to find.
enum Doorway<'a> {
    /// The page with this text.
    Closed(&'a [u8]),
    /// Anything else.
    Open,
}

/// The last answer where a visitor did not find it so, and where that was asked.
struct Unseen {
    url: String,
    reply: Result<Reply, NoReply>,
}

impl Doorway<'_> {
    /// Waits until a visitor is seen to find it so at the page; how that was seen, in words.
    fn seen(&self, page: Option<&Page>, within: Duration) -> Result<String, Unseen> {
        let Some(page) = page else { return Ok(parts::UNSEEN.into()) };
        let visitor = Visitor::Number(1).to_string();
        match page.is_seen(&[(AS_A_VISITOR, &visitor)], within, |reply| self.is_found(reply)) {
            Ok(()) => Ok(format!(", seen {IN_A_ROW} times at {}", page.url)),
            Err(reply) => Err(Unseen { url: page.url.to_string(), reply }),
        }
    }

    fn is_found(&self, reply: &Result<Reply, NoReply>) -> bool {
        let Ok(reply) = reply else { return false };
        let is_page = reply.headers.iter().any(|name| name.eq_ignore_ascii_case(HEADER));
        match self {
            Doorway::Open => !is_page,
            Doorway::Closed(text) => is_page && reply.status == 503 && text.starts_with(&reply.body),
        }
    }

    /// The failure to see it; `now` is how the site is, a sentence.
    fn missed(&self, site: &Site, unseen: Unseen, within: Duration, now: &str) -> anyhow::Error {
        let Unseen { url, reply } = unseen;
        match (self, reply) {
            (_, Err(why)) => unanswered(&url, &why, within, now),
            (Doorway::Open, Ok(_)) => Exit::NotMoved.because(format!(
                "visitors still got the page {} after the site was opened: has its server an open_file_cache?",
                say::seconds(within)
            )),
            (Doorway::Closed(_), Ok(reply)) if !reply.headers.iter().any(|name| name.eq_ignore_ascii_case(HEADER)) => {
                no_door(site)
            }
            (Doorway::Closed(_), Ok(reply)) => Exit::NotMoved.because(format!(
                "{url} was answered {} by {PATH}, but not with the page. {now}. May nginx's workers read {}?",
                reply.status,
                closed::page(&site.dir).display()
            )),
        }
    }
}
