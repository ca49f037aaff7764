//! The watch: whether a release stays well once it has the traffic, and the way back if not.

use crate::back;
use crate::companion;
use crate::messages;
use crate::order::Run;
use crate::run::{Runner, interrupt};
use crate::serving::serves;
use crate::stage::Name;
use anyhow::Result;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use bg_probe::site::watched;
use std::time::Duration;

/// Has bg-health watch the slot that the record was switched to. The exit code: 0 where it stayed well, 9 where nginx is
/// back on the slot it came from; else that of the stage that kept it from going back. What bg-health has seen comes into
/// the record.
///
/// # Errors
/// When the record can't be used.
pub(crate) fn watch(run: &Run, runner: &Runner, line: &mut String, within: Duration) -> Result<u8> {
    let record = Record::parse(line.as_bytes())?;
    let voice = runner.calls.voice;
    let within = format!("--watch={}", humantime::format_duration(within));
    let ended = runner.run(&runner.calls.stage(Name::Health, [within]), line);
    match (ended.code, runner.interrupt.heard()) {
        (0, _) => *line = ended.output,
        (_, Some(signal)) => {
            voice.error(&format!("{signal} ended the watch; {}", serves(runner, &record, "is serving")));
            return Ok(interrupt::code_of(signal));
        }
        (code, None) if code == Exit::WentBad as u8 => {
            keep_seen(line);
            return Ok(go_back(run, runner, &record));
        }
        (_, None) => {
            voice.error(&format!("the watch could not be kept; {}", serves(runner, &record, "is serving")));
        }
    }
    Ok(ended.code)
}

/// Puts what a watch has seen of the visitors into the record, where the slot went bad: a stage that fails prints none.
pub(crate) fn keep_seen(line: &mut String) {
    let Ok(mut record) = Record::parse(line.as_bytes()) else { return };
    let Some(seen) = watched::last_verdict(&record.site.dir) else { return };
    if record.set("watch", &seen).is_ok()
        && let Ok(with_it) = record.to_line()
    {
        *line = with_it;
    }
}

/// Why a watch has ended with 9, of the release: one of which too little was seen is not called bad.
pub(crate) fn how_it_ended(dir: &Dir) -> &'static str {
    if watched::has_proven_nothing(dir) { "was not proven to be well" } else { "went bad" }
}

/// Switches back to the slot that was live before, if that one is well; the exit code.
fn go_back(run: &Run, runner: &Runner, record: &Record) -> u8 {
    let (bad, calls, how) = (&record.slot, &runner.calls, how_it_ended(&record.site.dir));
    let voice = calls.voice;
    let Some(old) = record.live_beside() else {
        let now = serves(runner, record, "is serving");
        let why = match back::slot(record) {
            None => format!("there is no slot to go back to; {now}"),
            Some(down) => {
                let rollback = run.advice.rollback();
                format!("{down} was down before; {now}. To start {down} again and go back to it: {rollback}")
            }
        };
        voice.error(&format!("{bad} {how} within the watch, and {why}"));
        return Exit::Unhealthy as u8;
    };
    voice.error(&format!("{bad} {how} within the watch; going back to {old}"));
    let mut line = String::new();
    for stage in [
        calls.quiet(Name::Probe, [format!("--slot={old}")]),
        calls.quiet(Name::Health, ["--once".to_owned()]),
        calls.stage(Name::Switch, []),
    ] {
        let ended = runner.run_undisturbed(&stage, &line);
        if ended.code != 0 {
            let words = match stage.name {
                Name::Health => {
                    let now = serves(runner, record, "is left serving");
                    format!("{old} is no better: {now}. Both slots need a person")
                }
                // Whether anything serves is for that stage to say: nginx may be down.
                name => format!(
                    "nginx could not be moved back to {old} (see the message of {}): it is left set to {bad}. To go back once \
                     that can be done: {}",
                    name.program(),
                    run.advice.rollback()
                ),
            };
            voice.error(&words);
            return ended.code;
        }
        line = ended.output;
    }
    if let Ok(back) = Record::parse(line.as_bytes()) {
        // It has said what is wrong.
        let _ = companion::to_slot_of(runner, &back, &mut line);
    }
    let dir = &record.site.dir;
    let now = if Launched::runs_in(dir, &bad.name).unwrap_or(false) { "still runs" } else { "has ended" };
    voice.error(&format!("{old} is serving again; {bad} {now}, its log: {}", messages::log(dir, bad)));
    Exit::WentBad as u8
}
