//! One check: ask the application, at one page or at another, and judge what it answers.

pub(crate) mod listeners;
pub(crate) mod manner;
pub(crate) mod other_port;
pub(crate) mod warmup;

use crate::check::manner::Manner;
use anyhow::Result;
use bg_health::verdict::{Kind, Rules};
use bg_probe::os::http::Get;
use bg_probe::site::address::Address;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::time::{Duration, Instant};

/// The health page of Spring Boot's actuator, and that of older applications.
const PATHS: [&str; 2] = ["/actuator/health", "/health"];

/// What is expected of an application.
#[derive(Debug, Default)]
pub(crate) struct Expectation {
    /// Where to ask; `None` for the usual pages, which must answer with a status.
    pub(crate) path: Option<String>,
    /// What the body must contain.
    pub(crate) text: Option<String>,
    /// The codes that will do; none for any 2xx.
    pub(crate) codes: Vec<u16>,
    /// How long one answer may take.
    pub(crate) within: Duration,
    /// How to ask.
    pub(crate) manner: Manner,
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What it means.
    pub(crate) kind: Kind,
    /// What it was, in a few harmless words: `503 {"status":"DOWN"}`, `connection refused`.
    pub(crate) text: String,
    /// The URL that was asked.
    pub(crate) url: String,
}

/// A check that can be made again and again.
pub(crate) struct Check {
    first: Target,
    /// The page to ask where the first is 404.
    second: Option<Target>,
    rules: Rules,
    /// Where it asks another port than the slot's own, the slot that must listen as well: nginx points there.
    own: Option<(Address, Slot)>,
}

impl Check {
    /// The check of the application in `slot`.
    ///
    /// # Errors
    /// When a path makes no URL; those of [`Manner::port_of`].
    pub(crate) fn new(expectation: &Expectation, site: &Site, slot: &Slot) -> Result<Check> {
        let (first, second) = match &expectation.path {
            Some(path) => (path.as_str(), None),
            None => (PATHS[0], Some(PATHS[1])),
        };
        let status_needed = expectation.path.is_none();
        let rules = Rules { status_needed, text: expectation.text.clone(), codes: expectation.codes.clone() };
        let other_port = expectation.manner.port_of(site, slot)?;
        let asked = other_port.as_ref().unwrap_or(slot);
        let target = |path| Target::new(site, asked, path, &expectation.manner);
        let own = other_port.as_ref().map(|_| (site.address.clone(), slot.clone()));
        Ok(Check { first: target(first)?, second: second.map(target).transpose()?, rules, own })
    }

    /// What is asked first; the second page is another one of the same server.
    pub(crate) fn get(&self) -> &Get {
        &self.first.get
    }

    /// Asks once, `within` at most.
    pub(crate) fn run(&self, within: Duration) -> Answer {
        let began = Instant::now();
        let answer = self.ask(&self.first, within);
        let answer = match &self.second {
            Some(second) if answer.kind == Kind::Missing => self.ask(second, within.saturating_sub(began.elapsed())),
            _ => answer,
        };
        match &self.own {
            Some((address, slot)) if answer.kind == Kind::Healthy && !address.is_reachable(slot) => {
                let text = format!("{}, but nothing listens for {} yet", answer.text, slot.on_port());
                Answer { kind: Kind::Closed, text, ..answer }
            }
            _ => answer,
        }
    }

    fn ask(&self, target: &Target, within: Duration) -> Answer {
        let (kind, text) = self.rules.judge(target.get.send(within));
        Answer { kind, text, url: target.url.clone() }
    }
}

/// One page of the application.
pub(crate) struct Target {
    /// Its URL.
    pub(crate) url: String,
    /// What asks for it.
    pub(crate) get: Get,
}

impl Target {
    /// The page at `path` of whatever listens in `slot`, as nginx would reach it.
    ///
    /// # Errors
    /// When they make no URL.
    pub(crate) fn new(site: &Site, slot: &Slot, path: &str, manner: &Manner) -> Result<Target> {
        let url = site.address.ask(slot, path);
        let get = Get::new(&url.parse()?, manner.host(site))?.with(&manner.headers);
        Ok(Target { url, get })
    }
}
