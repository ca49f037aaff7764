//! The preflight: every stage is asked about its own ground. `--check` prints what they find; a deploy begins with it, and
//! what is in the way is its refusal.

use crate::jobs;
use crate::order::Preflight;
use crate::run::FOR_ONE_STAGE;
use crate::stage::{Name, Stage};
use anyhow::{Context, Result, anyhow};
use bg_probe::cli::preflight::{Finding, conclude};
use bg_probe::os::sudo::{TYPED, typed};
use bg_probe::say::error;
use bg_probe::say::exit::Exit;
use bg_probe::site::prepared::{self, Prepared};
use bg_probe::site::settings::Site;
use std::io::{ErrorKind, Write, stderr};
use std::process::{Child, Command, Output, Stdio};

/// Runs the preflight.
///
/// # Errors
/// [`bg_probe::say::exit::Exit::Refused`] where a deploy would fail.
pub(crate) fn run(preflight: &Preflight) -> Result<()> {
    let Preflight { stages, of_prepared, hooks, stop_old, as_json, voice } = preflight;
    let barred = hooks.refusals().map(|why| Finding::refused("hook", &why, "correct the hook"));
    let jobs = of_prepared.is_none().then(|| Finding::ok("jobs", jobs::in_words(*stop_old)));
    let prepared = of_prepared.iter().flat_map(|(site, stages)| of_what_is_prepared(site, stages));
    let findings: Vec<Finding> = prepared.chain(stages.iter().flat_map(findings)).chain(barred).chain(jobs).collect();
    conclude(&findings, *as_json, *voice)
}

/// Whether a release is prepared, and what would keep these stages from going on with it.
fn of_what_is_prepared(site: &Site, stages: &[Stage]) -> Vec<Finding> {
    let there = Prepared::noted(&site.dir).and_then(|noted| Ok(noted.zip(prepared::text(&site.dir)?)));
    let (prepared, line) = match there {
        Ok(Some(both)) => both,
        Ok(None) => {
            let words = format!("nothing is prepared in {}", site.dir.root().display());
            return vec![Finding::ill("prepared", words, "prepare a release first, with --prepare")];
        }
        Err(why) => return vec![Finding::refused("prepared", &why, "prepare a release anew")],
    };
    let asked = stages.iter().filter(|stage| stage.name != Name::Launch);
    let asked: Result<Vec<Asked>> = asked.map(|stage| ask_of(stage, &line)).collect();
    match asked.and_then(|asked| asked.into_iter().map(heard).collect::<Result<Vec<_>>>()) {
        Ok(heard) if heard.iter().any(|(_, findings)| !findings.is_empty()) => {
            heard.into_iter().flat_map(|(_, findings)| findings).collect()
        }
        Ok(_) => {
            let words = format!("release {} is prepared in {}", prepared.release(), prepared.slot());
            vec![if prepared.runs() {
                Finding::ok("prepared", words)
            } else {
                Finding::ill("prepared", format!("{words}, and has ended there"), "prepare it again")
            }]
        }
        Err(why) => vec![Finding::fail("prepared", format!("{why:#}"), "prepare a release anew")],
    }
}

fn findings(stage: &Stage) -> Vec<Finding> {
    ask(stage).unwrap_or_else(|why| {
        let name = stage.name.program();
        vec![Finding::refused(&name, &why, &format!("run {name} --check by itself"))]
    })
}

fn ask(stage: &Stage) -> Result<Vec<Finding>> {
    let mut command = Command::new(&stage.program);
    command.args(&stage.args).env(TYPED, typed()).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("start {}", stage.program.display()))?;
    let Ok(findings) = serde_json::from_slice(&output.stdout) else { return Err(failed(stage, &output)) };
    // A closed stderr leaves no reader.
    let _ = stderr().lock().write_all(&output.stderr);
    Ok(findings)
}

/// Why a stage has found nothing, in its own words.
fn failed(stage: &Stage, output: &Output) -> anyhow::Error {
    let program = stage.name.program();
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let own = format!("{program}: ");
    let first = ["error: ", &own].into_iter().find_map(|begin| first.strip_prefix(begin)).unwrap_or(first);
    let why = if first.is_empty() { output.status.to_string() } else { first.to_owned() };
    if output.status.code() == Some(i32::from(Exit::Usage as u8)) {
        return Exit::Usage.refuse(format!("{program} can't be called like this: {why}"), "correct that value");
    }
    anyhow!("{program} --check failed: {why}")
}

/// Has the stages after bg-probe look at what is in the way of this deploy, given the record of bg-probe. They do so side
/// by side, ask nothing that takes long, and change nothing. The exit code of the first thing that is in the way; all of
/// them are printed. bg-switch is asked once more where it will make a pass, or give a share first.
///
/// # Errors
/// When a stage can't be asked.
pub(crate) fn foresee(stages: &[Stage], pass: Option<&Stage>, line: &str) -> Result<Option<u8>> {
    // A ramp calls some of them several times: the wait for health is the first, the switch that is whole the last, and of
    // those by a share the first tells of all.
    let first_of = |name: Name| stages.iter().find(|stage| stage.name == name);
    let share = first_of(Name::Switch).filter(|stage| stage.with_share.is_some());
    let switch = stages.iter().rfind(|stage| stage.name == Name::Switch);
    let asked = [first_of(Name::Launch), first_of(Name::Health), pass, share, switch].into_iter().flatten();
    // bg-switch, which has nginx say how it was built, takes longest, and so begins. What they find is in the stages' order.
    let asked: Result<Vec<Asked>> = asked.rev().map(|stage| ask_of(stage, line)).collect();
    let (mut first, mut said) = (None, Vec::new());
    for asked in asked?.into_iter().rev() {
        let (program, findings) = heard(asked)?;
        for (words, exit) in findings.iter().filter_map(|finding| Some((finding.in_words(), finding.exit?))) {
            if !said.contains(&words) {
                error(&program, &words);
                said.push(words);
            }
            first.get_or_insert(exit);
        }
    }
    Ok(first)
}

/// A program that looks at what is in the way of a deploy.
type Asked = (String, Child);

/// What it has found, and its name.
fn heard((program, child): Asked) -> Result<(String, Vec<Finding>)> {
    let output = child.wait_with_output().with_context(|| format!("wait for {program}"))?;
    // Its own words are on stderr.
    let failed = || format!("{program} could not look at what is in the way ({})", output.status);
    let findings = serde_json::from_slice(&output.stdout).map_err(|_| anyhow!(failed()))?;
    Ok((program, findings))
}

/// Starts the preflight of a stage for the deploy with this record.
fn ask_of(stage: &Stage, line: &str) -> Result<Asked> {
    let program = stage.name.program();
    let mut command = Command::new(&stage.program);
    // Before the stage's own words, which may end in a COMMAND.
    command.args(["--check", "--json", "--of-record"]).args(&stage.args).env(TYPED, typed());
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
    Ok((program, child))
}
