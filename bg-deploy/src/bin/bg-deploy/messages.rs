//! The last words of a deploy, to be read at three in the morning: what serves now, and what to do next.

use crate::back;
use crate::jobs;
use crate::leftover::Leftover;
use crate::order::{Goal, Run};
use crate::outcome::{End, Failure, Step};
use crate::run::Runner;
use crate::serving::{is_served_by_accident, serving, still};
use bg_probe::record::Record;
use bg_probe::say;
use bg_probe::site::digest;
use bg_probe::site::dir::Dir;
use bg_probe::site::launched::Launched;
use bg_probe::site::past;
use bg_probe::site::prepared::Prepared;
use bg_probe::site::slot::Slot;
use bg_probe::site::spoken::{release as file_of, slot as named};

/// Prints what is live now, and how to go to the other release.
pub(crate) fn live(run: &Run, record: &Record) {
    let (dir, command) = (&record.site.dir, run.advice.rollback());
    let back = back::slot(record);
    let other = match back {
        Some(other) if is_newer(dir, other, &record.slot) => {
            format!("one more --rollback goes forward again, to {}: {command}", named(dir, other))
        }
        Some(other) => format!("back to {} with: {command}", named(dir, other)),
        None => "there is nothing to go back to yet".to_owned(),
    };
    run.calls.voice.done("live", &format!("{}; {other}", named(dir, &record.slot)), None);
    if let Some(words) = back.and_then(|other| the_same(run, dir, other, &record.slot)) {
        run.calls.voice.done("older", &words, None);
    }
    let slots = &record.site.slots;
    let is_first = record.live.is_none() && dir.release(&slots.other(&record.slot.name).name).is_none();
    if is_first && run.stop_old.is_none() {
        run.calls.voice.done("jobs", &jobs::in_words(None), None);
    }
}

/// Warns of a rollback to a release that is like the live one.
pub(crate) fn to_the_same(run: &Run, record: &Record) {
    let live = record.live_beside();
    if let Some(words) = live.and_then(|live| the_same(run, &record.site.dir, &record.slot, live)) {
        run.calls.voice.warn(&words);
    }
}

/// That a slot has the same as another one, where it has, and which release there is beside these to go back to.
fn the_same(run: &Run, dir: &Dir, slot: &Slot, as_other: &Slot) -> Option<String> {
    let (one, other) = (dir.release(&slot.name)?, dir.release(&as_other.name)?);
    let before = past::last_other(dir, &digest::of_release(dir, &one)?)?;
    digest::are_alike(dir, &one, &other).then(|| {
        let back = run.advice.rollback_to(&before);
        format!(
            "{slot} has the same artifact and command as {as_other}; back to {} with: {back}",
            file_of(dir, &before)
        )
    })
}

/// Prints what waits now, and how to go on with it.
pub(crate) fn prepared(run: &Run, end: &End) {
    let Some(record) = end.record() else { return };
    let (dir, voice) = (&record.site.dir, run.calls.voice);
    voice.done("waiting", &format!("{} is prepared; {}", named(dir, &record.slot), still(&record)), None);
    let (finish, abandon) = (run.advice.finish(), run.advice.abandon());
    voice.done("next", &format!("move nginx to it: {finish}; or stop it: {abandon}"), None);
    if is_served_by_accident(&record) {
        let slot = &record.slot;
        voice.warn(&format!("visitors reach it already: no slot was live, and nginx is set to serve {slot}"));
    }
}

/// Warns that another release is prepared, where nothing was prepared by this run: a finish would move nginx to that one.
pub(crate) fn waits_still(run: &Run) {
    let dir = &run.site.dir;
    let Some(prepared) = Prepared::of(dir) else { return };
    let Ok(slot) = run.site.slots.named(prepared.slot().as_str()) else { return };
    let (finish, abandon) = (run.advice.finish(), run.advice.abandon());
    let waits = named(dir, slot);
    run.calls.voice.warn(&format!("{waits} is prepared still: {finish} moves nginx to that one, {abandon} stops it"));
}

