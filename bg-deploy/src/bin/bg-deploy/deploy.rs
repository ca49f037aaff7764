//! What `bg-deploy` does: the stages in their order under one lock, and what is left to do when one fails.

use crate::args::Args;
use crate::env_file;
use crate::history::Audit;
use crate::history::file;
use crate::leftover;
use crate::messages;
use crate::outcome::End;
use crate::preflight;
use crate::retire;
use crate::run::Runner;
use crate::run::interrupt;
use crate::stage::{self, Stage};
use crate::watch;
use anyhow::Result;
use bg_probe::say::exit::Exit;
use bg_probe::say::stdout::print;
use bg_probe::site::lock::Lock;
use bg_probe::site::settings::Site;
use std::time::Instant;

/// Runs the program; its exit code, which may be a stage's own.
pub(crate) fn run(args: &Args) -> Result<u8> {
    if let Some(file) = &args.env_file {
        env_file::apply(file)?;
    }
    if args.check.check {
        return preflight::run(args).map(|()| 0);
    }
    ensure_something_to_do(args)?;
    let stages = stage::stages(args)?;
    if args.dry_run {
        print(&format!("{}\n", stage::shell(&stages, args.env_file.as_deref())?))?;
        return Ok(0);
    }
    args.hooks.ensure_there()?;
    let site = args.settings.site()?;
    site.dir.ensure_own()?;
    // Signals are heeded only after this: who ends the wait for the lock has nothing to tidy up.
    let lock = Lock::take(&site, args.wait, args.voice)?;
    let runner = Runner::new(&lock, args.voice)?;
    let audit = Audit::begin();
    let end = deploy(args, &site, &stages, &runner);
    let line = audit.line(args, &site, &end);
    if let Err(why) = file::append(&site, &line) {
        args.voice.warn(&format!("this deploy is not in the audit: {why:#}"));
    }
    if end.code == 0
        && let Err(why) = print(&line)
    {
        // nginx has moved: whoever reads the exit code must not take it for a failure.
        args.voice.warn(&format!("the deploy is done, but its record could not be printed: {why:#}"));
    }
    let interrupt = runner.interrupt;
    // Who is told that it is over must find it so.
    drop(lock);
    args.hooks.after(args.voice, &end, args.rollback, &line, &interrupt);
    Ok(end.code)
}

fn ensure_something_to_do(args: &Args) -> Result<()> {
    let named =
        !args.artifact.is_empty() || !args.command.is_empty() || std::env::var_os("BG_LAUNCH_COMMAND").is_some();
    if named || args.rollback {
        return Ok(());
    }
    Err(Exit::Usage.because("nothing to deploy: name a jar, a command after --, or --rollback"))
}

/// Runs the stages, and what follows from how they ended.
fn deploy(args: &Args, site: &Site, stages: &[Stage], runner: &Runner) -> End {
    let before = leftover::launched(site);
    let mut end = through(args, stages, runner);
    if end.failed.is_some() {
        let leftover = (leftover::launched(site) != before).then(|| leftover::tidy_up(args, runner, &end));
        messages::failed(args, &end, leftover);
        return end;
    }
    messages::live(args, &end.record);
    if let Some(within) = args.watch {
        let began = Instant::now();
        end.code = watch::watch(args, runner, &mut end.record, *within).unwrap_or_else(|why| {
            args.voice.error(&format!("the watch could not be kept: {why:#}"));
            Exit::of(&why) as u8
        });
        end.took.push(("watch", began.elapsed()));
        end.failed = (end.code != 0).then_some("watch");
    }
    if end.code == 0
        && let Some(after) = args.stop_old.after()
        && let Err(why) = retire::old(args, runner, &end.record, after)
    {
        args.voice.warn(&format!("the old release runs on: {why:#}"));
    }
    end
}

/// Runs the stages, each on the record of the one before, until one fails or a signal asks for an end.
fn through(args: &Args, stages: &[Stage], runner: &Runner) -> End {
    let mut end = End { record: String::new(), failed: None, code: 0, signal: None, took: Vec::new() };
    for stage in stages {
        if stage.name == "switch" && !args.rollback {
            before_switch(args, runner, &mut end);
        }
        if end.failed.is_some() {
            return end;
        }
        let began = Instant::now();
        let ended = runner.run(stage, &end.record);
        end.took.push((stage.name, began.elapsed()));
        if !ended.output.is_empty() {
            end.record = ended.output;
        }
        // A signal that comes when nginx has moved comes too late: the deploy is done.
        let switched = stage.name == "switch" && ended.code == 0;
        end.signal = runner.interrupt.heard().filter(|_| !switched);
        end.code = end.signal.map_or(ended.code, interrupt::code_of);
        end.failed = (end.code != 0).then_some(stage.name);
    }
    end
}

/// Runs the hook that has a say in whether nginx is moved.
fn before_switch(args: &Args, runner: &Runner, end: &mut End) {
    match args.hooks.before_switch(args.voice, &end.record, &runner.interrupt) {
        Ok(took) => end.took.extend(took.map(|took| ("before-switch", took))),
        Err(why) => {
            args.voice.error(&format!("{why:#}"));
            end.signal = runner.interrupt.heard();
            end.code = end.signal.map_or(Exit::of(&why) as u8, interrupt::code_of);
            end.failed = Some("before-switch");
        }
    }
}
