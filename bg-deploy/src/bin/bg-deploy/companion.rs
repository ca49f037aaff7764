//! The companion, which runs once: it follows nginx as soon as that has moved, and before anything else.

use crate::outcome::{End, Failure, Step};
use crate::run::Runner;
use crate::stage::{Calls, Name, Stage};
use bg_probe::record::Record;
use bg_probe::site::advice::Advice;
use bg_probe::site::companion::is_due;
use std::time::Instant;

/// The stage that has it follow.
pub(crate) fn stage(calls: &Calls) -> Stage {
    calls.stage(Name::Launch, ["--companion".to_owned()])
}

/// Has it follow to the slot that nginx was moved to. nginx has moved, so where that fails the deploy goes on, and has failed in
/// the end.
pub(crate) fn follow(runner: &Runner, end: &mut End) -> Option<Failure> {
    let began = Instant::now();
    let code = to_slot_of(runner, &end.record()?, &mut end.line)?;
    end.took.push((Step::Companion, began.elapsed()));
    (code != 0).then_some(Failure { at: Step::Companion, code, signal: None })
}

/// The same for a record of a switch, which gets what runs then; the exit code, where there is anything to do.
pub(crate) fn to_slot_of(runner: &Runner, record: &Record, line: &mut String) -> Option<u8> {
    if !is_due(&record.site.dir, &record.slot.name) {
        return None;
    }
    let ended = runner.run_undisturbed(&stage(runner.calls), line);
    if ended.code == 0 {
        *line = ended.output;
    } else {
        let again = Advice::call(&record.site, "bg-launch", &["--live"]);
        let words =
            format!("{} serves, but its companion does not run, as bg-launch says. Once it can: {again}", record.slot);
        runner.calls.voice.error(&words);
    }
    Some(ended.code)
}
