//! The watch: whether a release stays well once it has the traffic, and the way back if not.

use crate::args::Args;
use crate::run::Runner;
use crate::run::interrupt;
use crate::stage::{self, Stage};
use anyhow::Result;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Slot;
use std::time::Duration;

/// Has bg-health watch the slot that the record was switched to. The exit code: 0 where it stayed well, 9 where nginx is
/// back on the slot it came from; else that of the stage that kept it from going back. What bg-health has seen comes into
/// the record.
///
/// # Errors
/// When the record or a path among the settings can't be used.
pub(crate) fn watch(args: &Args, runner: &Runner, line: &mut String, within: Duration) -> Result<u8> {
    let record = Record::parse(line.as_bytes())?;
    let slot = &record.slot.name;
    let within = format!("--watch={}", humantime::format_duration(within));
    let ended = runner.run(&Stage::new("health", args, vec![within]), line);
    match (ended.code, runner.interrupt.heard()) {
        (0, _) => *line = ended.output,
        (_, Some(signal)) => {
            args.voice.error(&format!("{signal} ended the watch; {slot} is serving"));
            return Ok(interrupt::code_of(signal));
        }
        (code, None) if code == Exit::WentBad as u8 => return back(args, runner, &record),
        (_, None) => args.voice.error(&format!("the watch could not be kept; {slot} is serving")),
    }
    Ok(ended.code)
}

/// Switches back to the slot that was live before, if that one is well.
fn back(args: &Args, runner: &Runner, record: &Record) -> Result<u8> {
    let bad = &record.slot.name;
    let Some(old) = record.live_beside() else {
        let words = format!("{bad} went bad within the watch, and there is no slot to go back to; {bad} is serving");
        args.voice.error(&words);
        return Ok(Exit::Unhealthy as u8);
    };
    args.voice.error(&format!("{bad} went bad within the watch; going back to {old}"));
    let mut line = String::new();
    for stage in way_back(args, old)? {
        let ended = runner.run_undisturbed(&stage, &line);
        if ended.code != 0 {
            let why = match stage.name {
                "health" => format!("{old} is no better"),
                _ => format!("nginx could not be moved back to {old} ({} says why)", stage.called()),
            };
            args.voice.error(&format!("{why}: {bad} is left serving. Both slots need a person"));
            return Ok(ended.code);
        }
        line = ended.output;
    }
    let log = record.site.dir.logs(bad).join("app.log");
    let now = if Launched::runs_in(&record.site.dir, bad).unwrap_or(false) { "still runs" } else { "has ended" };
    args.voice.error(&format!("{old} is serving again; {bad} {now}, its log is {}", log.display()));
    Ok(Exit::WentBad as u8)
}

fn way_back(args: &Args, old: &Slot) -> Result<[Stage; 3]> {
    let slot = format!("--slot={old}");
    Ok([
        Stage::quiet("probe", args, [args.settings.typed_flags()?, vec![slot]].concat()),
        Stage::quiet("health", args, vec!["--once".to_owned()]),
        stage::switch(args),
    ])
}