/// Prints that there is no release to go back to, where the only one beside the live one is prepared.
pub(crate) fn nothing_before(run: &Run, record: &Record) {
    let (slot, dir) = (&record.slot, &record.site.dir);
    run.calls.voice.error(&format!(
        "there is nothing to go back to: {slot} held no release before {} was prepared there. To move nginx to that: {}",
        named(dir, slot),
        run.advice.finish()
    ));
}

/// Prints that the release which a rollback would go to was never live, and that nothing tells what the slot held before it.
pub(crate) fn never_live(run: &Run, record: &Record, release: &str) {
    let (slot, dir) = (&record.slot, &record.site.dir);
    run.calls.voice.error(&format!(
        "no visitor has ever been in {} in {slot}, and what {slot} held before it is not known, as after a preparation \
         that was killed. Nothing was touched. To move nginx to it all the same: {}; to go back to another release, by \
         its name in {}: {}",
        file_of(dir, release),
        run.advice.rollback_to(release),
        dir.releases().display(),
        run.advice.rollback_to("RELEASE")
    ));
}

/// Prints that what is in the slot went bad after its switch, at that time, and was taken back.
pub(crate) fn taken_back(run: &Run, record: &Record, at: &str) {
    let (slot, dir) = (&record.slot, &record.site.dir);
    let release = dir.release(&slot.name).unwrap_or_default();
    run.calls.voice.error(&format!(
        "{} went bad when it had the visitors ({at}), and its watch has taken them back to what is live now. Nothing was \
         touched. To move nginx to it all the same: {}; or to another release, by its name in {}: {}",
        named(dir, slot),
        run.advice.rollback_to(&release),
        dir.releases().display(),
        run.advice.rollback_to("RELEASE")
    ));
}

/// Prints where a rollback goes, where that is not back: a rollback after a rollback goes to the release which that one left.
pub(crate) fn forward(run: &Run, record: &Record) {
    let (dir, slot) = (&record.site.dir, &record.slot);
    if let (Goal::Rollback { to: None }, Some(live)) = (&run.goal, record.live_beside())
        && is_newer(dir, slot, live)
    {
        let words = format!("to {}, which is newer than {}", named(dir, slot), named(dir, live));
        run.calls.voice.done("forward", &words, None);
    }
}

/// Whether a slot holds a release that was made after the other's.
fn is_newer(dir: &Dir, slot: &Slot, than: &Slot) -> bool {
    let made = |slot: &Slot| dir.made(&dir.release(&slot.name)?);
    made(than).is_some_and(|other| made(slot) > Some(other))
}

/// Prints where a deploy ended, what became of what it launched, and what serves now.
pub(crate) fn failed(
    run: &Run,
    runner: &Runner,
    failure: Failure,
    record: Option<&Record>,
    leftover: Option<Leftover>,
) {
    let (goal, at) = (run.goal.noun(), failure.at);
    let head = match failure.signal {
        Some(signal) => format!("{signal} ended the {goal} at {at}"),
        None if at == Step::Preflight => format!("the {goal} was refused, exit {}; nothing was touched", failure.code),
        None => format!("the {goal} failed at {at}, exit {}", failure.code),
    };
    let mut notes = record.map(|record| notes(run, failure, record, leftover)).unwrap_or_default();
    notes.push(("serving", serving(run, runner, failure, record, leftover)));
    let notes = notes.iter().map(|(label, text)| format!("  {label:<9} {text}"));
    run.calls.voice.error(&std::iter::once(head).chain(notes).collect::<Vec<_>>().join("\n"));
}

