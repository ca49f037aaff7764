//! The watch: whether a release stays well once it has the traffic.
//!
//! It moves nothing: the caller decides what follows from it. A signal ends it as it ends any program.

use crate::check::{Answer, Expectation};
use crate::inquiry::Inquiry;
use crate::report;
use crate::report::case::{Case, Failure};
use crate::subject::Subject;
use crate::visitors::limits::Limits;
use crate::visitors::{self, Seen, Visitors};
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::live::front::{Answer as Served, FRONT_WITHIN, Front, LIMITED};
use bg_probe::os::deadline::Deadline;
use bg_probe::os::replace;
use bg_probe::record::Record;
use bg_probe::say;
use bg_probe::say::exit::Exit;
use bg_probe::site::closed::is_closed;
use bg_probe::site::route::Route;
use bg_probe::site::settings::FrontSetting;
use bg_probe::site::visitor::Visitor;
use bg_probe::site::watched;
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    evidence: Evidence,
    /// What nginx has answered the visitors, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    visitors: Option<visitors::Facts>,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Evidence {
    /// The front, and the health.
    Front,
    /// The health alone.
    Health,
}

/// What bg-switch has added to the record, as far as it matters here.
#[derive(Deserialize)]
struct Switch {
    to: String,
}

/// Watches a slot for `within`, and prints the record with what was seen.
///
/// # Errors
/// [`Exit::WentBad`] with what was seen; [`Exit::NoRecord`] where nginx was not moved to the slot before.
pub(crate) fn run(
    subject: &Subject,
    expectation: &Expectation,
    limits: Option<Limits>,
    within: Duration,
) -> Result<()> {
    let (mut record, voice) = (subject.record()?, subject.voice);
    if subject.slot.is_none() {
        ensure_switched(&record)?;
    }
    let slot = record.slot.clone();
    voice.done("watch", &format!("looking after {slot} for {}", say::seconds(within)), None);
    let launch: Option<Launch> = record.get("launch")?;
    let inquiry = Inquiry::new(&record, launch.as_ref(), expectation, voice)?;
    // That of an earlier watch is not taken for this one's.
    let _ = replace::remove(&watched::verdict(&record.site.dir));
    let visitors = limits.map(|limits| Visitors::new(&record, limits));
    let mut watch = Watch { record: &record, patience: expectation.within, refused: 0, inquiry, visitors };
    let facts = watch.keep(within).map_err(|went_bad| {
        watch.leave_verdict(&went_bad);
        let case = Case::new(&record, launch.as_ref(), expectation, &watch.inquiry, went_bad);
        Exit::WentBad.because(report::whole(&case))
    })?;
    let took = watch.inquiry.began.elapsed();
    if watch.refused > 0 {
        let words = format!("in {} of {} looks health alone was seen: {LIMITED}", watch.refused, facts.looks);
        voice.warn(&words);
    }
    let seen = watch.visitors.as_ref().map(Visitors::end);
    if let Some(seen) = seen.as_ref().filter(|seen| !seen.is_proven()) {
        voice.warn(&format!("{seen}; {slot} is kept, as --watch-quiet says"));
    }
    let words = seen.filter(Seen::is_proven).map(|seen| format!("; {seen}")).unwrap_or_default();
    voice.done("watch", &format!("{slot} stayed well in {} looks{words}", facts.looks), Some(took));
    drop(watch);
    record.set("watch", &facts)?;
    record.print()
}

/// Refuses a slot that nginx was not moved to: the front could not confirm it.
fn ensure_switched(record: &Record) -> Result<()> {
    let Some(switch) = record.get::<Switch>("switch")? else {
        return Err(Exit::NoRecord.because(
            "the record has no \"switch\": put bg-switch before bg-health --watch, or name the slot with --slot",
        ));
    };
    let slot = &record.slot;
    if record.site.slots.named(&switch.to).ok() != Some(slot) {
        let to = say::quoted(&switch.to);
        return Err(Exit::NoRecord.because(format!("the record is of {slot}, but its \"switch\" went to {to}")));
    }
    Ok(())
}

/// One watch over one slot.
struct Watch<'a> {
    record: &'a Record,
    inquiry: Inquiry<'a>,
    /// How long one answer may take.
    patience: Duration,
    /// In how many looks a rate limit kept the front from answering: health alone was seen then.
    refused: u32,
    /// What nginx answers the visitors, where that is to be judged.
    visitors: Option<Visitors<'a>>,
}

