//! The watch: whether a release stays well once it has the traffic, and the way back if not.

use crate::args::Args;
use crate::pipeline::{Runner, Stage};
use anyhow::Result;
use bg_probe::exit::Exit;
use bg_probe::front::Setting;
use bg_probe::record::Record;
use bg_probe::say;
use std::time::{Duration, Instant};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many bad looks in a row make a release bad.
const BAD_IN_A_ROW: u32 = 2;

/// Watches the slot that the record was switched to. The exit code: 0 where it stayed well, 9 where nginx is back on
/// the slot it came from, 4 where that is no better.
///
/// # Errors
/// When a stage can't be started at all.
pub(crate) fn watch(args: &Args, runner: &Runner, line: &str, within: Duration) -> Result<u8> {
    let record = Record::parse(line.as_bytes())?;
    let began = Instant::now();
    let (mut bad, mut looks) = (0, 0);
    while began.elapsed() < within || bad > 0 {
        if let Some(signal) = runner.interrupt.heard() {
            say::error("bg-deploy", &format!("the watch was ended by a signal; {} is serving", record.slot.name));
            return Ok(128 + u8::try_from(signal).unwrap_or(0));
        }
        let due = Instant::now() + LOOK_EVERY;
        bad = if is_well(args, runner, &record, line)? { 0 } else { bad + 1 };
        looks += 1;
        if bad == BAD_IN_A_ROW {
            return back(args, runner, &record);
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()).min(LOOK_EVERY));
    }
    args.voice.done("watch", &format!("{} stayed well, {looks} looks", record.slot.name), Some(began.elapsed()));
    Ok(0)
}

/// One look: health says yes, and nginx serves that slot. A look that could not be made is not a good one.
fn is_well(args: &Args, runner: &Runner, record: &Record, line: &str) -> Result<bool> {
    let quiet = |name, own: &[&str]| {
        let own = own.iter().map(ToString::to_string).collect::<Vec<_>>();
        Stage::new(name, [args.stages.of(name), own].concat(), args)
    };
    let health = runner.run(&quiet("health", &["--once"]), line)?;
    if health.code != 0 {
        return Ok(false);
    }
    if record.site.front == Setting::Unset {
        return Ok(true);
    }
    let own = ["--by", "front", "--slot", "live", "--format", "name"];
    let own = [args.settings.typed_flags()?, own.map(str::to_owned).to_vec()].concat();
    let front = runner.run(&Stage::new("probe", own, args), "")?;
    Ok(front.code == 0 && front.output.trim() == record.slot.name.as_str())
}

/// Switches back to the slot that was live before, if that one is well.
fn back(args: &Args, runner: &Runner, record: &Record) -> Result<u8> {
    let bad = &record.slot.name;
    let Some(old) = &record.live else {
        say::error(
            "bg-deploy",
            &format!("{bad} went bad within the watch, and there is no slot to go back to; {bad} is serving"),
        );
        return Ok(Exit::Unhealthy as u8);
    };
    say::error("bg-deploy", &format!("{bad} went bad within the watch; going back to {old}"));
    let probe = [args.settings.typed_flags()?, vec!["--slot".to_owned(), old.to_string()]].concat();
    let nginx = args.nginx.iter().flat_map(|nginx| ["--nginx".to_owned(), nginx.clone()]).collect::<Vec<_>>();
    let stages = [
        Stage::new("probe", [args.stages.of("probe"), probe].concat(), args),
        Stage::new("health", args.stages.of("health"), args).with("--once"),
        Stage::new("switch", [args.stages.of("switch"), nginx].concat(), args),
    ];
    let mut line = String::new();
    for stage in &stages {
        let ended = runner.run(stage, &line)?;
        if ended.code != 0 {
            say::error(
                "bg-deploy",
                &format!("{old} is no better (bg-{} says so): {bad} is left serving. Both need a person", stage.name),
            );
            return Ok(Exit::Unhealthy as u8);
        }
        line = ended.output;
    }
    say::error("bg-deploy", &format!("{old} is serving again; {bad} still runs, for a look at its log"));
    Ok(Exit::SwitchedBack as u8)
}
