//! What `bg-deploy` does: the stages in their order under one lock, and what is left to do when one fails.

use crate::chain::through;
use crate::companion;
use crate::compare;
use crate::history::Entry;
use crate::leftover;
use crate::messages;
use crate::nowhere;
use crate::order::{Goal, Order, Run};
use crate::outcome::{End, Failure, Step};
use crate::preflight;
use crate::prepared;
use crate::ramp;
use crate::readable;
use crate::retire;
use crate::run::Runner;
use crate::stage::{self, Name};
use crate::watch;
use anyhow::Result;
use bg_probe::cli::variables::{self, Unknown};
use bg_probe::say::exit::Exit;
use bg_probe::say::masked;
use bg_probe::say::stdout::print;
use bg_probe::site::lock::Lock;
use bg_probe::site::prepared as kept;
use std::time::{Duration, Instant};

/// Does what is asked for; the exit code, which may be a stage's own.
pub(crate) fn carry_out(order: Order) -> Result<u8> {
    match order {
        Order::Preflight(preflight) => preflight::run(&preflight)?,
        Order::DryRun { stages, record, back, env_file } => {
            print(&format!("{}\n", stage::shell(&stages, record.as_deref(), back.as_ref(), env_file.as_deref())))?;
        }
        Order::Compare(stages) => return compare::run(&stages),
        Order::Run(run) => return under_lock(&run),
    }
    Ok(0)
}

fn under_lock(run: &Run) -> Result<u8> {
    let voice = run.calls.voice;
    for Unknown { detail, remedy } in variables::unknown() {
        voice.warn(&format!("{detail}: {remedy}"));
    }
    readable::ensure(&run.stages)?;
    run.hooks.ensure_there()?;
    run.site.dir.ensure_own()?;
    prepared::ensure_ground(run)?;
    if let Some(code) = nowhere::refused(run)? {
        return Ok(code);
    }
    if matches!(run.goal, Goal::Abandon) && !run.site.dir.root().exists() {
        return nothing_to_abandon(run, &Entry::begin());
    }
    let stdin = prepared::from_stdin(&run.goal)?;
    // Heed signals only after this: a wait for the lock that is ended has left nothing to tidy up.
    let lock = Lock::take(&run.site, run.wait, voice)?;
    let runner = Runner::new(&lock, &run.calls)?;
    let mut entry = Entry::begin();
    let Some(line) = prepared::opening(run, &stdin)? else {
        kept::forget(&run.site.dir);
        return nothing_to_abandon(run, &entry);
    };
    let end = deploy(run, &runner, &mut entry, End { line, ..End::default() });
    let line = entry.line(&run.goal, &run.site, &end, Some(end.code()));
    if end.failure.is_none() && end.is_unchanged() {
        // What serves is no deploy of this run: no history, and no hook.
        return print(&line).map(|()| 0);
    }
    // What is kept, and what hooks hand on, needs no password; a stage behind a pipe has to ask the front.
    let shown = masked(&line);
    if let Err(why) = entry.keep(&run.site, &shown) {
        voice.warn(&format!("this deploy is not in the history: {why:#}"));
    }
    if end.failure.is_none()
        && let Err(why) = print(&line)
    {
        // nginx has moved: the exit code must not report a failure.
        voice.warn(&format!("the deploy is done, but its record could not be printed: {why:#}"));
    }
    let interrupt = runner.interrupt;
    // Release the lock before the hooks run: a hook may start the next deploy.
    drop(lock);
    run.hooks.after(voice, &end, &run.goal, &shown, &interrupt);
    Ok(end.code())
}

/// Says that nothing is prepared, which is what was to be.
fn nothing_to_abandon(run: &Run, entry: &Entry) -> Result<u8> {
    let folder = run.site.dir.root().display();
    run.calls.voice.done("abandon", &format!("nothing is prepared in {folder}; nothing was changed"), None);
    print(&entry.line(&run.goal, &run.site, &End::default(), Some(0))).map(|()| 0)
}

/// Runs the stages, and what follows from how they ended.
fn deploy(run: &Run, runner: &Runner, entry: &mut Entry, begun: End) -> End {
    let before = leftover::launched(&run.site);
    let mut end = through(run, runner, entry, begun);
    ramp::take_back(&run.site, runner, &mut end);
    if end.failure.is_none() && end.is_unchanged() {
        if matches!(run.goal, Goal::Prepare(_)) {
            messages::waits_still(run);
        }
        return end;
    }
    if end.failure.is_none() && matches!(run.goal, Goal::Prepare(_)) {
        keep(run, runner, entry, &mut end);
    }
    if let Some(failure) = end.failure {
        // What was prepared by an earlier run waits on, unless visitors have been in it.
        let is_left = match run.goal {
            Goal::Finish(_) => {
                end.took.iter().any(|(step, _)| matches!(step, Step::Share(_) | Step::Stage(Name::Switch)))
            }
            Goal::Abandon => false,
            Goal::Deploy(_) | Goal::Rollback { .. } | Goal::Prepare(_) => leftover::launched(&run.site) != before,
        };
        let leftover = is_left.then(|| leftover::tidy_up(runner, &end, run.keep_failed));
        messages::failed(run, runner, failure, end.record().as_ref(), leftover);
        return end;
    }
    match run.goal {
        Goal::Prepare(_) => {
            messages::prepared(run, &end);
            return end;
        }
        Goal::Abandon => {
            kept::forget(&run.site.dir);
            return end;
        }
        Goal::Deploy(_) | Goal::Rollback { .. } | Goal::Finish(_) => {}
    }
    // nginx has moved: a record that only this line can't be read from is no failure of the deploy.
    if let Some(record) = end.record() {
        messages::live(run, &record);
    }
    let companion = companion::follow(runner, &mut end);
    if let Some(within) = run.watch {
        entry.note(run, &end);
        watched(run, runner, within, &mut end);
    }
    end.failure = end.failure.or(companion);
    if end.failure.is_none()
        && let Some(after) = run.stop_old
        && let Err(why) = retire::old(runner, &end.line, after)
    {
        runner.calls.voice.warn(&format!("the old release runs on: {why:#}"));
    }
    end
}

/// Keeps the record of what is prepared now.
fn keep(run: &Run, runner: &Runner, entry: &Entry, end: &mut End) {
    let line = entry.line(&run.goal, &run.site, end, Some(0));
    if let Err(why) = prepared::keep(&run.site, &line) {
        runner.calls.voice.error(&format!("{why:#}"));
        end.failure = Some(Failure { at: Step::Keep, code: Exit::of(&why) as u8, signal: None });
    }
}

/// Watches what nginx was moved to.
fn watched(run: &Run, runner: &Runner, within: Duration, end: &mut End) {
    let began = Instant::now();
    let code = watch::watch(run, runner, &mut end.line, within).unwrap_or_else(|why| {
        runner.calls.voice.error(&format!("the watch could not be kept: {why:#}"));
        Exit::of(&why) as u8
    });
    end.took.push((Step::Watch, began.elapsed()));
    end.failure = (code != 0).then_some(Failure { at: Step::Watch, code, signal: None });
}