impl Watch<'_> {
    /// Looks until the time is over; how it went bad, if it did.
    fn keep(&mut self, within: Duration) -> Result<Facts, Failure> {
        let (mut looks, mut bad, mut in_a_row) = (0, 0, 0);
        let end = Deadline::within(within);
        // A watch that has seen nothing is no watch, and one bad look decides nothing.
        while looks == 0 || in_a_row > 0 || !end.is_over() {
            let next = Deadline::within(LOOK_EVERY);
            looks += 1;
            match self.look() {
                Ok(()) => in_a_row = 0,
                Err(served) => {
                    in_a_row += 1;
                    bad += 1;
                    if in_a_row == BAD_IN_A_ROW {
                        return Err(Failure::WentBad(self.inquiry.began.elapsed(), served));
                    }
                }
            }
            if let Some(seen) = self.visitors.as_ref().and_then(Visitors::look) {
                return Err(Failure::Visitors(self.inquiry.began.elapsed(), seen.into()));
            }
            let _ = next.pause(LOOK_EVERY);
        }
        let seen = self.visitors.as_ref().map(Visitors::end);
        if let Some(seen) = seen.clone().filter(Seen::went_bad) {
            return Err(Failure::Visitors(self.inquiry.began.elapsed(), seen.into()));
        }
        let visitors = seen.map(|seen| seen.facts());
        let took_ms = u64::try_from(self.inquiry.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let evidence = match self.record.site.front {
            FrontSetting::Unset => Evidence::Health,
            FrontSetting::At(_) => Evidence::Front,
        };
        Ok(Facts { looks, bad, took_ms, evidence, visitors })
    }

    /// Leaves what was seen of the visitors to bg-deploy, whose history has it: a stage that fails prints no record.
    fn leave_verdict(&self, failure: &Failure) {
        let Some(visitors) = &self.visitors else { return };
        let mut facts = visitors.end().facts();
        // One that ends by its health does not end for want of answers.
        facts.went_bad &= facts.proven || matches!(failure, Failure::Visitors(..));
        let verdict = serde_json::json!({ "visitors": facts });
        // It is the failure that counts.
        let _ = replace::file(&watched::verdict(&self.record.site.dir), verdict.to_string().as_bytes(), 0o644);
    }

    /// Looks once: whether the application is healthy, and nginx serves this slot. Of a bad look, what nginx answered
    /// where that was what was bad.
    fn look(&mut self) -> Result<(), Option<Served>> {
        let (answer, is_known) = self.ask();
        self.inquiry.hear(&answer);
        if answer.kind != Kind::Healthy || !is_known {
            return Err(None);
        }
        // A new one each time: to one that has named a slot before, every 503 is a limit's, the application's own too.
        let Ok(Some(front)) = Front::of(&self.record.site) else { return Ok(()) };
        // Where it has but a share of the visitors, as one of those.
        let site = &self.record.site;
        let route = Route::of(&site.dir, &site.slots).filter(Route::is_shared);
        let visitor = route.map_or(Visitor::Prober, |route| match route.visitor_of(&self.record.slot) {
            // A closed site has nothing for visitors.
            Visitor::Number(_) if is_closed(&site.dir) => Visitor::Of(self.record.slot.name.clone()),
            visitor => visitor,
        });
        match front.ask_as(&visitor, FRONT_WITHIN) {
            Served::Slot(served) if served == self.record.slot => Ok(()),
            Served::Limited(_) => {
                self.refused += 1;
                Ok(())
            }
            other @ (Served::Slot(_) | Served::NoSlot(_)) => Err(Some(other)),
        }
    }

    /// Asks the application; whether it is known whose answer that is. A look that could not be made is not a good one.
    fn ask(&mut self) -> (Answer, bool) {
        let answer = self.inquiry.answer(self.patience);
        if answer.kind == Kind::Silent {
            return (answer, true);
        }
        let is_first = self.inquiry.answers.checks == 0;
        match self.inquiry.whose(answer.clone()) {
            Ok((answer, same)) => (answer, same || is_first),
            Err(why) => (Answer { text: format!("{}; whose answer that is: {why:#}", answer.text), ..answer }, false),
        }
    }
}
