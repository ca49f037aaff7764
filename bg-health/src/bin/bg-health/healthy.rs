//! What `bg-health` adds to the record of a slot that is healthy.

use anyhow::Result;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use serde::Serialize;
use std::time::Duration;

/// Where and when the application was found healthy.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    /// Where the application answered that it is healthy.
    pub(crate) url: String,
    /// How many checks there were.
    pub(crate) checks: u32,
    /// From the first check to the first of the healthy answers that decided, in milliseconds. The answers that
    /// confirm it and the warm-up come after, and count for the wait but not for the application.
    pub(crate) ready_ms: u64,
}

/// Prints that the slot is healthy, and the record with these facts.
///
/// # Errors
/// When the record can't be printed.
pub(crate) fn conclude(mut record: Record, facts: &Facts, took: Duration, voice: Voice) -> Result<()> {
    let checks = if facts.checks == 1 { "check" } else { "checks" };
    voice.done("health", &format!("UP after {} {checks}", facts.checks), Some(took));
    record.set("health", facts)?;
    record.print()
}
