//! What serves when a run has ended, in words: who answers the visitors, and not the live slot alone.

use crate::leftover::{Leftover, Now};
use crate::order::Run;
use crate::outcome::{Failure, Step};
use crate::run::Runner;
use crate::stage::Name;
use bg_probe::live::serving::Serving;
use bg_probe::record::Record;
use bg_probe::site::spoken;
use serde_json::Value;

/// How what was not touched serves.
const AS_BEFORE: &str = "as before";

/// What serves beside what is prepared.
pub(crate) fn still(record: &Record) -> String {
    let serving = Serving::of(record).filter(|_| record.live_beside().is_some());
    match serving.as_ref().map(|serving| (serving, serving.by_one())) {
        Some((_, Some(live))) => format!("{} serves as before", spoken::slot(&record.site.dir, live)),
        Some((serving, None)) => format!("serving: {}", serving.in_words(AS_BEFORE)),
        None => "no slot was live".to_owned(),
    }
}

/// What serves now. Where nginx may have been moved, or may serve what was left over, it is asked.
pub(crate) fn serving(
    run: &Run,
    runner: &Runner,
    failure: Failure,
    record: Option<&Record>,
    leftover: Option<Leftover>,
) -> String {
    let Some(record) = record else {
        return format!("what served before: nothing was touched; to look: {}", run.advice.look());
    };
    let is_left = matches!(leftover, Some(Leftover::Running | Leftover::Kept | Leftover::Unseen));
    // Where nginx is in the middle of a switch, only bg-switch knows; and a record that was kept may be an old one.
    let is_old = run.goal.is_of_prepared();
    let may_have_moved = matches!(failure.at, Step::Stage(Name::Switch) | Step::Share(_))
        || record.get::<Value>("switch").is_ok_and(|switch| switch.is_some());
    if !is_old && !may_have_moved {
        if is_left && is_served_by_accident(record) {
            let slot = &record.slot;
            return format!("this release, once it answers: no slot was live, and nginx is set to serve {slot}");
        }
        let is_seen = leftover != Some(Leftover::Unseen);
        if is_seen && (!is_left || record.live.is_some()) {
            return as_before(record);
        }
    }
    match Now::ask(runner, record) {
        Now::Serves(now) if now.live == record.live => as_before(&now),
        Now::Serves(now) => {
            Serving::of(&now).map_or_else(|| "nothing now".to_owned(), |serving| serving.in_words("now"))
        }
        Now::IsSet(slot, said) => format!(
            "not known: {} answered {said}; nginx is set to serve {}; to look: {}",
            record.site.front,
            spoken::slot(&record.site.dir, &slot),
            run.advice.look()
        ),
        Now::Unknown => format!("nobody can tell, see above; to look: {}", run.advice.look()),
    }
}

fn as_before(record: &Record) -> String {
    let serving = Serving::of(record);
    serving.map_or_else(|| "nothing: no slot was live before".to_owned(), |serving| serving.in_words(AS_BEFORE))
}

/// What serves now, in a clause: `set2 is serving`, with this verb.
pub(crate) fn serves(runner: &Runner, record: &Record, verb: &str) -> String {
    let now = match Now::ask(runner, record) {
        Now::Serves(now) => now,
        Now::IsSet(slot, _) => return format!("nginx is set to serve {slot}"),
        Now::Unknown => return "nobody can tell what serves, see above".to_owned(),
    };
    match Serving::of(&now) {
        None => "nothing is serving".to_owned(),
        Some(serving) => match serving.by_one() {
            Some(slot) => format!("{slot} {verb}"),
            None => format!("serving: {}", serving.in_words("now")),
        },
    }
}

/// Whether nginx is set to serve the slot of a record that had none live, whoever is in it.
pub(crate) fn is_served_by_accident(record: &Record) -> bool {
    let probe = record.get::<Value>("probe").ok().flatten();
    record.live.is_none() && probe.is_some_and(|probe| probe["points_at"] == record.slot.name.as_str())
}
