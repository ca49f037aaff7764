//! `--check`: every stage is asked about its own ground, and what they find is put together.

use crate::stage::Stage;
use anyhow::{Context, Result};
use bg_probe::cli::preflight::{Finding, conclude};
use bg_probe::os::sudo::{TYPED, typed};
use bg_probe::say::Voice;
use std::process::{Command, Stdio};

/// Runs the preflight.
///
/// # Errors
/// [`bg_probe::say::exit::Exit::Refused`] where a deploy would fail.
pub(crate) fn run(stages: &[Stage], as_json: bool, voice: Voice) -> Result<()> {
    let findings: Vec<Finding> = stages.iter().flat_map(findings).collect();
    conclude(&findings, as_json, voice)
}

fn findings(stage: &Stage) -> Vec<Finding> {
    ask(stage).unwrap_or_else(|why| {
        let name = stage.name.program();
        vec![Finding::fail(&name, format!("{name} --check failed: {why:#}"), format!("run {name} --check by itself"))]
    })
}

fn ask(stage: &Stage) -> Result<Vec<Finding>> {
    let mut command = Command::new(&stage.program);
    command.args(&stage.args).env(TYPED, typed()).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("start {}", stage.program.display()))?;
    serde_json::from_slice(&output.stdout).with_context(|| output.status.to_string())
}
