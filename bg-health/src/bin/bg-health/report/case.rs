//! The case of a slot that is not healthy: everything that is known when its report is made.

use crate::check::Expectation;
use crate::inquiry::Inquiry;
use crate::report::answers::Answers;
use crate::visitors::Seen;
use crate::wait::pace::Pace;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::live::front::Answer as Served;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::port;
use bg_probe::os::process::{Stat, pids};
use bg_probe::record::Record;
use bg_probe::site::family;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Slot;
use bg_probe::site::unit::Unit;
use serde_json::Value;
use std::time::Duration;

/// How long what puts itself into the background may take until it is seen there.
const SEEN_WITHIN: Duration = Duration::from_millis(30);

/// How often it is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How a slot turned out not to be healthy.
pub(crate) enum Failure {
    /// It was checked once.
    Once,
    /// The time of a wait at this pace was up.
    Late(Pace),
    /// The launched process ended, after that time.
    Died(Duration),
    /// What was launched listens on the other slot's port.
    OnOtherPort,
    /// It went bad within the watch, after that time; and what nginx answered, where that was what was bad.
    WentBad(Duration, Option<Served>),
    /// After that time nginx had answered the visitors so that it is not to stay.
    Visitors(Duration, Box<Seen>),
}

/// What speaks for how an application has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing.
    Unknown,
    /// It was a unit, and its status was one of success: systemd keeps none but those that failed.
    Well,
    /// The kernel has ended a process for want of memory meanwhile.
    MemoryRanOut,
}

impl End {
    fn of(unit: Option<&Unit>, inquiry: &Inquiry) -> End {
        if inquiry.has_run_out_of_memory() {
            return End::MemoryRanOut;
        }
        let is_forgotten = unit.is_some_and(|unit| unit.state().is_ok_and(|state| !state.is_loaded));
        if is_forgotten { End::Well } else { End::Unknown }
    }
}

impl Failure {
    /// Whether the launched process is gone, where nothing is left of the launch or something is.
    fn is_a_death(&self, nothing_is_left: bool) -> bool {
        match self {
            Failure::Died(_) => true,
            // Neither waits for the process, but both see that it is gone.
            Failure::Once | Failure::WentBad(..) | Failure::Visitors(..) => nothing_is_left,
            Failure::Late(_) | Failure::OnOtherPort => false,
        }
    }
}

/// Everything a report is made of.
pub(crate) struct Case<'a> {
    pub(crate) record: &'a Record,
    pub(crate) launch: Option<&'a Launch>,
    /// The slot in question.
    pub(crate) slot: &'a Slot,
    /// The same by the port at which its health is asked for.
    pub(crate) asked: Slot,
    /// The slot that it is not.
    pub(crate) other: &'a Slot,
    pub(crate) expectation: &'a Expectation,
    pub(crate) answers: &'a Answers,
    pub(crate) failure: Failure,
    /// Whether the launched process is gone.
    pub(crate) died: bool,
    /// Whether a launch is known at all.
    pub(crate) launched: bool,
    /// Whether something listens now that did not at the last check.
    pub(crate) came_late: bool,
    /// The ports on which the application listens.
    pub(crate) ports: Vec<u16>,
    /// A process that holds the slot's port after the application has died.
    pub(crate) holder: Option<Holder>,
    /// What is left of the application after its first process has gone.
    pub(crate) survivor: Option<i32>,
    /// What speaks for how it ended, where it did.
    pub(crate) end: End,
}

