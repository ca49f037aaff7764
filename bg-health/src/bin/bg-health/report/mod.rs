//! The report of a slot that is not healthy: what was seen, the likely cause, and what serves now.
//!
//! "Failed to become healthy" alone is what people complain about in other tools. A report that is read at night
//! must not need a login to three other places first.

pub(crate) mod answers;
pub(crate) mod case;
mod cause;
mod death;
pub(crate) mod log;
pub(crate) mod page;
mod remedy;
mod serving;
mod signs;

use crate::report::case::{Case, Failure};
use crate::report::log::Log;
use crate::report::page::Report;
use crate::report::serving::serving;
use bg_launch::Launch;
use bg_probe::live::front::Answer as Served;
use bg_probe::record::Record;
use bg_probe::say::seconds;
use bg_probe::site::advice::{Advice, is_driven};
use bg_probe::site::launched::Launched;
use bg_probe::site::route::Route;
use bg_probe::site::settings::Site;

/// The reason in one line, for `--once`.
pub(crate) fn in_a_line(case: &Case, stand_in: Option<&str>) -> String {
    let likely = case.likely("");
    let besides = stand_in.map_or(String::new(), |other| format!("; {other} stands in for it"));
    format!("{}{besides}; {likely}", head(case, &likely).text)
}

/// The whole report.
pub(crate) fn whole(case: &Case) -> String {
    let log = log_of(case.record, case.launch);
    let tail = log.as_ref().and_then(|log| log.tail.as_deref().ok()).unwrap_or_default();
    let likely = case.likely(tail);
    let Head { text, has_likely } = head(case, &likely);
    let notes = [("likely", Some(likely).filter(|_| !has_likely)), ("serving", serving(case)), ("now", now(case))];
    let notes = notes.into_iter().filter_map(|(label, text)| Some((label, text?))).collect();
    Report { head: text, answers: case.answers.lines(), log, notes }.to_string()
}

/// The first line of a report.
struct Head {
    text: String,
    /// Whether the likely cause is in it already.
    has_likely: bool,
}

fn head(case: &Case, likely: &str) -> Head {
    let (slot, front) = (case.slot, &case.record.site.front);
    let text = match &case.failure {
        Failure::Once => format!("{slot} is not healthy: {}", case.last_words()),
        Failure::Late(pace) => format!("{slot} was not healthy within {}", seconds(pace.timeout)),
        Failure::Died(after) => {
            format!("the application in {slot} exited before it was healthy, after {}", seconds(*after))
        }
        Failure::OnOtherPort => {
            let live = if case.takes_visitors() { ", which is live: visitors may have reached it" } else { "" };
            format!("{slot} listens on {}{live}", case.port_of_the_other())
        }
        Failure::WentBad(after, served) => {
            let seen = match served {
                None => format!("{}; {likely}", case.last_words()),
                Some(Served::Slot(served)) => format!("nginx serves {served} by now"),
                Some(Served::Limited(status)) => format!("nginx answered {status} at {front}"),
                Some(Served::NoSlot(silence)) => format!("nginx {} at {front}", silence.said()),
            };
            format!("{slot} went bad within the watch, after {}: {seen}", seconds(*after))
        }
        Failure::Visitors(after, seen) => {
            let how = if seen.is_proven() { "went bad" } else { "was not proven to be well" };
            format!("{slot} {how} within the watch, after {}: {seen}", seconds(*after))
        }
    };
    Head { text, has_likely: matches!(case.failure, Failure::WentBad(_, None) | Failure::Visitors(..)) }
}

/// What to do now, where nothing else does it.
fn now(case: &Case) -> Option<String> {
    let site = &case.record.site;
    match &case.failure {
        // bg-deploy does it by itself.
        _ if is_driven() => None,
        Failure::OnOtherPort if case.takes_visitors() => {
            let stop = Advice::call(site, "bg-launch", &["--slot", case.slot.name.as_str(), "--stop"]);
            Some(format!("stop it: {stop}"))
        }
        Failure::WentBad(_, None | Some(Served::NoSlot(_))) | Failure::Visitors(..) => {
            if has_a_share(site) {
                return Some(format!("take them back: {}", Advice::call(site, "bg-switch", &["--share", "0"])));
            }
            let old = case.record.live_beside()?;
            let back = Advice::call(site, "bg-switch", &["--to", old.name.as_str()]);
            Some(format!("move nginx back: {back}"))
        }
        Failure::Late(_) if case.may_serve_by_accident() => {
            Some(format!("stop it, unless bg-deploy does: {}", case.stop_by_hand()?))
        }
        Failure::WentBad(_, Some(Served::Slot(_) | Served::Limited(_)))
        | Failure::OnOtherPort
        | Failure::Once
        | Failure::Late(_)
        | Failure::Died(_) => None,
    }
}

/// The log of the launch; where that is not known, the newest of the slot, if there is one.
fn log_of(record: &Record, launch: Option<&Launch>) -> Option<Log> {
    let Some(launch) = launch else {
        // A unit's output is in the journal, and what is here is another release's.
        let last = Launched::of(&record.site.dir, &record.slot.name).ok().flatten();
        if let Some(unit) = last.and_then(|last| last.unit) {
            let invocation = unit.state().map(|state| state.invocation).unwrap_or_default();
            return Some(Log::of_unit(&unit, &invocation));
        }
        let newest = record.site.dir.logs(&record.slot.name).join("app.log");
        return newest.exists().then(|| Log::read(newest));
    };
    let journal = || Log::of_unit(launch.unit.as_ref()?, launch.invocation.as_deref()?).into();
    launch.log.as_ref().map(|path| Log::read(path.into())).or_else(journal)
}

/// Whether a share of the visitors is out.
fn has_a_share(site: &Site) -> bool {
    Route::of(&site.dir, &site.slots).is_some_and(|route| route.is_shared())
}
