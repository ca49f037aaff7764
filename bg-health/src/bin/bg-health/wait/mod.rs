//! The wait: check by check until the slot is fit to serve, its process is gone, or the time is up.

pub(crate) mod bar;
pub(crate) mod pace;
pub(crate) mod row;

use crate::check::warmup::{Requests, Warmup};
use crate::check::{Answer, Expectation};
use crate::healthy::{self, Facts};
use crate::inquiry::Inquiry;
use crate::report;
use crate::report::case::{Case, Failure};
use crate::subject::Subject;
use crate::wait::bar::Bar;
use crate::wait::pace::Pace;
use crate::wait::row::Row;
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::lifetime::Lifetime;
use bg_probe::say::exit::Exit;
use std::time::{Duration, Instant};

/// How often to look whether the application still runs, however seldom it is asked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits for a slot, and prints the record with what was found.
///
/// # Errors
/// [`Exit::Unhealthy`] or [`Exit::Died`] with the report of it.
pub(crate) fn run(subject: &Subject, expectation: &Expectation, pace: Pace, warmup: &Requests) -> Result<()> {
    let (record, voice) = (subject.record()?, subject.voice);
    let launch: Option<Launch> = record.get("launch")?;
    let mut wait = Wait {
        inquiry: Inquiry::new(&record, launch.as_ref(), expectation, voice)?,
        warmup: Warmup::new(warmup, &record.site, &record.slot, &expectation.manner)?,
        patience: expectation.within,
        pace,
        bar: Bar::new(voice, pace.timeout, &record.slot),
        deadline: Deadline::within(pace.timeout),
        life: launch.as_ref().map(|launch| Lifetime::of(&launch.process)),
    };
    let end = wait.run()?;
    let inquiry = wait.inquiry;
    let took = inquiry.began.elapsed();
    drop(wait.bar);
    let (exit, failure) = match end {
        End::Healthy(facts) => return healthy::conclude(record, &facts, took, voice),
        End::Late => (Exit::Unhealthy, Failure::Late(pace)),
        End::Died => (Exit::Died, Failure::Died(took)),
        End::OnOtherPort => (Exit::Unhealthy, Failure::OnOtherPort),
    };
    Err(exit.because(report::whole(&Case::new(&record, launch.as_ref(), expectation, &inquiry, failure))))
}

/// How a wait ended.
enum End {
    Healthy(Facts),
    /// The time is up.
    Late,
    /// The launched process is gone.
    Died,
    /// What was launched listens on the other slot's port.
    OnOtherPort,
}

/// One wait for one slot.
struct Wait<'a> {
    inquiry: Inquiry<'a>,
    warmup: Warmup,
    /// How long one answer may take.
    patience: Duration,
    pace: Pace,
    bar: Bar,
    deadline: Deadline,
    /// That of the launched process.
    life: Option<Lifetime<'a>>,
}

impl Wait<'_> {
    fn run(&mut self) -> Result<End> {
        self.inquiry.look()?;
        let mut row = Row::default();
        loop {
            let (asked, left) = (Instant::now(), self.deadline.left());
            let (mut answer, is_known) = self.inquiry.ask(self.patience.min(left))?;
            // The end of the wait cut it off: it means nothing beside the answers before it.
            if answer.kind == Kind::Slow && left < self.patience && self.inquiry.answers.checks > 0 {
                return Ok(End::Late);
            }
            let count = row.add(&answer, is_known, self.inquiry.began.elapsed());
            let is_enough = is_known && count >= self.pace.successes;
            if is_enough && let Err(cold) = self.warmup.run(|| self.patience.min(self.deadline.left())) {
                answer = cold;
                row = Row::default();
            }
            self.inquiry.hear(&answer);
            self.bar.show(&answer.text);
            if let Some(end) = self.end()? {
                return Ok(end);
            }
            if is_enough && answer.kind == Kind::Healthy {
                return Ok(End::Healthy(self.inquiry.healthy(answer, row.since)));
            }
            if let Some(end) = self.pause(asked, &answer)? {
                return Ok(end);
            }
        }
    }

    /// Waits until it is time for the next check, looking after the process; the end, if it comes before. While nothing
    /// listens, it is time as soon as something does.
    fn pause(&mut self, asked: Instant, answer: &Answer) -> Result<Option<End>> {
        let next = Deadline::within(self.pace.after(&answer.kind).saturating_sub(asked.elapsed()));
        let knocks = self.pace.knocks_after(&answer.kind) && self.inquiry.stays_here();
        let mut rest = if knocks { Pace::after_a_knock(Duration::ZERO) } else { LOOK_EVERY };
        let mut look = Deadline::within(LOOK_EVERY);
        while !next.is_over() && !self.deadline.is_over() {
            let time = rest.min(look.left()).min(next.left()).min(self.deadline.left());
            let has_died = self.ends_within(time);
            // Where the time has come, the next check is followed by such a look as well.
            if (has_died || look.is_over()) && !next.is_over() {
                self.bar.advance(self.inquiry.began.elapsed());
                if let Some(end) = self.end()? {
                    return Ok(Some(end));
                }
                look = Deadline::within(LOOK_EVERY);
            }
            if knocks {
                let began = Instant::now();
                if !self.inquiry.is_refused() {
                    break;
                }
                rest = Pace::after_a_knock(began.elapsed());
            }
        }
        Ok(self.deadline.is_over().then_some(End::Late))
    }

    /// Waits that long, or until the launched process is gone; whether it is.
    fn ends_within(&self, time: Duration) -> bool {
        let Some(life) = &self.life else {
            let _ = Deadline::within(time).pause(time);
            return false;
        };
        life.ends_within(time)
    }

    /// The end that what was launched has put to the wait, if it has.
    fn end(&mut self) -> Result<Option<End>> {
        // Before it is too late to see whose they were: what took the port may be about to end.
        if self.inquiry.is_on_other_port()? {
            return Ok(Some(End::OnOtherPort));
        }
        Ok(self.ends_within(Duration::ZERO).then_some(End::Died))
    }
}
