//! One check: ask the application, at one page or at another, and have judged what it answers.

pub(crate) mod listeners;
pub(crate) mod other_port;
pub(crate) mod warmup;

use crate::args::Args;
use anyhow::Result;
use bg_health::verdict::{Kind, Rules};
use bg_probe::os::http::Get;
use bg_probe::site::address::Address;
use bg_probe::site::slot::Slot;
use std::time::{Duration, Instant};

/// Where Spring Boot's actuator says how it is, and where older applications do.
const PATHS: [&str; 2] = ["/actuator/health", "/health"];

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What it means.
    pub(crate) kind: Kind,
    /// What it said, in a few harmless words: `503 {"status":"DOWN"}`, `connection refused`.
    pub(crate) text: String,
    /// Who was asked.
    pub(crate) url: String,
}

/// A check that can be made again and again.
pub(crate) struct Check {
    first: Target,
    /// Whom to ask where the first says 404.
    second: Option<Target>,
    rules: Rules,
}

impl Check {
    /// The check that the flags describe, of the application in `slot`.
    ///
    /// # Errors
    /// When a path makes no URL.
    pub(crate) fn new(args: &Args, address: &Address, slot: &Slot) -> Result<Check> {
        let (first, second) = match &args.path {
            Some(path) => (path.as_str(), None),
            None => (PATHS[0], Some(PATHS[1])),
        };
        let rules =
            Rules { status_needed: args.path.is_none(), text: args.expect.clone(), codes: args.expect_status.clone() };
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
