//! The link form: one `rename(2)` of the link `live`, which nginx looks through on every request. A switch asks nothing
//! of nginx.

use crate::form::change::Change;
use crate::form::hidden::perhaps;
use crate::form::obstacle::{Obstacle, obstacles};
use crate::form::permission::{may_write_in, who_may_write_in};
use crate::form::rules::{Move, Rules};
use crate::form::share;
use crate::form::stay;
use crate::nginx::Nginx;
use crate::nginx::groups::Groups;
use crate::proof::{Asks, Evidence, Unseen, as_before};
use anyhow::{Context, Result};
use bg_probe::cli::preflight::Finding;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::nginx::upstream::link::{Looks, Spelling, text};
use bg_probe::os::replace;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::address::group_of;
use bg_probe::site::advice::Advice;
use bg_probe::site::dir::Dir;
use bg_probe::site::route::{Route, prune};
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::path::Path;

/// The link form's rules.
pub(super) struct Link;

impl Rules for Link {
    fn switch(&self, change: &Change, to_do: &Move) -> Result<Evidence> {
        let dir = &change.site.dir;
        ensure_ours(change.site, to_do.upstream)?;
        ensure_movable(dir)?;
        if to_do.route.is_shared() {
            share::ensure_possible(change, to_do)?;
        }
        if to_do.route.keeps().is_some() {
            stay::ensure_possible(change, to_do)?;
        }
        switch(change, to_do).map_err(|why| explained(why, change))
    }

    /// Names the printed site's groups, unless the site that includes the file has none.
    fn text(&self, site: &Site, nginx: &Nginx, voice: Voice) -> Result<String> {
        let (spelling, looks) = match Groups::look(site, nginx) {
            Groups::There(looks) => (Spelling::Group, looks),
            Groups::ToCome => (Spelling::Group, Looks::ForKind),
            // A variable that is not there would keep nginx from starting.
            Groups::Unknown => (Spelling::Group, Looks::ForName),
            Groups::Missing => {
                let names = site.slots.both().each_ref().map(|slot| group_of(&site.app, slot)).join(" and ");
                voice.warn(&format!(
                    "nginx has no upstream groups {names}, so the addresses stand in their place. For groups, which \
                     keep connections open, add those of bg-switch --print-site first, and print this again"
                ));
                (Spelling::Address, Looks::ForName)
            }
        };
        if looks == Looks::ForKind {
            share::complete_live(site, voice);
        }
        text(site, spelling, looks, site.slots.first())
    }

    /// The scripts' own site has no groups: there, and where they can't be looked for, the addresses themselves stand.
    ///
    /// The slot that serves is the one without a condition: if nginx can't see the link (a folder it may not enter,
    /// a container), nothing moves.
    fn directives(&self, site: &Site, nginx: &Nginx, _: &Upstream, live: &Slot) -> Result<String> {
        let (spelling, looks) = match Groups::look(site, nginx) {
            Groups::There(looks) => (Spelling::Group, looks),
            Groups::ToCome | Groups::Missing | Groups::Unknown => (Spelling::Address, Looks::ForName),
        };
        let directives = text(site, spelling, looks, live)?;
        let route = Route::whole(&site.slots, live).make(&site.dir, &site.app)?;
        replace::link(&site.dir.live(), &route)?;
        Ok(directives)
    }

    fn obstacles(&self, site: &Site, nginx: &Nginx) -> Vec<Obstacle> {
        obstacles(site, nginx)
    }

    fn tests_configuration(&self) -> bool {
        false
    }

    fn findings(&self, site: &Site, nginx: &Nginx, upstream: Option<&Upstream>) -> Vec<Finding> {
        let dir = &site.dir;
        if let Err(why) = ensure_ours(site, upstream) {
            return vec![Finding::refused("link", &why, "give the same --dir as when it was written")];
        }
        let obstacles = obstacles(site, nginx);
        let mut findings: Vec<Finding> = obstacles.iter().map(Obstacle::finding).collect();
        if !obstacles.iter().any(Obstacle::bars_every_switch) {
            findings.push(Finding::ok("link", format!("nginx's workers can reach {}", dir.live().display())));
        }
        findings.extend(share::finding(site, nginx, upstream));
        findings.push(match ensure_movable(dir) {
            Ok(()) => Finding::ok("write", format!("the link can be moved in {}", dir.root().display())),
            Err(why) => Finding::refused("write", &why, "see who may write there"),
        });
        findings
    }
}

