//! Stopping a launch that runs as a unit of systemd.

use crate::Grace;
use crate::session::{KILL_WITHIN, Stopped, asked, wait};
use anyhow::{Context, Result, ensure};
use bg_probe::say;
use bg_probe::say::exit::Exit;
use bg_probe::site::unit::Unit;
use std::time::Duration;

/// How long systemd may take to forget a unit that has ended, or to answer a request to stop one.
const FORGET_WITHIN: Duration = Duration::from_secs(5);

/// Stops the unit, if it runs this release: the signal it was started with to its processes, then SIGKILL.
///
/// # Errors
/// When systemd refuses, or they outlive SIGKILL.
pub fn stop(unit: &Unit, release: &str, grace: Grace) -> Result<Stopped> {
    let state = unit.state()?;
    if !state.is_up_with(release) {
        return Ok(Stopped::WasGone);
    }
    // Not waited for here: the time it may take is not the one that the unit was started with.
    systemctl(unit, &["stop", "--no-block"])?;
    let gone = || Ok(state.members()?.is_empty());
    let stopped = if asked(unit.name(), grace, gone)? {
        Stopped::Ended
    } else {
        systemctl(unit, &["kill", "--signal=KILL"])?;
        ensure!(wait(KILL_WITHIN, gone)?, "{unit} still has processes {} after SIGKILL", say::seconds(KILL_WITHIN));
        Stopped::Killed
    };
    ensure!(
        wait(FORGET_WITHIN, || Ok(!unit.state()?.is_up))?,
        "{unit} has no process left, and systemd has not stopped it after {}",
        say::seconds(FORGET_WITHIN)
    );
    forget(unit)?;
    Ok(stopped)
}

/// Has systemd forget a unit that has ended, so that its name is free: one that failed is kept until then.
///
/// # Errors
/// When the name stays taken.
pub fn forget(unit: &Unit) -> Result<()> {
    // It fails where there is nothing to forget.
    let _ = unit.tool("systemctl").args(["reset-failed", unit.name()]).output().context("run systemctl")?;
    if wait(FORGET_WITHIN, || Ok(!unit.state()?.is_loaded))? {
        return Ok(());
    }
    let what = format!("{unit} is there although bg-launch did not start it");
    Err(Exit::Refused
        .refuse(what, format!("see what it is: {}; and stop it: {}", unit.by_hand("status"), unit.by_hand("stop"))))
}

fn systemctl(unit: &Unit, words: &[&str]) -> Result<()> {
    let output = unit.tool("systemctl").args(words).arg(unit.name()).output().context("run systemctl")?;
    let why = String::from_utf8_lossy(&output.stderr);
    // It may just have ended by itself.
    ensure!(
        output.status.success() || !unit.state()?.is_up,
        "systemctl {} {unit}: {}",
        words.join(" "),
        say::quoted(why.trim())
    );
    Ok(())
}
