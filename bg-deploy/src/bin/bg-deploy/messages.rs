//! The last words of a deploy, to be read at three in the morning: what serves now, and what to do next.

use crate::leftover::Leftover;
use crate::order::Run;
use crate::outcome::{Failure, Step};
use crate::stage::Name;
use bg_probe::record::Record;
use bg_probe::say;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use bg_probe::site::slot::Slot;
use serde_json::Value;

/// Prints what is live now, and how to go back.
pub(crate) fn live(run: &Run, record: &Record) {
    let dir = &record.site.dir;
    let back = match record.live_beside() {
        Some(live) => format!("back to {} with: {}", named(dir, live), run.move_over),
        None => "there is nothing to go back to yet".to_owned(),
    };
    run.calls.voice.done("live", &format!("{}; {back}", named(dir, &record.slot)), None);
}

/// Prints where a deploy ended, what became of what it launched, and what serves now.
pub(crate) fn failed(run: &Run, failure: Failure, record: Option<&Record>, leftover: Option<Leftover>) {
    let (goal, at) = (&run.goal, failure.at);
    let head = match failure.signal {
        Some(signal) => format!("{signal} ended the {goal} at {at}"),
        None => format!("the {goal} failed at {at}, exit {}", failure.code),
    };
    let notes = record.map(|record| notes(run, failure, record, leftover)).unwrap_or_default();
    let notes = notes.iter().map(|(label, text)| format!("  {label:<9} {text}"));
    run.calls.voice.error(&std::iter::once(head).chain(notes).collect::<Vec<_>>().join("\n"));
}

fn notes(run: &Run, failure: Failure, record: &Record, leftover: Option<Leftover>) -> Vec<(&'static str, String)> {
    let back = &run.move_over;
    let mut notes: Vec<_> = leftover.map(|leftover| ("release", in_words(record, leftover))).into_iter().collect();
    match leftover {
        Some(Leftover::Stopped) => notes.push(("idle", held(&record.site.dir, &record.slot))),
        Some(Leftover::Live) => notes.push(("next", format!("to go back: {back}"))),
        Some(Leftover::Healthy) if failure.signal.is_some() => notes.push(("next", format!("to move to it: {back}"))),
        Some(Leftover::Healthy) => notes.push(("next", format!("when the cause is gone: {back}"))),
        Some(Leftover::Kept | Leftover::Running) | None => {}
    }
    // Where nginx is in the middle of a switch, only bg-switch knows.
    if failure.at != Step::Stage(Name::Switch) {
        let is_there = matches!(leftover, Some(Leftover::Running | Leftover::Kept));
        notes.push(("serving", if is_there { serving_or_left(record) } else { serving(record) }));
    }
    notes
}

fn in_words(record: &Record, leftover: Leftover) -> String {
    let what = launched(record);
    let log = record.site.dir.logs(&record.slot.name).join("app.log");
    let log = log.display();
    match leftover {
        Leftover::Healthy => format!("{what} is healthy and runs on"),
        Leftover::Live => format!("{what} is healthy, and nginx serves it all the same"),
        Leftover::Kept => format!("{what} was left running, as --keep-failed says; its log: {log}"),
        Leftover::Stopped => format!("{what} was stopped; its log is kept: {log}"),
        Leftover::Running => format!("{what} was not stopped: bg-launch says why"),
    }
}

/// What was launched, which the slot need not hold any more.
fn launched(record: &Record) -> String {
    let (dir, slot) = (&record.site.dir, &record.slot);
    match Launched::of(dir, &slot.name) {
        Ok(Some(launched)) => format!("{} in {slot}", file_of(dir, &launched.release)),
        _ => slot.to_string(),
    }
}

fn held(dir: &Dir, slot: &Slot) -> String {
    let failed = Launched::of(dir, &slot.name).ok().flatten().map(|launched| launched.release);
    match dir.release(&slot.name) {
        // The launch was killed before it had written down what the slot held.
        held if held.is_some() && held == failed => {
            format!("{} still; the next deploy replaces it", named(dir, slot))
        }
        Some(_) => format!("{} again, for --rollback to start", named(dir, slot)),
        None => format!("{slot} holds no release, as before"),
    }
}

fn serving(record: &Record) -> String {
    let Some(live) = &record.live else { return "nothing: no slot was live before".to_owned() };
    let what = named(&record.site.dir, live);
    if live.listens() { format!("{what}, as before") } else { format!("{what} is live as before, but does not listen") }
}

/// The same where what failed still runs: nginx may be set to serve that slot, whoever is in it.
fn serving_or_left(record: &Record) -> String {
    let points_at =
        record.get::<Value>("probe").ok().flatten().map(|probe| probe["points_at"] == record.slot.name.as_str());
    if record.live.is_none() && points_at == Some(true) {
        let slot = &record.slot;
        return format!("this release, once it answers: no slot was live, and nginx is set to serve {slot}");
    }
    serving(record)
}

/// What a slot holds.
fn named(dir: &Dir, slot: &Slot) -> String {
    dir.release(&slot.name).map_or_else(|| slot.to_string(), |release| format!("{} in {slot}", file_of(dir, &release)))
}

/// A release by its file or, without one, by its name.
fn file_of(dir: &Dir, release: &str) -> String {
    match dir.file_of(release) {
        Some(file) => say::clean(&file.to_string_lossy()),
        None => format!("release {}", say::clean(release)),
    }
}
