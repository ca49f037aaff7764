//! One check: ask the application, at one page or at another, and judge what it answers.

pub(crate) mod listeners;
pub(crate) mod other_port;
pub(crate) mod warmup;

use anyhow::Result;
use bg_health::verdict::{Kind, Rules};
use bg_probe::os::http::Get;
use bg_probe::site::address::Address;
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
}

impl Check {
    /// The check of the application in `slot`.
    ///
    /// # Errors
    /// When a path makes no URL.
    pub(crate) fn new(expectation: &Expectation, address: &Address, slot: &Slot) -> Result<Check> {
        let (first, second) = match &expectation.path {
            Some(path) => (path.as_str(), None),
            None => (PATHS[0], Some(PATHS[1])),
        };
        let status_needed = expectation.path.is_none();
        let rules = Rules { status_needed, text: expectation.text.clone(), codes: expectation.codes.clone() };
        let second = second.map(|path| Target::new(address, slot, path)).transpose()?;
        Ok(Check { first: Target::new(address, slot, first)?, second, rules })
    }

    /// Asks once, `within` at most.
    pub(crate) fn run(&self, within: Duration) -> Answer {
        let began = Instant::now();
        let answer = self.ask(&self.first, within);
        match &self.second {
            Some(second) if answer.kind == Kind::Missing => self.ask(second, within.saturating_sub(began.elapsed())),
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
    pub(crate) fn new(address: &Address, slot: &Slot, path: &str) -> Result<Target> {
        let url = address.ask(slot, path);
        let get = Get::new(&url.parse()?, None)?;
        Ok(Target { url, get })
    }
}
