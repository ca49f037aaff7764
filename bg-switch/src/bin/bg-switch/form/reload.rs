//! The reload form: one address in the upstream file, rewritten at each switch, and a reload.

use crate::extras::remedy;
use crate::form::change::Change;
use crate::form::obstacle::Obstacle;
use crate::form::rewrite;
use crate::form::rules::{Move, Rules};
use crate::form::share;
use crate::nginx::Nginx;
use crate::proof::Evidence;
use anyhow::Result;
use bg_probe::cli::preflight::Finding;
use bg_probe::live::pending::Pending;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::nginx::upstream::reload::{text, with};
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::address::By;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// The reload form's rules.
pub(super) struct Reload;

impl Rules for Reload {
    fn switch(&self, change: &Change, to_do: &Move) -> Result<Evidence> {
        let (site, to) = (change.site, to_do.to);
        if to_do.route.keeps().is_some() {
            let file = site.upstream_file.display();
            return Err(Exit::Refused.refuse(
                format!("{file} has the reload form, in which nginx sends everybody to one slot. Nothing was touched"),
                remedy(site, "sticky"),
            ));
        }
        if to_do.route.is_shared()
            && let Some(why) = share::obstacle(site, to_do.upstream)
        {
            return Err(why);
        }
        // Where there is no file it is made, as by the scripts' own `tee`.
        let rewritten = to_do.upstream.map_or_else(|| Ok(text(site, to)), |upstream| upstream.moved_to(site, to))?;
        let (from, before) = (to_do.from.map(Slot::to_string), before(site, to_do)?);
        let plan = Pending { from, to: to.name.to_string(), before, is_conversion: false };
        rewrite::apply(change, &plan, &rewritten, to)
    }

    fn text(&self, site: &Site, _: &Nginx, _: Voice) -> Result<String> {
        Ok(text(site, site.slots.first()))
    }

    /// An address that stands there works: a name in it has its resolver.
    fn directives(&self, site: &Site, _: &Nginx, before: &Upstream, live: &Slot) -> Result<String> {
        Ok(match before.found(site) {
            Some(found) if found.by == By::Port => with(&found.moved_to(&site.app, live)),
            _ => text(site, live),
        })
    }

    /// None: nginx itself reports what keeps it from reading a file.
    fn obstacles(&self, _: &Site, _: &Nginx) -> Vec<Obstacle> {
        Vec::new()
    }

    fn tests_configuration(&self) -> bool {
        true
    }

    fn findings(&self, site: &Site, nginx: &Nginx, _: Option<&Upstream>) -> Vec<Finding> {
        rewrite::findings(site, nginx)
    }
}

/// The text to go back to where the switch fails.
fn before(site: &Site, to_do: &Move) -> Result<Option<String>> {
    match (to_do.upstream, to_do.from) {
        // An edit that was never reloaded: to go back to it would move nginx to where it never was.
        (Some(upstream), Some(from)) if upstream.points_at(site).as_ref() != Some(from) => {
            upstream.moved_to(site, from).map(Some)
        }
        (upstream, _) => Ok(upstream.map(|upstream| upstream.text.clone())),
    }
}
