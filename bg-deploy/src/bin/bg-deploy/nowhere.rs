//! A rollback where there is no folder yet: it goes to what other scripts have started, or nowhere, and what is refused makes no
//! folder.

use crate::order::{Goal, Run};
use crate::run::FOR_ONE_STAGE;
use crate::stage::Name;
use anyhow::{Context, Result};
use bg_probe::os::sudo::{TYPED, typed};
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use std::process::{Command, Stdio};

/// Has bg-probe look before a folder is made: the exit code of its refusal, which it has printed.
///
/// # Errors
/// When it can't be asked; [`Exit::Refused`] where there is nothing to go back to.
pub(crate) fn refused(run: &Run) -> Result<Option<u8>> {
    let Goal::Rollback { to } = &run.goal else { return Ok(None) };
    let (dir, probe) = (&run.site.dir, run.calls.quiet(Name::Probe, []));
    if !dir.is_missing() {
        return Ok(None);
    }
    let mut command = Command::new(&probe.program);
    command.args(&probe.args).env(TYPED, typed()).stdin(Stdio::null()).stderr(Stdio::inherit());
    for name in FOR_ONE_STAGE {
        command.env_remove(name);
    }
    let looked = command.output().with_context(|| format!("start {}", probe.program.display()))?;
    if !looked.status.success() {
        let code = looked.status.code().and_then(|code| u8::try_from(code).ok());
        return Ok(Some(code.unwrap_or(Exit::Refused as u8)));
    }
    let slot = Record::parse(&looked.stdout)?.slot;
    if to.is_none() && slot.listens() {
        return Ok(None);
    }
    let dir = dir.root().display();
    Err(Exit::Refused.refuse(
        format!("there is nothing to go back to: {dir} is not there, so nothing was ever deployed into {slot}. Nothing was touched"),
        "give the --dir, or the --env-file, by which it was deployed",
    ))
}
