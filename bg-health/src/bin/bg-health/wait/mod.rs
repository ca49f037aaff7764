//! The wait: check by check until the slot is fit to serve, its process is gone, or the time is up.

use crate::args::Args;
use crate::check::listeners::Listeners;
use crate::check::other_port::OtherPort;
use crate::check::warmup::Warmup;
use crate::check::{Answer, Check};
use crate::report;
use crate::report::answers::Answers;
use crate::report::bar::Bar;
use crate::report::cause::{Case, Failure};
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use serde::Serialize;
use std::time::{Duration, Instant};

/// From one check to the next while nothing listens, which costs nobody anything, and between two successes.
const SOON: Duration = Duration::from_millis(20);

/// From one check to the next while the application has other things to do than to answer.
const LATER: Duration = Duration::from_millis(100);

/// How often to look whether the application still runs, however seldom it is asked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What `bg-health` adds to the record.
#[derive(Debug, Serialize)]
struct Facts {
    /// Where the application said that it is healthy.
    url: String,
    /// How many checks there were.
    checks: u32,
    /// From the first check to the first of the healthy answers that decided, in milliseconds. The answers that
    /// confirm it and the warm-up come after, and count for the wait but not for the application.
    ready_ms: u64,
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

/// Waits for the slot of `record`, and prints the record with what was found.
///
/// # Errors
/// [`Exit::Unhealthy`] or [`Exit::Died`] with the report of it.
pub(crate) fn run(args: &Args, mut record: Record) -> Result<()> {
    let launch: Option<Launch> = record.get("launch")?;
    let mut wait = Wait::new(args, &record, launch.as_ref())?;
    let end = wait.run()?;
    let (answers, took) = (wait.answers, wait.began.elapsed());
    drop(wait.bar);
    let (exit, failure) = match end {
        End::Healthy(facts) => {
            let checks = if facts.checks == 1 { "check" } else { "checks" };
            args.voice.done("health", &format!("UP after {} {checks}", facts.checks), Some(took));
            record.set("health", &facts)?;
            return record.print();
        }
        End::Late => (Exit::Unhealthy, Failure::Late),
        End::Died => (Exit::Died, Failure::Died(took)),
        End::OnOtherPort => (Exit::Unhealthy, Failure::OnOtherPort),
    };
    let case = Case::new(args, &record, launch.as_ref(), &answers, failure);
    Err(exit.because(if args.once { report::in_a_line(&case) } else { report::whole(&case) }))
}

/// One wait for one slot.
struct Wait<'a> {
    args: &'a Args,
    port: u16,
    launch: Option<&'a Launch>,
    check: Check,
    warmup: Warmup,
    listeners: Listeners,
    other_port: OtherPort,
    answers: Answers,
    bar: Bar,
    began: Instant,
}

/// Healthy answers in a row.
#[derive(Default)]
struct Row {
    count: u32,
    /// When the first of them came.
    since: Duration,
}