impl<'a> Case<'a> {
    /// The case as it is now. What `/proc` does not show stays unknown: a report is made of what there is.
    pub(crate) fn new(
        record: &'a Record,
        launch: Option<&'a Launch>,
        expectation: &'a Expectation,
        inquiry: &'a Inquiry,
        failure: Failure,
    ) -> Case<'a> {
        let answers = &inquiry.answers;
        let slot = &record.slot;
        let members = launch.and_then(|launch| launch.members().ok()).unwrap_or_default();
        let died = failure.is_a_death(launch.is_some() && members.is_empty());
        // What a unit has after its first process is what systemd has started in its place.
        let unit = launch.and_then(|launch| launch.unit.as_ref());
        let last = answers.last().map(|last| &last.kind);
        let was_silent = last == Some(&Kind::Silent);
        let asked = expectation.manner.port_of(&record.site, slot).ok().flatten().unwrap_or_else(|| slot.clone());
        let came_late = !died && was_silent && record.site.address.is_reachable(&asked);
        // Where it does not answer, or its page is not there: the page may be at another.
        let knows_ports = !died && matches!(last, Some(Kind::Silent | Kind::Missing));
        Case {
            record,
            launch,
            slot,
            asked,
            other: record.site.slots.other(&slot.name),
            expectation,
            answers,
            failure,
            died,
            launched: launch.is_some(),
            came_late,
            ports: if knows_ports { ports_of(&members) } else { Vec::new() },
            holder: if died { Holder::of(slot, launch) } else { None },
            survivor: if died && unit.is_none() { survivor(&members, slot, launch) } else { None },
            end: if died { End::of(unit, inquiry) } else { End::Unknown },
        }
    }

    /// Whether it listens on the port that nginx sends the visitors to.
    pub(crate) fn takes_visitors(&self) -> bool {
        matches!(self.failure, Failure::OnOtherPort) && self.record.live.as_ref() == Some(self.other)
    }

    /// Whether nginx serves this release by accident, or will as soon as it answers: no slot was live, and nginx is set to serve
    /// this one.
    pub(crate) fn may_serve_by_accident(&self) -> bool {
        let probe = self.record.get::<Value>("probe").ok().flatten();
        let is_pointed_at = probe.is_some_and(|probe| probe["points_at"] == self.slot.name.as_str());
        self.record.live.is_none() && is_pointed_at && !self.died
    }

    /// The command that ends what was launched, whatever nginx serves: bg-launch touches nothing that may be serving.
    pub(crate) fn stop_by_hand(&self) -> Option<String> {
        let launch = self.launch?;
        if let Some(unit) = &launch.unit {
            return Some(unit.by_hand("stop").to_string());
        }
        let last = Launched::of(&self.record.site.dir, &self.slot.name).ok().flatten();
        let signal = last.and_then(|last| last.stop_signal).unwrap_or_default();
        Some(format!("kill -s {signal} {}", launch.process.pid))
    }

    /// What was answered last.
    pub(crate) fn last_words(&self) -> &str {
        self.answers.last().map_or("no answer", |answer| answer.text.as_str())
    }
}

/// The ports on which these processes listen, as far as this user may see.
fn ports_of(members: &[i32]) -> Vec<u16> {
    port::ports_of(members).map(Vec::from_iter).unwrap_or_default()
}

/// A process that holds the slot's port.
pub(crate) struct Holder {
    pub(crate) pid: i32,
    /// Whether it began after the launch.
    pub(crate) is_younger: bool,
}

impl Holder {
    /// The one of the slot, as far as this user may see.
    fn of(slot: &Slot, launch: Option<&Launch>) -> Option<Holder> {
        let pid = *slot.holders().ok()?.first()?;
        let began = launch.map(|launch| launch.process.start_ticks);
        let is_younger = began.is_some_and(|began| Stat::of(pid).is_some_and(|stat| stat.start_ticks >= began));
        Some(Holder { pid, is_younger })
    }
}

/// What goes on of a launch whose first process is gone: in its session, or outside of it by the marks.
fn survivor(members: &[i32], slot: &Slot, launch: Option<&Launch>) -> Option<i32> {
    members.first().copied().or_else(|| {
        let launch = launch?;
        let look = || Ok(family::strays(&pids()?, slot, &launch.process, &launch.release).first().copied());
        // One that forks while the processes are listed is in no list of that moment.
        Deadline::within(SEEN_WITHIN).poll(LOOK_EVERY, look).ok().flatten()
    })
}
