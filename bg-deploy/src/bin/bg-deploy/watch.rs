//! The watch: whether a release stays well once it has the traffic, and the way back if not.

use crate::args::Args;
use crate::run::Runner;
use crate::run::interrupt;
use crate::stage::{self, Stage};
use anyhow::Result;
use bg_probe::live::front::{Answer, FRONT_WITHIN, Front, LIMITED};
use bg_probe::record::Record;
use bg_probe::say;
use bg_probe::say::exit::Exit;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::FrontSetting;
use bg_probe::site::slot::Name;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many bad looks in a row make a release bad.
const BAD_IN_A_ROW: u32 = 2;

/// Watches the slot that the record was switched to. The exit code: 0 where it stayed well, 9 where nginx is back on
/// the slot it came from; else that of the stage that kept it from going back.
///
/// # Errors
/// When the record or a path among the settings can't be used.
pub(crate) fn watch(args: &Args, runner: &Runner, line: &str, within: Duration) -> Result<u8> {
    let record = Record::parse(line.as_bytes())?;
    let slot = &record.slot.name;
    args.voice.done("watch", &format!("looking after {slot} for {}", say::seconds(within)), None);
    let look = Look::new(args, &record)?;
    let began = Instant::now();
    let (mut bad, mut looks) = (0, 0);
    // A watch that has seen nothing is no watch.
    while looks == 0 || began.elapsed() < within || bad > 0 {
        let due = Instant::now() + LOOK_EVERY;
        let well = look.is_good(runner, &record, line);
        // A look that a signal has ended says nothing.
        if let Some(signal) = runner.interrupt.heard() {
            say::error("bg-deploy", &format!("{signal} ended the watch; {slot} is serving"));
            return Ok(interrupt::code_of(signal));
        }
        bad = if well { 0 } else { bad + 1 };
        looks += 1;
        if bad == BAD_IN_A_ROW {
            return back(args, runner, &record);
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    if look.refused.get() > 0 {
        let words = format!("in {} of {looks} looks health alone was seen: {LIMITED}", look.refused.get());
        args.voice.warn("bg-deploy", &words);
    }
    args.voice.done("watch", &format!("{slot} stayed well in {looks} looks"), Some(began.elapsed()));
    Ok(0)
}

/// What one look takes.
struct Look {
    health: Stage,
    /// `None` where no front can name the slot.
    front: Option<Stage>,
    /// How often a rate limit kept the front from saying anything.
    refused: Cell<u32>,
}

impl Look {
    fn new(args: &Args, record: &Record) -> Result<Look> {
        // The front alone: the file says what was meant, and --probe-by was for the deploy.
        let own = ["--quiet", "--by=front", "--slot=live", "--format=name"].map(str::to_owned).into_iter();
        let given = args.stages.of("probe").into_iter().filter(|flag| !flag.starts_with("--by="));
        let front = Stage::of("probe", own.chain(given).chain(args.settings.typed_flags()?));
        Ok(Look {
            health: Stage::quiet("health", args, vec!["--once".to_owned()]),
            front: (record.site.front != FrontSetting::Unset).then_some(front),
            refused: Cell::default(),
        })
    }

    /// Whether health says yes, and nginx serves that slot. A look that could not be made is not a good one.
    fn is_good(&self, runner: &Runner, record: &Record, line: &str) -> bool {
        let serves = |front| {
            let front = runner.run(front, "");
            let named = front.code == 0 && front.output.trim() == record.slot.name.as_str();
            named || front.code != 0 && self.is_refused(record)
        };
        runner.run(&self.health, line).code == 0 && self.front.as_ref().is_none_or(serves)
    }

    /// Whether a rate limit keeps the front from saying anything: then health alone is seen.
    fn is_refused(&self, record: &Record) -> bool {
        let front = Front::of(&record.site).ok().flatten();
        let refused = front.is_some_and(|front| matches!(front.ask(FRONT_WITHIN), Answer::Limited(_)));
        self.refused.update(|before| before + u32::from(refused));
        refused
    }
}

/// Switches back to the slot that was live before, if that one is well.
fn back(args: &Args, runner: &Runner, record: &Record) -> Result<u8> {
    let bad = &record.slot.name;
    let Some(old) = record.live.as_ref().filter(|live| *live != bad) else {
        let words = format!("{bad} went bad within the watch, and there is no slot to go back to; {bad} is serving");
        say::error("bg-deploy", &words);
        return Ok(Exit::Unhealthy as u8);
    };
    say::error("bg-deploy", &format!("{bad} went bad within the watch; going back to {old}"));
    let mut line = String::new();
    for stage in way_back(args, old)? {
        let ended = runner.run_undisturbed(&stage, &line);
        if ended.code != 0 {
            let why = match stage.name {
                "health" => format!("{old} is no better"),
                _ => format!("nginx could not be moved back to {old} ({} says why)", stage.called()),
            };
            say::error("bg-deploy", &format!("{why}: {bad} is left serving. Both slots need a person"));
            return Ok(ended.code);
        }
        line = ended.output;
    }
    let log = record.site.dir.logs(bad).join("app.log");
    let now = if Launched::runs_in(&record.site.dir, bad).unwrap_or(false) { "still runs" } else { "has ended" };
    say::error("bg-deploy", &format!("{old} is serving again; {bad} {now}, its log is {}", log.display()));
    Ok(Exit::SwitchedBack as u8)
}

fn way_back(args: &Args, old: &Name) -> Result<[Stage; 3]> {
    let slot = format!("--slot={old}");
    Ok([
        Stage::quiet("probe", args, [args.settings.typed_flags()?, vec![slot]].concat()),
        Stage::quiet("health", args, vec!["--once".to_owned()]),
        stage::switch(args),
    ])
}
