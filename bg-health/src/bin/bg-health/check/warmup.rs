//! The warm-up: real requests that an application gets before its first visitor, so that what is compiled,
//! connected and cached on first use is so by then.

use crate::args::Args;
use crate::check::{Answer, Target};
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_probe::site::address::Address;
use bg_probe::site::slot::Slot;
use std::time::Duration;

/// The requests to send.
pub(crate) struct Warmup {
    targets: Vec<Target>,
    requests: u32,
}

impl Warmup {
    /// The warm-up that the flags describe, of the application in `slot`.
    ///
    /// # Errors
    /// When a path makes no URL.
    pub(crate) fn new(args: &Args, address: &Address, slot: &Slot) -> Result<Warmup> {
        let targets = args.warmup.iter().map(|path| Target::new(address, slot, path)).collect::<Result<_>>()?;
        Ok(Warmup { targets, requests: args.warmup_requests })
    }

    /// Sends them one after another; each may take what `left` allows by then. The first that fails ends it
    /// and is handed back: no answer, or one of 500 and above.
    pub(crate) fn run(&self, left: impl Fn() -> Duration) -> Result<(), Answer> {
        for target in &self.targets {
            for _ in 0..self.requests {
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
