//! `--dry-run --json`: whether a deploy would change what is live, as bg-launch compares it.

use crate::stage::Stage;
use anyhow::{Context, Result};
use bg_probe::say::exit::Exit;
use std::process::{Command, Stdio};

/// Runs the two stages as a pipe; the exit code of the first that failed, which has said why.
///
/// # Errors
/// When one of them can't be run.
pub(crate) fn run([probe, launch]: &[Stage; 2]) -> Result<u8> {
    let started = |stage: &Stage| format!("start {}", stage.program.display());
    let mut first = Command::new(&probe.program);
    first.args(&probe.args).args(["--slot", "idle", "--format", "json"]).arg("--quiet").stdin(Stdio::null());
    let mut first = first.stdout(Stdio::piped()).spawn().with_context(|| started(probe))?;
    let record = first.stdout.take().context("its stdout")?;
    let second = Command::new(&launch.program).args(&launch.args).env_remove("BG_LAUNCH_SLOT").stdin(record).status();
    let second = second.with_context(|| started(launch))?;
    let first = first.wait().context("wait")?;
    let failed = [first, second].into_iter().find(|status| !status.success());
    Ok(failed.map_or(0, |status| status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Refused as u8)))
}
