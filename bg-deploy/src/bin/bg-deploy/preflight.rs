//! The preflight: every stage is asked about its own ground. `--check` prints what they find; a deploy begins with it, and
//! what is in the way is its refusal.

use crate::args::hooks::Hooks;
use crate::jobs;
use crate::run::FOR_ONE_STAGE;
use crate::stage::{Name, Stage};
use anyhow::{Context, Result};
use bg_probe::cli::preflight::{Finding, conclude};
use bg_probe::os::sudo::{TYPED, typed};
use bg_probe::say::Voice;
use bg_probe::say::error;
use std::io::{ErrorKind, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Runs the preflight.
///
/// # Errors
/// [`bg_probe::say::exit::Exit::Refused`] where a deploy would fail.
pub(crate) fn run(
    stages: &[Stage],
    hooks: &Hooks,
    stop_old: Option<Duration>,
    as_json: bool,
    voice: Voice,
) -> Result<()> {
    let barred = hooks.refusals().map(|why| Finding::refused("hook", &why, "correct the hook"));
    let jobs = Finding::ok("jobs", jobs::in_words(stop_old));
    let findings: Vec<Finding> = stages.iter().flat_map(findings).chain(barred).chain([jobs]).collect();
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

/// Has the stages after bg-probe look at what is in the way of this deploy, given the record of bg-probe. They do so side
/// by side, ask nothing that takes long, and change nothing. The exit code of the first thing that is in the way; all of
/// them are printed. bg-switch is asked with one word more, if it will be called with that as well.
///
/// # Errors
/// When a stage can't be asked.
pub(crate) fn foresee(stages: &[Stage], of_switch: Option<&str>, line: &str) -> Result<Option<u8>> {
    // A ramp calls some of them several times: the wait for health is the first, the switch that is whole the last.
    let first_of = |name: Name| stages.iter().find(|stage| stage.name == name);
    let switch = stages.iter().rfind(|stage| stage.name == Name::Switch);
    let asked = [first_of(Name::Launch), first_of(Name::Health), switch].into_iter().flatten();
    let more = |stage: &Stage| of_switch.filter(|_| stage.name == Name::Switch);
    let asked: Result<Vec<(&Stage, Child)>> =
        asked.map(|stage| Ok((stage, ask_of(stage, more(stage), line)?))).collect();
    let mut first = None;
    for (stage, child) in asked? {
        let program = stage.name.program();
        let output = child.wait_with_output().with_context(|| format!("wait for {program}"))?;
        let findings: Result<Vec<Finding>, _> = serde_json::from_slice(&output.stdout);
        let findings = findings.with_context(|| format!("the preflight of {program} ({})", output.status))?;
        for (finding, exit) in findings.iter().filter_map(|finding| Some((finding, finding.exit?))) {
            error(&program, &finding.in_words());
            first.get_or_insert(exit);
        }
    }
    Ok(first)
}

/// Starts the preflight of a stage for the deploy with this record.
fn ask_of(stage: &Stage, more: Option<&str>, line: &str) -> Result<Child> {
    let program = stage.name.program();
    let mut command = Command::new(&stage.program);
    // Before the stage's own words, which may end in a COMMAND.
    command.args(["--check", "--json", "--of-record"]).args(more).args(&stage.args).env(TYPED, typed());
    for name in FOR_ONE_STAGE {
        command.env_remove(name);
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("start {}", stage.program.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading it says why.
        let handed = stdin.write_all(line.as_bytes());
        if handed.as_ref().is_err_and(|why| why.kind() != ErrorKind::BrokenPipe) {
            handed.with_context(|| format!("hand the record to {program}"))?;
        }
    }
    Ok(child)
}