fn notes(run: &Run, failure: Failure, record: &Record, leftover: Option<Leftover>) -> Vec<(&'static str, String)> {
    let mut notes: Vec<_> = leftover.map(|leftover| ("release", in_words(record, leftover))).into_iter().collect();
    let to_it = || match run.goal {
        Goal::Finish(_) if waits(record) => "the same command again".to_owned(),
        Goal::Deploy(_) | Goal::Prepare(_) | Goal::Finish(_) | Goal::Abandon => run.advice.switch_to(&record.slot),
        Goal::Rollback { .. } => run.advice.rollback(),
    };
    match leftover {
        Some(Leftover::Stopped | Leftover::Ended) => notes.push(("idle", held(&record.site.dir, &record.slot))),
        // There is no slot to go back to.
        Some(Leftover::Live) if back::slot(record).is_none() => {
            notes.push(("next", format!("when the cause is gone: {}", to_it())));
        }
        Some(Leftover::Live) => notes.push(("next", format!("to go back: {}", run.advice.rollback()))),
        Some(Leftover::Healthy) if failure.signal.is_some() => {
            notes.push(("next", format!("to move to it: {}", to_it())));
        }
        Some(Leftover::Healthy) => notes.push(("next", format!("when the cause is gone: {}", to_it()))),
        // Which hooks and watch were typed with it, only whoever typed them can say again.
        None if matches!(run.goal, Goal::Finish(_) | Goal::Abandon) && waits(record) => {
            let what = named(&record.site.dir, &record.slot);
            let abandon = run.advice.abandon();
            let runs = Prepared::of(&record.site.dir).is_some_and(|prepared| prepared.runs());
            if runs {
                notes.push(("prepared", format!("{what} waits on")));
                notes.push(("next", format!("when the cause is gone, the same command again; or stop it: {abandon}")));
            } else {
                notes.push(("prepared", format!("{what} has ended")));
                notes.push(("next", format!("prepare it again; or give it up: {abandon}")));
            }
        }
        Some(Leftover::Unseen) => {
            let stop = run.advice.stop(&record.slot);
            notes.push(("next", format!("once nginx is seen to have left it, stop it: {stop}")));
        }
        Some(Leftover::Kept | Leftover::Running) | None => {}
    }
    notes
}

/// Whether what is prepared is in the slot of this record, and waits still.
fn waits(record: &Record) -> bool {
    Prepared::in_slot(&record.site.dir, &record.slot.name).is_some()
}

fn in_words(record: &Record, leftover: Leftover) -> String {
    let what = launched(record);
    let log = log(&record.site.dir, &record.slot);
    match leftover {
        Leftover::Healthy => format!("{what} is healthy and runs on"),
        Leftover::Live => format!("{what} is healthy, and nginx serves it all the same"),
        Leftover::Kept => format!("{what} was left running, as --keep-failed says; its log: {log}"),
        Leftover::Stopped => format!("{what} was stopped; its log is kept: {log}"),
        Leftover::Ended => format!("{what} has ended; its log is kept: {log}"),
        Leftover::Running => format!("{what} was not stopped: bg-launch says why"),
        Leftover::Unseen => format!("{what} runs on, for nginx was not seen to take its visitors back; its log: {log}"),
    }
}

/// What was launched, which the slot need not hold any more. It stands behind the word `release`.
fn launched(record: &Record) -> String {
    let (dir, slot) = (&record.site.dir, &record.slot);
    match Launched::of(dir, &slot.name) {
        Ok(Some(Launched { release, .. })) => {
            let file = dir.file_of(&release).map(|file| file.to_string_lossy().into_owned());
            format!("{} in {slot}", say::clean(&file.unwrap_or(release)))
        }
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
        Some(_) if Launched::never_served(dir, &slot.name) => {
            format!("{} again, in which no visitor has ever been; the next deploy replaces it", named(dir, slot))
        }
        Some(_) => format!("{} again, for --rollback to start", named(dir, slot)),
        None => format!("{slot} holds no release, as before"),
    }
}

/// Where the log of what was launched last in a slot is: its file, or the command that shows it.
pub(crate) fn log(dir: &Dir, slot: &Slot) -> String {
    let last = Launched::of(dir, &slot.name).ok().flatten();
    let known = last.and_then(|last| last.unit.map(|unit| unit.journal()).or(last.log));
    known.unwrap_or_else(|| dir.logs(&slot.name).join("app.log").display().to_string())
}
