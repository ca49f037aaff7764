//! What `bg-deploy` does: the stages in their order under one lock, and what is left to do when one fails.

use crate::args::Args;
use crate::audit::{self, Audit};
use crate::env_file;
use crate::interrupt::Interrupt;
use crate::pipeline::{self, Runner, Stage};
use crate::watch;
use anyhow::Result;
use bg_probe::exit::Exit;
use bg_probe::lock::Lock;
use bg_probe::probe::release_in;
use bg_probe::process::Launched;
use bg_probe::record::{Record, print};
use bg_probe::settings::Site;

/// How a run of the stages ended.
struct End {
    /// The last record that a stage printed.
    record: String,
    /// The stage that failed, or that a signal ended.
    failed: Option<&'static str>,
    /// The exit code so far.
    code: u8,
}

/// Runs the program; its exit code, which may be a stage's own.
pub(crate) fn run(args: &Args) -> Result<u8> {
    if let Some(file) = &args.env_file {
        env_file::apply(file)?;
    }
    ensure_something_to_do(args)?;
    let stages = pipeline::stages(args)?;
    if args.dry_run {
        print(&format!("{}\n", pipeline::shell(&stages)))?;
        return Ok(0);
    }
    let site = args.settings.site()?;
    let interrupt = Interrupt::listen()?;
    let lock = Lock::take(&site.dir, args.wait, "bg-deploy")?;
    let runner = Runner { interrupt, lock: lock.hand_down()? };
    let audit = Audit::begin();
    let end = finish(args, &site, &stages, &runner)?;
    let line = audit.line(&site, &end.record, end.failed, end.code);
    if let Err(why) = audit::append(&site, &line) {
        args.voice.warn("bg-deploy", &format!("this deploy is not in the audit: {why:#}"));
    }
    if end.code == 0 {
        print(&line)?;
    }
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
fn finish(args: &Args, site: &Site, stages: &[Stage], runner: &Runner) -> Result<End> {
    let before = launched(site);
    let mut end = through(stages, runner)?;
    if end.failed.is_none() {
        say_live(args, &end.record)?;
        if let Some(within) = args.watch {
            end.code = watch::watch(args, runner, &end.record, *within)?;
        }
        return Ok(end);
    }
    // A healthy release that nginx would not move to may stay: once nginx is mended, one bg-switch is enough.
    let proven = end.failed == Some("switch") && runner.interrupt.heard().is_none();
    if !proven && !args.keep_failed && launched(site) != before {
        let stop = Stage::new("launch", args.stages.of("launch"), args).with("--stop");
        // If it can't be stopped, bg-launch has said why; the deploy has failed already.
        runner.run(&stop, &end.record)?;
    }
    Ok(end)
}

/// Runs the stages, each on the record of the one before, until one fails or a signal asks for an end.
fn through(stages: &[Stage], runner: &Runner) -> Result<End> {
    let mut record = String::new();
    for stage in stages {
        let ended = runner.run(stage, &record)?;
        if !ended.output.is_empty() {
            record = ended.output;
        }
        // A signal that comes when nginx has moved comes too late: the deploy is done.
        let switched = stage.name == "switch" && ended.code == 0;
        let interrupted =
            runner.interrupt.heard().filter(|_| !switched).and_then(|signal| u8::try_from(128 + signal).ok());
        let code = interrupted.unwrap_or(ended.code);
        if code != 0 {
            return Ok(End { record, failed: Some(stage.name), code });
        }
    }
    Ok(End { record, failed: None, code: 0 })
}

/// What was launched last in each slot: what differs after a run was launched by it.
fn launched(site: &Site) -> [Option<Launched>; 2] {
    site.slots.both().each_ref().map(|slot| Launched::of(&site.dir, &slot.name).ok().flatten())
}

fn say_live(args: &Args, record: &str) -> Result<()> {
    let record = Record::parse(record.as_bytes())?;
    let (dir, slot) = (&record.site.dir, &record.slot.name);
    let named = |slot| match dir.artifact(slot) {
        Some(_) => format!("{} in {slot}", release_in(dir, slot)),
        None => slot.to_string(),
    };
    let back = match record.live.as_ref().filter(|live| *live != slot) {
        Some(live) => {
            let flags = args.settings.typed_flags()?;
            let words = ["bg-deploy".to_owned()].into_iter().chain(flags).chain(["--rollback".to_owned()]);
            format!("back to {} with: {}", named(live), shell_words::join(words))
        }
        None => "there is nothing to go back to yet".to_owned(),
    };
    args.voice.done("live", &format!("{}; {back}", named(slot)), None);
    Ok(())
}
