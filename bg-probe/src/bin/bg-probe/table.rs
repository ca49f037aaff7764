//! Both slots as a table, for people.

use bg_probe::live::lingering::Lingering;
use bg_probe::live::verdict::Verdict;
use bg_probe::os::process::Process;
use bg_probe::say::{clean, columns};
use bg_probe::site::advice::Advice;
use bg_probe::site::closed::is_closed;
use bg_probe::site::drained::is_drained;
use bg_probe::site::launched::Launched;
use bg_probe::site::prepared::Prepared;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::{Name, Slot};

/// The headings of the columns.
const HEADINGS: [&str; 8] = ["SLOT", "PORT", "LIVE", "SHARE", "PID", "UP SINCE", "LISTENING", "RELEASE"];

/// The table, with a line of headings. Without a verdict nobody knows which slot is live. Where a terminal is too narrow, the
/// release stands on a line of its own.
pub(crate) fn table(site: &Site, verdict: Option<&Verdict>) -> String {
    let headings = HEADINGS.map(str::to_owned).to_vec();
    let rows = site.slots.both().iter().map(|slot| row(site, slot, verdict));
    let rows = rows.chain(companion(site));
    let table = columns::table(&std::iter::once(headings).chain(rows).collect::<Vec<_>>(), HEADINGS.len() - 1);
    let end = |words: &[&str]| Advice::call(site, "bg-switch", words);
    let closed = is_closed(&site.dir).then(|| format!("closed to visitors; open it with: {}\n", end(&["--open"])));
    let drained = is_drained(&site.dir);
    let drained = drained.then(|| format!("drained; bring this host back with: {}\n", end(&["--drain", "off"])));
    [Some(table), closed, drained].into_iter().flatten().collect()
}

/// The row of the companion, where there is one: it has no port, and no visitors.
fn companion(site: &Site) -> Option<Vec<String>> {
    let launched = Launched::of(&site.dir, &Name::companion()).ok().flatten()?;
    let (pid, since) = told(launched.running());
    let artifact = site.dir.file_of(&launched.release).map(|file| file.to_string_lossy().into_owned());
    let release = clean(&std::iter::once(launched.release).chain(artifact).collect::<Vec<_>>().join(" "));
    let [port, live, share, listening] = ["-"; 4].map(str::to_owned);
    Some(vec![Name::companion().to_string(), port, live, share, pid, since, listening, release])
}

/// The pid of a process and when it started, for a row.
fn told(process: Option<Process>) -> (String, String) {
    let pid = process.as_ref().map_or("-".into(), |process| process.pid.to_string());
    let since = process.and_then(|process| process.started());
    (pid, since.map_or("-".into(), |since| humantime::format_rfc3339_seconds(since).to_string()))
}

/// What a slot is to the visitors, and how many of them it has, for a row. Without a verdict nobody knows.
pub(crate) fn standing(site: &Site, slot: &Slot, verdict: Option<&Verdict>) -> [String; 2] {
    let live = match verdict {
        None => "?",
        Some(verdict) if verdict.live.as_ref() == Some(slot) => "live",
        Some(verdict) if verdict.stand_in.as_ref() == Some(slot) => "stands in",
        Some(_) if Prepared::in_slot(&site.dir, &slot.name).is_some() => "prepared",
        Some(_) => "-",
    };
    let lingers = Lingering::of(site).is_some_and(|lingering| lingering.old == *slot);
    let share = verdict.map_or("?".to_owned(), |verdict| match verdict.share_of(slot) {
        0 if lingers => "stays".to_owned(),
        0 => "-".to_owned(),
        share => format!("{share}%"),
    });
    [live.to_owned(), share]
}

fn row(site: &Site, slot: &Slot, verdict: Option<&Verdict>) -> Vec<String> {
    let [live, share] = standing(site, slot, verdict);
    let (pid, since) = told(process_in(site, slot));
    let listening = if slot.listens() { "yes" } else { "no" };
    let artifact = site.dir.artifact(&slot.name).map(|file| file.to_string_lossy().into_owned());
    let held: Vec<String> = site.dir.release(&slot.name).into_iter().chain(artifact).collect();
    let release = if held.is_empty() { "-".into() } else { clean(&held.join(" ")) };
    vec![slot.to_string(), slot.port.to_string(), live, share, pid, since, listening.to_owned(), release]
}

/// The slot's process: the one bg-launch started, else the one that listens on the port, as far as this user sees.
pub(crate) fn process_in(site: &Site, slot: &Slot) -> Option<Process> {
    let launched = Launched::of(&site.dir, &slot.name).ok().flatten();
    launched.and_then(|launched| launched.running()).or_else(|| Process::with_pid(*slot.holders().ok()?.first()?))
}
