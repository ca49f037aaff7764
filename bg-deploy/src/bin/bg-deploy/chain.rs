//! The stages of a run, each on the record of the one before, and what is between them: the look at what is in the way, and the
//! hook before the switch.

use crate::history::Entry;
use crate::messages;
use crate::order::{Goal, Run};
use crate::outcome::{End, Failure, Step};
use crate::preflight;
use crate::run::hooks::Secrets;
use crate::run::{Runner, interrupt};
use crate::stage::{Calls, Name, Stage};
use crate::watch;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::say::masked;
use bg_probe::site::advice::Advice;
use bg_probe::site::launched::Launched;
use bg_probe::site::past;
use bg_probe::site::prepared::Prepared;
use bg_probe::site::unserved;
use std::time::Instant;

/// By this bg-switch makes a pass.
const PREVIEW: &str = "--preview=on";

/// Runs the stages, each on the record of the one before, until one fails or a signal asks for an end.
pub(crate) fn through(run: &Run, runner: &Runner, entry: &mut Entry, begun: End) -> End {
    let (mut end, mut stages) = (begun, run.stages.clone());
    if matches!(run.goal, Goal::Finish(_)) {
        foresee(run, &stages, runner, &mut end);
    }
    for at in 0..stages.len() {
        let stage = &stages[at];
        if stage.name == Name::Switch && matches!(run.goal, Goal::Prepare(_)) {
            return end;
        }
        let is_first = || !end.took.iter().any(|(step, _)| matches!(step, Step::Share(_)));
        let moves = stage.name == Name::Switch && is_first();
        if end.failure.is_none() && moves && run.goal.goes_live() {
            before_switch(run, runner, &mut end);
        }
        if end.failure.is_some() {
            return end;
        }
        if stage.name == Name::Switch {
            entry.note(run, &end);
        }
        step(run, runner, stage, &mut end);
        if end.failure.is_none() && end.is_unchanged() {
            return end;
        }
        if end.failure.is_none() && stage.name == Name::Probe {
            aim(run, runner, &mut stages, &mut end);
            if end.failure.is_none() {
                foresee(run, &stages, runner, &mut end);
            }
        }
    }
    end
}

/// Runs one stage.
fn step(run: &Run, runner: &Runner, stage: &Stage, end: &mut End) {
    let began = Instant::now();
    let ended = runner.run(stage, &end.line);
    let at = at(stage, ended.code, &run.goal);
    end.took.push((at, began.elapsed()));
    if !ended.output.is_empty() {
        end.line = ended.output;
    }
    if matches!(at, Step::WatchedShare(_)) && ended.code == Exit::WentBad as u8 {
        watch::keep_seen(&mut end.line);
    }
    // A signal that comes when nginx has moved comes too late: the deploy is done.
    let is_done = at == Step::Stage(Name::Switch) && ended.code == 0;
    end.failure = failure(runner, at, ended.code, is_done);
}

/// Has a rollback go back where a release is prepared in its slot, which was never live: to the one that the slot held before.
/// One that was never live, and of which it is not known what it has replaced, is nothing to go back to; nor is one that a watch
/// has taken back.
fn aim(run: &Run, runner: &Runner, stages: &mut [Stage], end: &mut End) {
    let Some(record) = end.record() else { return };
    if !matches!(run.goal, Goal::Rollback { to: None }) {
        return;
    }
    let dir = &record.site.dir;
    let prepared = Prepared::in_slot(dir, &record.slot.name);
    let mut refuse = |code: Exit| {
        end.failure = Some(Failure { at: Step::Stage(Name::Probe), code: code as u8, signal: None });
    };
    match prepared.as_ref().map(Prepared::replaced) {
        None if Launched::never_served(dir, &record.slot.name) => {
            messages::never_live(run, &record, &dir.release(&record.slot.name).unwrap_or_default());
            refuse(Exit::Unsure);
        }
        Some(Some(before)) if unserved::is(dir, before) => {
            messages::never_live(run, &record, before);
            refuse(Exit::Unsure);
        }
        None => {
            if let Some(at) = taken_back(&record) {
                messages::taken_back(run, &record, &at);
                return refuse(Exit::Unsure);
            }
            messages::forward(run, &record);
            messages::to_the_same(run, &record);
        }
        Some(Some(before)) => {
            let word = format!("--release={before}");
            for stage in stages.iter_mut().filter(|stage| stage.name == Name::Launch) {
                *stage = runner.calls.stage(Name::Launch, [word.clone()]);
            }
        }
        Some(None) => {
            messages::nothing_before(run, &record);
            refuse(Exit::Refused);
        }
    }
}

