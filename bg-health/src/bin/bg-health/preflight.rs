//! `bg-health --check`: would the release that serves pass the check that the next one has to pass?

use crate::check::{Check, Expectation};
use crate::visitors::channel::Channel;
use crate::visitors::limits::{Limits, Quiet};
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_probe::cli::preflight::{Finding, conclude};
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::verdict::live;
use bg_probe::live::witnesses::By;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::settings::{Settings, Site};
use bg_probe::site::watched;

/// Runs the preflight: the check of the wait, once, of the live slot.
///
/// # Errors
/// Those of [`Check::new`].
pub(crate) fn run(
    site: &Site,
    expectation: &Expectation,
    limits: Option<Limits>,
    as_json: bool,
    voice: Voice,
) -> Result<()> {
    // To listen to nginx a folder is made, and a check makes nothing.
    let limits = limits.filter(|_| watched::folder(&site.dir).exists());
    let findings: Vec<Finding> = std::iter::once(finding(site, expectation)?).chain(visitors(site, limits)).collect();
    conclude(&findings, as_json, voice)
}

/// Runs the preflight of the deploy whose record is on stdin, and asks no application.
///
/// # Errors
/// When there is no record that can be used; [`bg_probe::say::exit::Exit::Refused`] for what would fail.
pub(crate) fn foresee(
    settings: &Settings,
    expectation: &Expectation,
    limits: Option<Limits>,
    voice: Voice,
) -> Result<()> {
    let record = Record::from_stdin()?.overruled(settings)?;
    let check = Check::new(expectation, &record.site, &record.slot).map(drop);
    let flags = |why| Finding::refused("health", why, "correct the flags of bg-health");
    let findings: Vec<Finding> = check.err().iter().map(flags).chain(visitors(&record.site, limits)).collect();
    conclude(&findings, true, voice)
}

/// Whether what nginx answers the visitors can be seen, where a watch is to judge by it. A deploy that is to go back
/// where nothing is proven would be for nothing.
fn visitors(site: &Site, limits: Option<Limits>) -> Option<Finding> {
    let limits = limits?;
    let why = match Channel::open(site) {
        Ok(channel) => channel.is_deaf().map(str::to_owned),
        Err(why) => Some(format!("{why:#}")),
    };
    let Some(why) = why else {
        return Some(Finding::ok("watch", "nginx says what it answers the visitors, while somebody watches"));
    };
    let remedy = "print the site with bg-switch --print-site --with watch, or set no --watch-errors and no --watch-p95";
    Some(match limits.quiet {
        Quiet::Keep => Finding::warn("watch", format!("the visitors can't be watched: {why}"), remedy),
        Quiet::Back => {
            Finding::refused("watch", &Exit::Refused.because(format!("the visitors can't be watched: {why}")), remedy)
        }
    })
}

fn finding(site: &Site, expectation: &Expectation) -> Result<Finding> {
    let live = live(site, By::Both, FRONT_WITHIN).ok().and_then(|verdict| verdict.live);
    let Some(live) = live else {
        return Ok(Finding::ok("health", "no release serves yet whose health could be asked for"));
    };
    let answer = Check::new(expectation, site, &live)?.run(expectation.within);
    let detail = format!("{live} answers {} at {}", answer.text, answer.url);
    Ok(match answer.kind {
        Kind::Healthy => Finding::ok("health", detail),
        _ => Finding::warn(
            "health",
            format!("{detail}, which is not healthy"),
            "if the next release answers the same, set --path, --expect or --expect-status (BG_HEALTH_PATH, ...) to what is healthy",
        ),
    })
}