/// Refuses an upstream file that looks at another folder's link: renaming ours would move nothing.
fn ensure_ours(site: &Site, upstream: Option<&Upstream>) -> Result<()> {
    let dir = &site.dir;
    let flag = upstream.and_then(Upstream::flag).unwrap_or(Path::new("/"));
    if dir.has_link(flag) {
        return Ok(());
    }
    let what = format!(
        "the upstream file looks at {}, but this deploy's link is {}",
        flag.parent().unwrap_or(flag).display(),
        dir.live().display()
    );
    let convert = Advice::call(site, "bg-switch", &["--convert", "link"]);
    let remedy = format!("give the same --dir as when it was written, or have it look here with: {convert}");
    Err(Exit::Unsure.refuse(what, remedy))
}

/// Refuses a folder in which this user can't rename the link; one that is not there yet is made.
fn ensure_movable(dir: &Dir) -> Result<()> {
    let folder = dir.root().ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    may_write_in(folder).map_err(|why| {
        Exit::Refused.refuse(
            format!("the link can't be moved: {} may not be written ({})", folder.display(), why.desc()),
            who_may_write_in(folder, why),
        )
    })
}

/// Moves the link and waits for the proof. Where that does not come, the link is put back where it was, unless a share was
/// taken back.
fn switch(change: &Change, to_do: &Move) -> Result<Evidence> {
    let dir = &change.site.dir;
    let live = dir.live();
    let before = std::fs::read_link(&live).ok();
    let route = to_do.route.make(dir, &change.site.app)?;
    let done = |evidence| {
        if let Err(why) = prune(dir) {
            change.voice.warn(&format!("nginx has moved; what it looked at before is left for the next run: {why:#}"));
        }
        Ok(evidence)
    };
    let why = match (replace::link(&live, &route), change.front()) {
        (Ok(()), None) => return done(Evidence::Link),
        (Ok(()), Some(_)) => match change.witnesses(None).see(&Asks::of(to_do.route, change.site), change.within) {
            Ok(evidence) => return done(evidence),
            Err(unseen) if to_do.takes_back => return Err(left(change, to_do, &unseen)),
            Err(unseen) => Exit::NotMoved.because(unseen.in_words(to_do.to, change.within)),
        },
        (Err(why), _) if std::fs::read_link(&live).ok() == before => return Err(why),
        // The link was moved, and only the last fsync has failed.
        (Err(why), _) => why,
    };
    Err(undo(change, to_do.from, before.as_deref(), &why))
}

/// Leaves the link where a share was taken back, and nobody saw nginx follow. Put back, it would lead visitors to the release
/// again that is to have none, as soon as nginx runs; and an nginx that answers by the other slot does not look at it, or
/// will find what is there now.
fn left(change: &Change, to_do: &Move, unseen: &Unseen) -> anyhow::Error {
    let words = unseen.in_words(to_do.to, change.within);
    Exit::NotMoved.because(format!("{words}. The link leads everybody to {} all the same, and stays so", to_do.to))
}

/// Puts the link back to where it led `before`, and adds to `why` what serves now.
fn undo(change: &Change, from: Option<&Slot>, before: Option<&Path>, why: &anyhow::Error) -> anyhow::Error {
    let live = change.site.dir.live();
    let undone = match before {
        Some(target) => replace::link(&live, target),
        None => replace::remove(&live),
    };
    let exit = Exit::of(why);
    match undone.with_context(|| format!("put {} back", live.display())) {
        Ok(()) => {
            let now = change.front().zip(from).map(|(front, from)| as_before(front, from, None, change.within).0);
            let now = now.as_deref().unwrap_or("no slot was seen live before");
            exit.because(format!("{why:#}. The link is as it was; {now}"))
        }
        Err(worse) => {
            let back = from.map(|from| Advice::call(change.site, "bg-switch", &["--to", from.name.as_str()]));
            let back = back
                .map_or_else(|| "move the link by hand".to_owned(), |back| format!("once that can be done: {back}"));
            exit.refuse(format!("{why:#}. {worse:#}"), back)
        }
    }
}

/// Adds what may have kept nginx from following the link.
fn explained(why: anyhow::Error, change: &Change) -> anyhow::Error {
    if Exit::of(&why) != Exit::NotMoved {
        return why;
    }
    let mut reasons: Vec<String> = obstacles(change.site, change.nginx).iter().map(ToString::to_string).collect();
    let is_unseen = change.nginx.is_on_this_machine() && change.nginx.running().is_none();
    if reasons.is_empty() && is_unseen && change.serving().is_some() {
        reasons.push(perhaps(change.site));
    }
    if reasons.is_empty() {
        return why;
    }
    Exit::NotMoved.because(format!("{why:#}\n  likely    {}", reasons.join("\n            ")))
}