/// When what a slot holds was taken back by its watch, if it was.
fn taken_back(record: &Record) -> Option<String> {
    let dir = &record.site.dir;
    past::taken_back(dir, &dir.release(&record.slot.name)?)
}

/// The step that a stage was when it ended with this code: of bg-launch, 4 is said of its hook alone.
fn at(stage: &Stage, code: u8, goal: &Goal) -> Step {
    match (stage.name, goal) {
        (Name::Launch, Goal::Deploy(_) | Goal::Prepare(_)) if code == Exit::Unhealthy as u8 => Step::BeforeLaunch,
        (Name::Launch, Goal::Rollback { .. }) if code == Exit::Unhealthy as u8 => Step::BeforeRollback,
        _ => Step::of(stage),
    }
}

/// The failure of a step that ended with this code, or that a signal has ended before it was done.
fn failure(runner: &Runner, at: Step, code: u8, is_done: bool) -> Option<Failure> {
    let signal = runner.interrupt.heard().filter(|_| !is_done);
    let code = signal.map_or(code, interrupt::code_of);
    (code != 0).then_some(Failure { at, code, signal })
}

/// Has the other stages look at what is in the way, before the first of them touches anything. What bg-probe found in
/// the way was its own refusal.
fn foresee(run: &Run, stages: &[Stage], runner: &Runner, end: &mut End) {
    let pass = run.hooks.want_a_pass().then(|| run.calls.stage(Name::Switch, [PREVIEW.to_owned()]));
    let code = preflight::foresee(stages, pass.as_ref(), &end.line).unwrap_or_else(|why| {
        runner.calls.voice.error(&format!("{why:#}"));
        Some(Exit::of(&why) as u8)
    });
    end.failure = failure(runner, Step::Preflight, code.unwrap_or_default(), false);
}

/// Runs the hook that can keep nginx from being moved.
fn before_switch(run: &Run, runner: &Runner, end: &mut End) {
    let (voice, at) = (runner.calls.voice, Step::BeforeSwitch);
    let mut pass = Secrets::default();
    if run.hooks.want_a_pass() {
        let slot = end.record().map(|record| record.slot.to_string()).unwrap_or_default();
        let made = runner.run(&preview(runner.calls, &slot), "");
        end.failure = failure(runner, at, made.code, false);
        if end.failure.is_some() {
            return;
        }
        pass = Secrets::of(&made.output);
    }
    let ran = run.hooks.before_switch(voice, &masked(&end.line), &pass, &runner.interrupt);
    if let Err(why) = pass.take_back(&run.site) {
        let off = Advice::call(&run.site, "bg-switch", &["--preview", "off"]);
        voice.warn(&format!("the pass of the hook is still there: {why:#}. Once that can be done: {off}"));
    }
    match ran {
        Ok(took) => end.took.extend(took.map(|took| (at, took))),
        Err(why) => {
            voice.error(&format!("{why:#}"));
            let signal = runner.interrupt.heard();
            let code = signal.map_or(Exit::of(&why) as u8, interrupt::code_of);
            end.failure = Some(Failure { at, code, signal });
        }
    }
}

/// The stage that makes a pass to the new release. It reads no record, so it has the settings.
fn preview(calls: &Calls, slot: &str) -> Stage {
    let words = [PREVIEW.to_owned(), format!("--to={slot}")];
    calls.stage(Name::Switch, calls.settings.iter().cloned().chain(words))
}
