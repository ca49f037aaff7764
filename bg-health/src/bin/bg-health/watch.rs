//! The watch: whether a release stays well once it has the traffic.
//!
//! It moves nothing: whoever asked for the watch decides what follows from it. A signal ends it as it ends any program.

use crate::args::Args;
use crate::check::listeners::Listeners;
use crate::check::{Answer, Check};
use crate::report;
use crate::report::answers::Answers;
use crate::report::cause::{Case, Failure};
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::live::front::{Answer as Served, FRONT_WITHIN, Front, LIMITED};
use bg_probe::record::Record;
use bg_probe::say;
use bg_probe::say::exit::Exit;
use bg_probe::site::settings::FrontSetting;
use bg_probe::site::slot::Choice;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many bad looks in a row make a release bad: one may be the machine's own doing.
const BAD_IN_A_ROW: u32 = 2;

/// What the watch adds to the record.
#[derive(Debug, Serialize)]
struct Facts {
    /// How many looks there were.
    looks: u32,
    /// How many of them were bad, never two in a row.
    bad: u32,
    /// How long it was watched, in milliseconds.
    took_ms: u64,
    /// What was looked at: `front` where nginx was asked as well, else `health` alone.
    evidence: &'static str,
}

/// What bg-switch has added to the record, as far as it matters here.
#[derive(Deserialize)]
struct Switch {
    to: String,
}

/// Watches the slot of `record` for `within`, and prints the record with what was seen.
///
/// # Errors
/// [`Exit::WentBad`] with what was seen; [`Exit::NoRecord`] where nginx was not moved to the slot before.
pub(crate) fn run(args: &Args, mut record: Record, within: Duration) -> Result<()> {
    ensure_serving(args, &record)?;
    let slot = record.slot.name.clone();
    args.voice.done("watch", &format!("looking after {slot} for {}", say::seconds(within)), None);
    let launch: Option<Launch> = record.get("launch")?;
    let mut watch = Watch::new(args, &record, launch.as_ref())?;
    let facts = watch.keep(within).map_err(|went_bad| {
        let case = Case::new(args, &record, launch.as_ref(), &watch.answers, went_bad);
        Exit::WentBad.because(report::whole(&case))
    })?;
    if watch.refused > 0 {
        let words = format!("in {} of {} looks health alone was seen: {LIMITED}", watch.refused, facts.looks);
        args.voice.warn(&words);
    }
    let words = format!("{slot} stayed well in {} looks", facts.looks);
    args.voice.done("watch", &words, Some(watch.began.elapsed()));
    record.set("watch", &facts)?;
    record.print()
}

/// Refuses a slot that nginx was not moved to: of another one, the front would say nothing good.
fn ensure_serving(args: &Args, record: &Record) -> Result<()> {
    match &args.slot {
        Some(Choice::Idle) => {
            return Err(Exit::Usage.because("--watch looks after a slot that serves: --slot live, or its name"));
        }
        Some(_) => return Ok(()),
        None => {}
    }
    let Some(switch) = record.get::<Switch>("switch")? else {
        return Err(Exit::NoRecord.because(
            "the record has no \"switch\": put bg-switch before bg-health --watch, or name the slot with --slot",
        ));
    };
    let slot = &record.slot.name;
    if switch.to != slot.as_str() {
        let to = say::quoted(&switch.to);
        return Err(Exit::NoRecord.because(format!("the record is of {slot}, but its \"switch\" went to {to}")));
    }
    Ok(())
}

/// One watch over one slot.
struct Watch<'a> {
    args: &'a Args,
    record: &'a Record,
    launch: Option<&'a Launch>,
    check: Check,
    /// In how many looks a rate limit kept the front from saying anything: health alone was seen then.
    refused: u32,
    listeners: Listeners,
    answers: Answers,
    began: Instant,
}

impl<'a> Watch<'a> {
    fn new(args: &'a Args, record: &'a Record, launch: Option<&'a Launch>) -> Result<Watch<'a>> {
        Ok(Watch {
            args,
            record,
            launch,
            check: Check::new(args, &record.site.address, &record.slot)?,
            refused: 0,
            listeners: Listeners::default(),
            answers: Answers::default(),
            began: Instant::now(),
        })
    }

    /// Looks until the time is over; how it went bad, if it did.
    fn keep(&mut self, within: Duration) -> Result<Facts, Failure> {
        let (mut looks, mut bad, mut in_a_row) = (0, 0, 0);
        // A watch that has seen nothing is no watch, and one bad look decides nothing.
        while looks == 0 || in_a_row > 0 || self.began.elapsed() < within {
            let due = Instant::now() + LOOK_EVERY;
            looks += 1;
            match self.look() {
                Ok(()) => in_a_row = 0,
                Err(served) => {
                    in_a_row += 1;
                    bad += 1;
                    if in_a_row == BAD_IN_A_ROW {
                        return Err(Failure::WentBad(self.began.elapsed(), served));
                    }
                }
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let evidence = if self.record.site.front == FrontSetting::Unset { "health" } else { "front" };
        Ok(Facts { looks, bad, took_ms, evidence })
    }

    /// Looks once: whether health says yes, and nginx serves this slot. Of a bad look, what nginx answered where that
    /// was what was bad.
    fn look(&mut self) -> Result<(), Option<Served>> {
        let (answer, known) = self.ask();
        let at = self.began.elapsed();
        if self.answers.add(&answer, at) {
            self.args.voice.detail(&format!("{:.3}s {}", at.as_secs_f64(), answer.text));
        }
        if answer.kind != Kind::Healthy || !known {
            return Err(None);
        }
        // A new one each time: to one that has named a slot before, every 503 is a limit's, the application's own too.
        let Ok(Some(front)) = Front::of(&self.record.site) else { return Ok(()) };
        match front.ask(FRONT_WITHIN) {
            Served::Slot(served) if served == self.record.slot => Ok(()),
            Served::Limited(_) => {
                self.refused += 1;
                Ok(())
            }
            other => Err(Some(other)),
        }
    }

    /// Asks the application; whether it is known whose answer that is. A look that could not be made is not a good one.
    fn ask(&mut self) -> (Answer, bool) {
        let answer = self.check.run(*self.args.check_timeout);
        let Some(launch) = self.launch.filter(|_| answer.kind != Kind::Silent) else { return (answer, true) };
        let first = self.answers.checks == 0;
        match self.listeners.whose(answer.clone(), launch, self.record.slot.port) {
            Ok((answer, same)) => (answer, same || first),
            Err(why) => (Answer { text: format!("{}; whose answer that is: {why:#}", answer.text), ..answer }, false),
        }
    }
}
