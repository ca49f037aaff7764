//! Both slots as a table, for people.

use bg_probe::live::verdict::Verdict;
use bg_probe::os::process::Process;
use bg_probe::say::clean;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::fmt::Write as _;

/// The table, with a line of headings. Without a verdict nobody knows which slot is live.
pub(crate) fn table(site: &Site, verdict: Option<&Verdict>) -> String {
    let mut table = format!(
        "{:<16} {:>5}  {:<5} {:>5} {:>7}  {:<20}  {:<9}  RELEASE\n",
        "SLOT", "PORT", "LIVE", "SHARE", "PID", "UP SINCE", "LISTENING"
    );
    for slot in site.slots.both() {
        let live = match verdict {
            None => "?",
            Some(verdict) if verdict.live.as_ref() == Some(slot) => "live",
            Some(_) => "-",
        };
        let share = verdict.map_or("?".into(), |verdict| match verdict.share_of(slot) {
            0 => "-".to_owned(),
            share => format!("{share}%"),
        });
        let process = process_in(site, slot);
        let pid = process.as_ref().map_or("-".into(), |process| process.pid.to_string());
        let since = process.and_then(|process| process.started());
        let since = since.map_or("-".into(), |since| humantime::format_rfc3339_seconds(since).to_string());
        let listening = if slot.listens() { "yes" } else { "no" };
        let artifact = site.dir.artifact(&slot.name).map(|file| file.to_string_lossy().into_owned());
        let held: Vec<String> = site.dir.release(&slot.name).into_iter().chain(artifact).collect();
        let release = if held.is_empty() { "-".into() } else { clean(&held.join(" ")) };
        // Writing to a String can't fail.
        let _ = writeln!(
            table,
            "{:<16} {:>5}  {live:<5} {share:>5} {pid:>7}  {since:<20}  {listening:<9}  {release}",
            slot.name, slot.port
        );
    }
    table
}

/// The slot's process: the one bg-launch started, else the one that listens on the port, as far as this user sees.
fn process_in(site: &Site, slot: &Slot) -> Option<Process> {
    let launched = Launched::of(&site.dir, &slot.name).ok().flatten();
    launched.and_then(|launched| launched.running()).or_else(|| Process::with_pid(*slot.holders().ok()?.first()?))
}
