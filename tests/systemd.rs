//! `--via systemd`, on a machine with a real one: releases as units, crashes, drop-ins, reboots.
//!
//! Each test boots a machine of its own, which takes seconds, and the first of all makes one, which takes minutes.
//! So they run only in the full run.

/// Who writes what is in the journal, and what a release can be told.
mod launched;
/// The machine itself.
mod machine;
/// A user's own systemd.
mod owned;
/// The recipe on the page of bg-launch, as it stands there.
mod readme;
/// The machine is rebooted, and loses its power.
mod rebooted;
/// What is killed is known, and what crashes comes back.
mod restarted;

use bg_tests::{is_full, tell};
use machine::Machine;
use serde_json::Value;
use std::sync::Once;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// A machine in the full run; else none, and one line about that for all these tests.
#[track_caller]
fn machine() -> Option<Machine> {
    static SAID: Once = Once::new();
    if is_full() {
        return Some(Machine::boot());
    }
    SAID.call_once(|| tell("systemd: not run; tests/run --full runs it"));
    None
}

/// Deploys fake-app with these flags; what the record says of the launch.
#[track_caller]
fn deploy(machine: &Machine, flags: &str) -> Value {
    let record = machine.ok(&format!("bg-deploy -q -- fake-app {flags}"));
    let record: Value = serde_json::from_str(&record).expect("a record");
    record["launch"].clone()
}

/// The main process of a slot's unit, 0 where there is none.
#[track_caller]
fn main_pid(machine: &Machine, slot: &str) -> String {
    machine.property(&format!("bg-web-{slot}"), "MainPID")
}

/// The units of slots that systemd has, whatever their state.
#[track_caller]
fn units(machine: &Machine) -> Vec<String> {
    let list = machine.ok("systemctl list-units --all --plain --no-legend 'bg-*-*'");
    list.lines().filter_map(|line| Some(line.split_ascii_whitespace().next()?.to_owned())).collect()
}
