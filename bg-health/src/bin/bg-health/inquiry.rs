//! One slot, asked again and again: what it answers, and whose answers those are.

use crate::check::listeners::Listeners;
use crate::check::other_port::OtherPort;
use crate::check::{Answer, Check, Expectation};
use crate::healthy::Facts;
use crate::report::answers::Answers;
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::os::oom;
use bg_probe::record::Record;
use bg_probe::say::Voice;
use bg_probe::site::slot::Slot;
use std::time::{Duration, Instant};

/// The checks of one slot.
pub(crate) struct Inquiry<'a> {
    /// The slot, and the same by the port at which its health is asked for, where that is another.
    slots: Vec<Slot>,
    launch: Option<&'a Launch>,
    check: Check,
    listeners: Listeners,
    other_port: OtherPort<'a>,
    voice: Voice,
    /// How many processes the kernel had ended for want of memory when it began.
    oom_kills: Option<u64>,
    /// All answers so far.
    pub(crate) answers: Answers,
    /// When it began.
    pub(crate) began: Instant,
}

impl<'a> Inquiry<'a> {
    /// Begins to ask the slot of `record`, in which this was launched, if anything was.
    ///
    /// # Errors
    /// Those of [`Check::new`].
    pub(crate) fn new(
        record: &'a Record,
        launch: Option<&'a Launch>,
        expectation: &Expectation,
        voice: Voice,
    ) -> Result<Inquiry<'a>> {
        let slot = &record.slot;
        let other_port = expectation.manner.port_of(&record.site, slot)?;
        Ok(Inquiry {
            slots: other_port.into_iter().chain([slot.clone()]).collect(),
            launch,
            check: Check::new(expectation, &record.site, slot)?,
            listeners: Listeners::default(),
            other_port: OtherPort::new(record.site.slots.other(&slot.name)),
            voice,
            oom_kills: oom::kills(),
            answers: Answers::default(),
            began: Instant::now(),
        })
    }

    /// Notes the listeners before anything is asked.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub(crate) fn look(&mut self) -> Result<()> {
        self.launch.map_or(Ok(()), |launch| self.listeners.look(launch, &self.slots).map(drop))
    }

    /// Asks once, `within` at most. Whether the listeners are still those of the look before: if not, it is not
    /// known which of them has answered.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub(crate) fn ask(&mut self, within: Duration) -> Result<(Answer, bool)> {
        let answer = self.check.run(within);
        if self.is_worth_a_look(&answer) { self.whose(answer) } else { Ok((answer, true)) }
    }

    /// Whether what is asked is on this machine, where a look at its port costs next to nothing.
    pub(crate) fn stays_here(&self) -> bool {
        self.check.get().stays_here()
    }

    /// Whether a connection is refused: then nothing listens, and nothing need be asked.
    pub(crate) fn is_refused(&self) -> bool {
        self.check.get().is_refused()
    }

    /// Asks once, `within` at most, and leaves open whose answer it is.
    pub(crate) fn answer(&self, within: Duration) -> Answer {
        self.check.run(within)
    }

    /// The same answer, made out to be a stranger's where it is, and whether the listeners are still those of the look
    /// before.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub(crate) fn whose(&mut self, answer: Answer) -> Result<(Answer, bool)> {
        match self.launch {
            Some(launch) => self.listeners.whose(answer, launch, &self.slots),
            None => Ok((answer, true)),
        }
    }

    /// Finding the listener scans every socket, so skip it for refused connections and repeated answers.
    fn is_worth_a_look(&self, answer: &Answer) -> bool {
        let was_silent = self.answers.last().is_none_or(|last| last.kind == Kind::Silent);
        let is_new = was_silent || self.listeners.stranger().is_some();
        answer.kind == Kind::Healthy || (is_new && answer.kind != Kind::Silent)
    }

    /// Adds an answer to those so far.
    pub(crate) fn hear(&mut self, answer: &Answer) {
        let at = self.began.elapsed();
        if self.answers.add(answer, at) {
            self.voice.detail(&format!("{:.3}s {}", at.as_secs_f64(), answer.text));
        }
    }

    /// Whether what was launched listens on the other slot's port.
    ///
    /// # Errors
    /// When the kernel does not list its sockets, or `/proc` can't be read.
    pub(crate) fn is_on_other_port(&mut self) -> Result<bool> {
        self.launch.map_or(Ok(false), |launch| self.other_port.is_taken_by(launch))
    }

    /// Whether the kernel has ended any process for want of memory since it began.
    pub(crate) fn has_run_out_of_memory(&self) -> bool {
        oom::kills() > self.oom_kills
    }

    /// The facts of a slot that is healthy since that time of the inquiry.
    pub(crate) fn healthy(&self, answer: Answer, since: Duration) -> Facts {
        let ready_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Facts { url: answer.url, checks: self.answers.checks, ready_ms }
    }
}