impl<'a> Wait<'a> {
    fn new(args: &'a Args, record: &Record, launch: Option<&'a Launch>) -> Result<Wait<'a>> {
        let (address, slot) = (&record.site.address, &record.slot);
        Ok(Wait {
            args,
            port: slot.port,
            launch,
            check: Check::new(args, address, slot)?,
            warmup: Warmup::new(args, address, slot)?,
            listeners: Listeners::default(),
            other_port: OtherPort::new(record.site.slots.other(&slot.name).port),
            answers: Answers::default(),
            bar: Bar::new(args, &slot.name),
            began: Instant::now(),
        })
    }

    fn run(&mut self) -> Result<End> {
        if let Some(launch) = self.launch {
            self.listeners.look(launch, self.port)?;
        }
        let mut row = Row::default();
        loop {
            let asked = self.began.elapsed();
            let (mut answer, same) = self.ask()?;
            if self.was_cut_short(&answer, asked) {
                return Ok(End::Late);
            }
            let enough = row.add(&answer, same, self.began.elapsed()) >= self.successes() && same;
            // A monitor asks how it is, and is no visitor.
            if enough
                && !self.args.once
                && let Err(cold) = self.warmup.run(|| self.patience())
            {
                answer = cold;
                row = Row::default();
            }
            self.hear(&answer);
            if let Some(end) = self.end()? {
                return Ok(end);
            }
            if enough && answer.kind == Kind::Healthy {
                return Ok(End::Healthy(self.facts(answer, &row)));
            }
            if self.args.once {
                return Ok(End::Late);
            }
            if let Some(end) = self.pause(asked.saturating_add(self.pace(&answer)))? {
                return Ok(end);
            }
        }
    }

    /// Asks once. Whether the listeners are still those of the look before: if not, nobody knows which of them
    /// has answered.
    fn ask(&mut self) -> Result<(Answer, bool)> {
        let answer = self.check.run(self.patience());
        match self.launch.filter(|_| self.is_worth_a_look(&answer)) {
            Some(launch) => self.listeners.whose(answer, launch, self.port),
            None => Ok((answer, true)),
        }
    }

    /// A look reads every connection of the machine, so not each refusal or excuse is worth one.
    fn is_worth_a_look(&self, answer: &Answer) -> bool {
        let was_silent = self.answers.last().is_none_or(|last| last.kind == Kind::Silent);
        let new = was_silent || self.listeners.stranger().is_some();
        answer.kind == Kind::Healthy || (new && answer.kind != Kind::Silent)
    }

    /// Whether the end of the wait cut this answer off: it says nothing, where others have said something.
    fn was_cut_short(&self, answer: &Answer, asked: Duration) -> bool {
        let left = self.args.timeout.saturating_sub(asked);
        answer.kind == Kind::Slow && left < *self.args.check_timeout && self.answers.checks > 0
    }

    fn hear(&mut self, answer: &Answer) {
        let at = self.began.elapsed();
        if self.answers.add(answer, at) {
            self.args.voice.detail(&format!("{:.3}s {}", at.as_secs_f64(), answer.text));
        }
        self.bar.say(&answer.text);
    }

    fn successes(&self) -> u32 {
        if self.args.once { 1 } else { self.args.successes }
    }

    /// How long one answer may take by now.
    fn patience(&self) -> Duration {
        let one = *self.args.check_timeout;
        if self.args.once { one } else { one.min(self.args.timeout.saturating_sub(self.began.elapsed())) }
    }

    fn pace(&self, answer: &Answer) -> Duration {
        match (self.args.interval, &answer.kind) {
            (Some(interval), _) => *interval,
            (None, Kind::Silent | Kind::Healthy) => SOON,
            (None, _) => LATER,
        }
    }

    /// Waits until this time of the wait, looking after the process; the end, if it comes before.
    fn pause(&mut self, until: Duration) -> Result<Option<End>> {
        loop {
            let now = self.began.elapsed();
            self.bar.advance(now);
            if now >= *self.args.timeout {
                return Ok(Some(End::Late));
            }
            let rest = until.min(*self.args.timeout).saturating_sub(now);
            if rest.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(rest.min(LOOK_EVERY));
            // Where the time has come, the next check is followed by such a look as well.
            if self.began.elapsed() < until
                && let Some(end) = self.end()?
            {
                return Ok(Some(end));
            }
        }
    }

    /// The end that what was launched has put to the wait, if it has.
    fn end(&mut self) -> Result<Option<End>> {
        let Some(launch) = self.launch else { return Ok(None) };
        // Before it is too late to see whose they were: what took the port may be about to end.
        if self.other_port.is_taken_by(launch)? {
            return Ok(Some(End::OnOtherPort));
        }
        let is_gone = !self.args.once && !launch.process().is_alive();
        Ok(is_gone.then_some(End::Died))
    }

    fn facts(&self, answer: Answer, row: &Row) -> Facts {
        let ready_ms = u64::try_from(row.since.as_millis()).unwrap_or(u64::MAX);
        Facts { url: answer.url, checks: self.answers.checks, ready_ms }
    }
}

impl Row {
    /// Adds an answer that came `at` this time; how many there are now. Other listeners begin another row.
    fn add(&mut self, answer: &Answer, same: bool, at: Duration) -> u32 {
        if answer.kind != Kind::Healthy {
            *self = Row::default();
            return 0;
        }
        if self.count == 0 || !same {
            *self = Row { count: 0, since: at };
        }
        self.count += 1;
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_broken_by_another_answer_or_another_listener() {
        let answer = |kind| Answer { kind, text: String::new(), url: String::new() };
        let at = Duration::from_millis;
        let mut row = Row::default();
        assert_eq!(row.add(&answer(Kind::Healthy), true, at(10)), 1);
        assert_eq!(row.add(&answer(Kind::Healthy), true, at(20)), 2);
        assert_eq!(row.since, at(10));
        assert_eq!(row.add(&answer(Kind::Healthy), false, at(30)), 1);
        assert_eq!(row.since, at(30));
        assert_eq!(row.add(&answer(Kind::Slow), true, at(40)), 0);
        assert_eq!(row.add(&answer(Kind::Healthy), true, at(50)), 1);
        assert_eq!(row.since, at(50));
    }
}
