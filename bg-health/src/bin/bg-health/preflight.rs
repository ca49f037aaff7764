//! `bg-health --check`: would the release that serves pass the check that the next one has to pass?

use crate::args::Args;
use crate::check::Check;
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_probe::cli::preflight::Finding;
use bg_probe::live::front::FRONT_WITHIN;
use bg_probe::live::verdict::live;
use bg_probe::live::witnesses::By;
use bg_probe::site::settings::Site;

/// What there is to look at: one check of the live slot.
///
/// # Errors
/// When the path makes no URL.
pub(crate) fn findings(args: &Args, site: &Site) -> Result<Vec<Finding>> {
    let live = live(site, By::Both, FRONT_WITHIN).ok().and_then(|verdict| verdict.live);
    let Some(live) = live else {
        return Ok(vec![Finding::ok("health", "no release serves yet whose health could be asked for")]);
    };
    let answer = Check::new(args, &site.address, &live)?.run(*args.check_timeout);
    let detail = format!("{live} answers {} at {}", answer.text, answer.url);
    Ok(vec![match answer.kind {
        Kind::Healthy => Finding::ok("health", detail),
        _ => Finding::warn(
            "health",
            format!("{detail}, which is not healthy"),
            "if the next release answers the same, say with --path, --expect or --expect-status (BG_HEALTH_PATH, ...) what is healthy",
        ),
    }])
}
