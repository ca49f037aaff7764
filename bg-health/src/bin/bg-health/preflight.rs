//! `bg-health --check`: would the release that serves pass the check that the next one has to pass?

use crate::check::{Check, Expectation};
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_probe::cli::preflight::{Finding, conclude};
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::verdict::live;
use bg_probe::live::witnesses::By;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::site::settings::{Settings, Site};

/// Runs the preflight: the check of the wait, once, of the live slot.
///
/// # Errors
/// Those of [`Check::new`].
pub(crate) fn run(site: &Site, expectation: &Expectation, as_json: bool, voice: Voice) -> Result<()> {
    conclude(&[finding(site, expectation)?], as_json, voice)
}

/// Runs the preflight of the deploy whose record is on stdin, and asks no application.
///
/// # Errors
/// When there is no record that can be used; [`bg_probe::say::exit::Exit::Refused`] for what would fail.
pub(crate) fn foresee(settings: &Settings, expectation: &Expectation, voice: Voice) -> Result<()> {
    let record = Record::from_stdin()?.overruled(settings)?;
    let check = Check::new(expectation, &record.site, &record.slot).map(drop);
    let findings: Vec<Finding> =
        check.err().iter().map(|why| Finding::refused("health", why, "correct the flags of bg-health")).collect();
    conclude(&findings, true, voice)
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
