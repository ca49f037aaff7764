//! The command line of `bg-health`.

mod limits;

use crate::args::limits::OfVisitors;
use crate::check::Expectation;
use crate::check::manner::Manner;
use crate::check::warmup::Requests;
use crate::order::Order;
use crate::subject::Subject;
use crate::wait::pace::Pace;
use anyhow::{Context, Result, ensure};
use bg_probe::cli::command_line::Program;
use bg_probe::cli::preflight::Check;
use bg_probe::nginx::upstream::site_of;
use bg_probe::os::http::{Header, Url, host};
use bg_probe::os::span::Span;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::say::{Voice, quoted};
use bg_probe::site::settings::Settings;
use bg_probe::site::slot::{Choice, Slots};
use clap::Parser;
use clap::builder::FalseyValueParser;

/// Wait until a slot is fit to serve
#[derive(Debug, Parser)]
#[command(name = Args::NAME, version, after_help = AFTER)]
pub(crate) struct Args {
    /// Check this slot (idle, live or its name) and read no record
    #[arg(long, env = "BG_HEALTH_SLOT", value_name = "SLOT")]
    pub(crate) slot: Option<Choice>,
    /// Ask at this path [default: /actuator/health, and /health where that is 404]
    #[arg(long, env = "BG_HEALTH_PATH", value_name = "PATH", value_parser = path)]
    pub(crate) path: Option<String>,
    /// Require this text in the body
    #[arg(long, env = "BG_HEALTH_EXPECT", value_name = "TEXT")]
    pub(crate) expect: Option<String>,
    /// Require this status, or one of several with commas [default: any 2xx]
    #[arg(long, env = "BG_HEALTH_EXPECT_STATUS", value_name = "CODE", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(100..=599))]
    pub(crate) expect_status: Vec<u16>,
    /// Ask for this host name [default: that of the front]
    #[arg(long, env = "BG_HEALTH_HOST", value_name = "HOST", value_parser = host)]
    pub(crate) host: Option<String>,
    /// Send this header along, NAME: VALUE; repeatable, or several lines
    // Read by `order`: clap's own refusal would print the value.
    #[arg(long, env = "BG_HEALTH_HEADER", value_name = "HEADER", value_delimiter = '\n', hide_env_values = true)]
    pub(crate) header: Vec<String>,
    /// Ask for the health at these ports, those for management, in place of the slots' own
    #[arg(long, env = "BG_HEALTH_PORT", value_name = "NAME=PORT,NAME=PORT")]
    pub(crate) port: Option<Slots>,
    /// Wait this long until it is healthy
    #[arg(long, env = "BG_HEALTH_TIMEOUT", default_value = "110s", value_name = "DURATION")]
    pub(crate) timeout: Span,
    /// Let one answer take this long
    #[arg(long, env = "BG_HEALTH_CHECK_TIMEOUT", default_value = "2s", value_name = "DURATION")]
    pub(crate) check_timeout: Span,
    /// Wait this long from one check to the next [default: 20ms, and 100ms while the answers are not healthy]
    #[arg(long, env = "BG_HEALTH_INTERVAL", value_name = "DURATION")]
    pub(crate) interval: Option<Span>,
    /// Require this many healthy answers in a row
    #[arg(long, env = "BG_HEALTH_SUCCESSES", default_value = "2", value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) successes: u32,
    /// Send real requests to this path once it is healthy; repeatable, or several with commas
    #[arg(long, env = "BG_HEALTH_WARMUP", value_name = "PATH", value_delimiter = ',', value_parser = path)]
    pub(crate) warmup: Vec<String>,
    /// Send this many requests to each of them
    #[arg(long, env = "BG_HEALTH_WARMUP_REQUESTS", default_value_t = 20, value_name = "N")]
    pub(crate) warmup_requests: u32,
    /// Check once and report the result: 0 or 4
    #[arg(long, env = "BG_HEALTH_ONCE", value_parser = FalseyValueParser::new())]
    pub(crate) once: bool,
    /// Watch this long after bg-switch whether the slot stays healthy and nginx serves it: 0 or 9
    #[arg(long, conflicts_with = "once", value_name = "DURATION")]
    pub(crate) watch: Option<Span>,
    #[command(flatten)]
    pub(crate) visitors: OfVisitors,
    #[command(flatten)]
    pub(crate) voice: Voice,
    #[command(flatten)]
    pub(crate) check: Check,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Program for Args {
    const NAME: &'static str = "bg-health";

    fn shared(&mut self) -> (&mut Settings, &mut Voice) {
        (&mut self.settings, &mut self.voice)
    }
}

impl Args {
    /// What is asked for.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a watch over the idle slot, and for what is no header; else when no folder for state is known.
    pub(crate) fn order(self) -> Result<Order> {
        let manner = Manner { host: self.host, headers: headers(&self.header)?, ports: self.port };
        // An empty text is in every body, and asks for nothing.
        let text = self.expect.filter(|text| !text.is_empty());
        let within = *self.check_timeout;
        let expectation = Expectation { path: self.path, text, codes: self.expect_status, within, manner };
        let (voice, limits) = (self.voice, self.visitors.limits());
        if self.check.of_record {
            return Ok(Order::Foresee { settings: self.settings, expectation, limits, voice });
        }
        if self.check.check {
            let site = site_of(&self.settings)?;
            return Ok(Order::Preflight { site, expectation, limits, as_json: self.check.json, voice });
        }
        let subject = Subject { settings: self.settings, slot: self.slot, voice };
        if self.once {
            return Ok(Order::Once { subject, expectation });
        }
        let Some(within) = self.watch else {
            let interval = self.interval.map(Into::into);
            let pace = Pace { timeout: *self.timeout, successes: self.successes, interval };
            let warmup = Requests { paths: self.warmup, each: self.warmup_requests };
            return Ok(Order::Wait { subject, expectation, pace, warmup });
        };
        if subject.slot == Some(Choice::Idle) {
            return Err(Exit::Usage.refuse("the idle slot can't be watched", "name a slot that serves: --slot live"));
        }
        Ok(Order::Watch { subject, expectation, limits, within: *within })
    }
}

/// The headers, of which none is printed where it is not one.
fn headers(lines: &[String]) -> Result<Vec<Header>> {
    let lines = lines.iter().filter(|line| !line.trim().is_empty());
    let headers = lines.map(|line| line.parse().context("--header is not like NAME: VALUE")).collect::<Result<_>>();
    headers.or_exit(Exit::Usage)
}

/// A path as it can stand behind a host in a URL.
fn path(text: &str) -> Result<String> {
    let usable = text.starts_with('/') && format!("http://127.0.0.1{text}").parse::<Url>().is_ok();
    ensure!(usable, "{} is not a path like /actuator/health", quoted(text));
    Ok(text.to_owned())
}

const AFTER: &str = "\
Examples:
  bg-probe | bg-launch app.jar | bg-health | bg-switch
  bg-health --slot idle --path /ready --expect-status 204 --timeout 5m
  bg-health --warmup /api/items --warmup /login --warmup-requests 50
  bg-health --slot live --once -q >/dev/null || mail-the-admin
  bg-probe | bg-launch app.jar | bg-health | bg-switch | bg-health --watch 30s

Healthy is a 2xx whose body is JSON with \"status\" exactly \"UP\" at its top.
With --path a 2xx is enough, unless the body is JSON with a \"status\" that is
not up, ok, pass, healthy or success, nor the code itself. Where --expect or
--expect-status says what is healthy, no \"status\" is looked at. Redirects are
not followed, and no more than 64 KiB of a body are read. It asks immediately,
then as soon as something listens (the port is looked at every 2 ms), every
100 ms while the answers are not healthy, and 5 ms after one that is. A warm-up
request must be answered with less than 500, or the wait goes on. With --port
the slot's own port must listen as well.

What the application was started as comes from the record's \"launch\". If that
process ends, the wait ends; an answer of a process that is older does not
count. It ends as well where the process listens on the other slot's port, by
which visitors may reach it. Without \"launch\" only the answers count.

--watch looks every 200 ms, at the health and at the front, and ends when two
looks in a row were bad. It moves nothing: where it ends with 9, nginx serves
the slot still, and bg-switch --to moves it back. Its record must be that of
bg-switch, unless --slot names what to watch. With --watch-errors or --watch-p95
it judges what nginx answers the visitors, too, by a site printed --with watch.
While both slots have visitors, what the other slot answers as badly is not the
new one's. Fewer answers than --watch-requests prove nothing: --watch-quiet.

Exit codes:
  0  healthy; the record is on stdout
  1  the system refused
  2  usage
  3  no record on stdin, or one that is not valid; for --watch also one without
     a switch
  4  not healthy in time, or listening on the other slot's port (with --once:
     not healthy, or --slot live and none is)
  7  --slot idle or live, and it can't be found out which one that is; or the
     record is no longer true
  8  the application exited before it was healthy
  9  it went bad within the watch";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_path_begins_with_a_slash_and_fits_in_a_url() {
        for good in ["/", "/health", "/a/b?c=d", "//x", "/@x"] {
            assert_eq!(path(good).unwrap(), good);
        }
        for bad in ["", "health", "http://x/", "/a b", "/a\nb", "/\u{1b}"] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
    }
}
