//! What serves now, as the report of a slot that is not healthy has it.

use crate::report::case::{Case, Failure};
use bg_probe::live::front::{Answer as Served, FRONT_WITHIN, Silence};
use bg_probe::live::serving::Serving;
use bg_probe::live::subject::minted;
use bg_probe::live::verdict::live;
use bg_probe::live::witnesses::By;
use bg_probe::os::http::NoReply;
use bg_probe::record::Record;
use bg_probe::site::advice::Advice;
use bg_probe::site::spoken;
use serde_json::Value;

/// What serves now; `None` where that was not asked.
pub(super) fn serving(case: &Case) -> Option<String> {
    let record = case.record;
    match &case.failure {
        Failure::WentBad(_, Some(Served::Slot(served))) => return Some(format!("{served}, which nginx was moved to")),
        Failure::WentBad(_, Some(Served::NoSlot(Silence::NoReply(NoReply::Refused)))) => {
            return Some(format!("nobody: nothing listens at {}", record.site.front));
        }
        Failure::WentBad(..) | Failure::Visitors(..) => return Some(after_a_switch(record)),
        Failure::Once | Failure::Late(_) | Failure::Died(_) | Failure::OnOtherPort => {}
    }
    let Some(serving) = Serving::of(record) else {
        if case.may_serve_by_accident() {
            let slot = &record.slot;
            return Some(format!("this release, once it answers: no slot was live, and nginx is set to serve {slot}"));
        }
        // Without a probe, no live slot in the record means that it is not known.
        return record.get::<Value>("probe").ok()?.map(|_| "nothing: no slot was live".to_owned());
    };
    Some(match serving.by_one() {
        Some(live) if *live == record.slot => format!("{live}, which is this very slot"),
        Some(live) if case.takes_visitors() => {
            format!("{}, which shared its port with this release", spoken::slot(&record.site.dir, live))
        }
        Some(_) | None => serving.in_words("untouched"),
    })
}

/// What serves once nginx was moved to the slot of a record, by a look at this moment: it may have been a share, and another
/// slot may stand in for this one.
fn after_a_switch(record: &Record) -> String {
    let site = &record.site;
    let now = live(site, By::Both, FRONT_WITHIN);
    let Ok(now) = now.and_then(|verdict| minted(site.clone(), record.slot.clone(), &verdict)) else {
        return format!("nobody can tell; to look: {}", Advice::call(site, "bg-probe", &["--format", "table"]));
    };
    let Some(serving) = Serving::of(&now) else { return "nothing: no slot is live".to_owned() };
    match serving.by_one() {
        Some(slot) if *slot == record.slot => format!("{slot}, to which nginx is still set"),
        Some(_) | None => serving.in_words("now"),
    }
}
