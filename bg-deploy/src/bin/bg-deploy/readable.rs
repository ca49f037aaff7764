//! Whether all stages can read their settings: found before the first of them touches anything.

use crate::run::FOR_ONE_STAGE;
use crate::stage::Stage;
use anyhow::{Context, Result};
use bg_probe::cli::command_line::READ_SETTINGS;
use bg_probe::os::sudo::{TYPED, typed};
use bg_probe::say::exit::Exit;
use std::io::Write;
use std::process::{Command, Stdio};

/// Has each stage read its command line and environment, and nothing else. They do so side by side: it takes as long as
/// the start of one program.
///
/// # Errors
/// [`Exit::Usage`] where one can't; its own message is printed. Else when one can't be started.
pub(crate) fn ensure(stages: &[Stage]) -> Result<()> {
    let started: Result<Vec<_>> = stages.iter().map(|stage| Ok((stage, command(stage).spawn()?))).collect();
    let mut refused = Vec::new();
    for (stage, child) in started.context("start the stages")? {
        let program = stage.name.program();
        let ended = child.wait_with_output().with_context(|| format!("wait for {program}"))?;
        if !ended.status.success() {
            // A closed stderr leaves no reader; the exit code is still there.
            let _ = std::io::stderr().lock().write_all(&ended.stderr);
            refused.push(program);
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let who = refused.join(" and ");
    Err(Exit::Usage.refuse(
        format!("{who} can't be called like this; nothing was touched"),
        "correct the value that the message above names",
    ))
}

fn command(stage: &Stage) -> Command {
    let mut command = Command::new(&stage.program);
    // Before the stage's own words, which may end in a COMMAND.
    command.arg(format!("--{READ_SETTINGS}")).args(&stage.args).env(TYPED, typed());
    for name in FOR_ONE_STAGE {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
