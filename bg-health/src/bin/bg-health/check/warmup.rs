//! The warm-up: real requests that an application gets before its first visitor. What is compiled, connected and
//! cached on first use is ready by then.

use crate::check::manner::Manner;
use crate::check::{Answer, Target};
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::time::Duration;

/// What is asked for.
pub(crate) struct Requests {
    /// The paths to send requests to.
    pub(crate) paths: Vec<String>,
    /// How many requests to send to each of them.
    pub(crate) each: u32,
}

/// The requests, ready to be sent to a slot.
pub(crate) struct Warmup {
    targets: Vec<Target>,
    each: u32,
}

impl Warmup {
    /// The warm-up of the application in `slot`, at its own port: that is where its visitors come.
    ///
    /// # Errors
    /// When a path makes no URL.
    pub(crate) fn new(requests: &Requests, site: &Site, slot: &Slot, manner: &Manner) -> Result<Warmup> {
        let targets = requests.paths.iter().map(|path| Target::new(site, slot, path, manner)).collect::<Result<_>>()?;
        Ok(Warmup { targets, each: requests.each })
    }

    /// Sends them one after another; each may take what `left` allows by then. The first that fails ends it
    /// and is handed back: no answer, or one of 500 and above.
    pub(crate) fn run(&self, left: impl Fn() -> Duration) -> Result<(), Answer> {
        for target in &self.targets {
            for _ in 0..self.each {
                let failed = match target.get.send(left()) {
                    Ok(reply) if reply.status < 500 => continue,
                    Ok(reply) => reply.status.to_string(),
                    Err(why) => why.to_string(),
                };
                return Err(Answer { kind: Kind::Cold, text: format!("warm-up: {failed}"), url: target.url.clone() });
            }
        }
        Ok(())
    }
}
