//! The flags for what a watch asks of the answers that visitors get.

use crate::visitors::limits::{Limits, Percent, Quiet};
use bg_probe::os::span::Span;
use clap::Args;

/// What visitors have to be answered like.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OfVisitors {
    /// With --watch: let this part of the answers to visitors be 5xx at most, by a site printed --with watch: 1%
    #[arg(long = "watch-errors", env = "BG_HEALTH_WATCH_ERRORS", value_name = "PERCENT")]
    errors: Option<Percent>,
    /// With --watch: require that 95 % of the answers to visitors begin within this time
    #[arg(long = "watch-p95", env = "BG_HEALTH_WATCH_P95", value_name = "DURATION")]
    p95: Option<Span>,
    /// Judge by so many answers to visitors at least; fewer prove nothing
    #[arg(long = "watch-requests", env = "BG_HEALTH_WATCH_REQUESTS", default_value = "50", value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// Where nothing is proven, keep the release, or end as if it had gone bad
    #[arg(long = "watch-quiet", env = "BG_HEALTH_WATCH_QUIET", default_value = "keep", value_name = "WHAT")]
    if_quiet: Quiet,
}

impl OfVisitors {
    /// The limits; `None` where there are none.
    pub(super) fn limits(self) -> Option<Limits> {
        let limits = Limits {
            errors: self.errors.map(|percent| percent.0),
            p95: self.p95.map(Into::into),
            requests: self.requests.into(),
            quiet: self.if_quiet,
        };
        Some(limits).filter(|limits| limits.errors.is_some() || limits.p95.is_some())
    }
}
