//! `--once`: one check, for monitors and cron.

use crate::check::Expectation;
use crate::healthy;
use crate::inquiry::Inquiry;
use crate::report;
use crate::report::case::{Case, Failure};
use crate::subject::Subject;
use anyhow::Result;
use bg_health::verdict::Kind;
use bg_launch::Launch;
use bg_probe::record::Record;
use bg_probe::say;
use bg_probe::say::exit::Exit;
use serde::Deserialize;

/// Checks once, and prints the record with what was found.
///
/// # Errors
/// [`Exit::Unhealthy`] with the reason in one line.
pub(crate) fn run(subject: &Subject, expectation: &Expectation) -> Result<()> {
    // A monitor is to hear of it as of a release that is down.
    let record = subject.record_or(Exit::Unhealthy)?;
    let launch: Option<Launch> = record.get("launch")?;
    let mut inquiry = Inquiry::new(&record, launch.as_ref(), expectation, subject.voice)?;
    inquiry.look()?;
    let (answer, is_known) = inquiry.ask(expectation.within)?;
    let at = inquiry.began.elapsed();
    inquiry.hear(&answer);
    let failure = if inquiry.is_on_other_port()? {
        Failure::OnOtherPort
    } else if is_known && answer.kind == Kind::Healthy {
        let (facts, took) = (inquiry.healthy(answer, at), inquiry.began.elapsed());
        drop(inquiry);
        return healthy::conclude(record, &facts, took, subject.voice);
    } else {
        Failure::Once
    };
    let case = Case::new(&record, launch.as_ref(), expectation, &inquiry, failure);
    Err(Exit::Unhealthy.because(report::in_a_line(&case, stand_in(&record)?.as_deref())))
}

/// What bg-probe, or this program in its place, has found out, as far as it matters here.
#[derive(Deserialize)]
struct Probe {
    stand_in: Option<String>,
}

/// The slot that visitors are answered by, where the live one is down.
fn stand_in(record: &Record) -> Result<Option<String>> {
    let stand_in = record.get::<Probe>("probe")?.and_then(|probe| probe.stand_in);
    Ok(stand_in.filter(|_| record.live.as_ref() == Some(&record.slot)).map(|name| say::quoted(&name)))
}
