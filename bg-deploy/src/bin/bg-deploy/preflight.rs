//! `--check`: every stage is asked about its own ground, and what they find is put together.

use crate::args::Args;
use crate::stage::{self, Stage};
use anyhow::{Context, Result};
use bg_probe::cli::preflight::{Finding, conclude};
use bg_probe::os::sudo::{TYPED, typed};
use std::process::{Command, Stdio};

/// Runs the preflight.
///
/// # Errors
/// [`bg_probe::say::exit::Exit::Refused`] where a deploy would fail; what the programs themselves are missing.
pub(crate) fn run(args: &Args) -> Result<()> {
    let findings: Vec<Finding> = stage::stages(args)?.iter().flat_map(|stage| ask(args, stage)).collect();
    conclude(&findings, args.check.json, args.voice)
}

fn ask(args: &Args, stage: &Stage) -> Vec<Finding> {
    answer(args, stage).unwrap_or_else(|why| {
        let name = stage.called();
        let detail = format!("{name} could not look: {why:#}");
        vec![Finding::fail(&name, detail, format!("see what {name} --check says"))]
    })
}

fn answer(args: &Args, stage: &Stage) -> Result<Vec<Finding>> {
    let mut words = vec!["--check".to_owned(), "--json".to_owned()];
    // There is no record to tell the later stages what the first one was told.
    if stage.name != "probe" {
        words.extend(args.settings.typed_flags()?);
    }
    // Before the stage's own words, which may end in a COMMAND.
    let mut command = Command::new(&stage.program);
    command.args(words).args(&stage.args).env(TYPED, typed()).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("start {}", stage.program.display()))?;
    serde_json::from_slice(&output.stdout).with_context(|| output.status.to_string())
}
