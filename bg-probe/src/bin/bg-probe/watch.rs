//! `--watch`: both slots, looked at again and again while a deploy goes on.
//!
//! On a terminal the same few lines are drawn anew; elsewhere, as in a log, there is a line for each change. It ends by
//! Ctrl-C, as `tail -f` does, or when nobody reads it any more.

use crate::order::Ask;
use crate::table::{process_in, standing};
use anyhow::Result;
use bg_probe::live::verdict::{self, Verdict};
use bg_probe::os::deadline::Deadline;
use bg_probe::os::http::{Get, Url};
use bg_probe::say::stdout::{is_read_for, print};
use bg_probe::say::{clean, columns};
use bg_probe::site::closed::is_closed;
use bg_probe::site::drained::is_drained;
use bg_probe::site::lock::held_by;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::io::{ErrorKind, IsTerminal, stdout};
use std::time::{Duration, SystemTime};

/// How often it is looked: a deploy takes seconds, and each look asks nginx and both slots once.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a slot may take to say how it is.
const HEALTH_WITHIN: Duration = Duration::from_millis(700);

/// Where an application is asked, if `BG_HEALTH_PATH` has no other page.
const HEALTH_PATHS: [&str; 2] = ["/actuator/health", "/health"];

/// The headings of the columns; what is from [`PASSING`] to [`LASTING`] is no change.
const HEADINGS: [&str; 7] = ["SLOT", "LIVE", "SHARE", "HEALTH", "UP", "CONN", "RELEASE"];

/// The first column that changes all the time.
const PASSING: usize = 4;

/// The first column behind those.
const LASTING: usize = 6;

/// What was seen in one look.
#[derive(Default)]
struct Look {
    /// What goes on, if anything does.
    news: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Looks until it is ended.
///
/// # Errors
/// When stdout is full.
pub(crate) fn watch(site: &Site, ask: Ask) -> Result<()> {
    let is_terminal = stdout().is_terminal();
    let (mut before, mut drawn) = (Look::default(), 0);
    loop {
        let next = Deadline::within(LOOK_EVERY);
        let look = Look::now(site, ask);
        let text = if is_terminal {
            let text = look.drawn(site);
            let up = if drawn > 0 { format!("\u{1b}[{drawn}A") } else { String::new() };
            drawn = text.lines().count();
            // What stands there is drawn over, and what is left of it cleared (console_codes(4)): nothing flickers.
            up + &text.replace('\n', "\u{1b}[K\n") + "\u{1b}[J"
        } else {
            let at = humantime::format_rfc3339_seconds(SystemTime::now());
            let lines = changes(&before, &look).into_iter().map(|line| format!("{at}  {line}\n"));
            before = look;
            lines.collect::<Vec<_>>().concat()
        };
        match print(&text) {
            // As a reader like head(1) ends it.
            Err(why) if is_broken_pipe(&why) => return Ok(()),
            printed => printed?,
        }
        if !is_read_for(next.left()) {
            return Ok(());
        }
    }
}

fn is_broken_pipe(why: &anyhow::Error) -> bool {
    let io = why.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|why| why.kind() == ErrorKind::BrokenPipe)
}

/// The lines of a log that are new, and those of what goes on no more.
fn changes(before: &Look, now: &Look) -> Vec<String> {
    let ended = before.news.iter().filter(|line| !now.news.contains(line)).map(|line| format!("no longer {line}"));
    let (before, lines) = (before.lines(), now.lines());
    let new = lines.into_iter().filter(|line| !before.contains(line));
    ended.chain(new).collect()
}

impl Look {
    fn now(site: &Site, ask: Ask) -> Look {
        let verdict = verdict::live(site, ask.by, ask.within);
        let held = held_by(&site.dir).map(|holder| format!("under way: {holder}"));
        let closed = is_closed(&site.dir).then(|| "closed to visitors".to_owned());
        let drained = is_drained(&site.dir).then(|| "drained, a load balancer sends nobody here".to_owned());
        let unsure = verdict.as_ref().err().map(|why| format!("{why:#}"));
        let warning = verdict.as_ref().ok().and_then(|verdict| verdict.warning.clone());
        let news = [held, closed, drained, unsure, warning].into_iter().flatten().map(|line| clean(&line)).collect();
        let rows = site.slots.both().iter().map(|slot| row(site, slot, verdict.as_ref().ok())).collect();
        Look { news, rows }
    }

    /// The lines of a terminal.
    fn drawn(&self, site: &Site) -> String {
        let at = humantime::format_rfc3339_seconds(SystemTime::now());
        let headings = vec![HEADINGS.map(str::to_owned).to_vec()];
        let table = columns::table(&[headings, self.rows.clone()].concat(), LASTING);
        let head = columns::cut(&format!("{} at {at}", site.app));
        let news: String = self.news.iter().map(|line| columns::cut(line) + "\n").collect();
        format!("{head}\n{table}{news}")
    }

    /// The lines of a log, without what changes all the time.
    fn lines(&self) -> Vec<String> {
        let lasting = |row: &Vec<String>| [&row[..PASSING], &row[LASTING..]].concat().join("  ");
        self.rows.iter().map(lasting).chain(self.news.iter().cloned()).collect()
    }
}

fn row(site: &Site, slot: &Slot, verdict: Option<&Verdict>) -> Vec<String> {
    let [live, share] = standing(site, slot, verdict);
    // Before its health is asked, which is a connection too.
    let connections = slot.connections().map_or("?".to_owned(), |count| count.to_string());
    let up = process_in(site, slot).and_then(|process| process.started()?.elapsed().ok());
    let up = up.map_or("-".to_owned(), brief);
    vec![slot.to_string(), live, share, health(site, slot), up, connections, release(site, slot)]
}

/// What the slot answers where its health is: `200`, `503`, `refused`.
fn health(site: &Site, slot: &Slot) -> String {
    if !slot.listens() {
        return "-".to_owned();
    }
    let given = std::env::var("BG_HEALTH_PATH").ok().filter(|path| !path.is_empty());
    let paths = given.map_or(HEALTH_PATHS.map(str::to_owned).to_vec(), |path| vec![path]);
    let mut said = "-".to_owned();
    for path in paths {
        let get = site.address.ask(slot, &path).parse::<Url>().and_then(|url| Get::new(&url, None));
        let Ok(get) = get else { continue };
        said = get.send(HEALTH_WITHIN).map_or("no answer".to_owned(), |reply| reply.status.to_string());
        if said != "404" {
            break;
        }
    }
    said
}

/// The file of the release and the digits that tell it from others of that name.
fn release(site: &Site, slot: &Slot) -> String {
    let Some(release) = site.dir.release(&slot.name) else { return "-".to_owned() };
    let digits = release.split_once('-').map_or(release.as_str(), |(_, digits)| digits);
    let file = site.dir.artifact(&slot.name).map(|file| format!(" {}", file.to_string_lossy())).unwrap_or_default();
    clean(&format!("{digits}{file}"))
}

/// A time as short as it is of use: `42s`, `5m`, `3h`, `12d`.
fn brief(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3600 => format!("{}m", seconds / 60),
        seconds @ ..86400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_brief() {
        let told = [0, 59, 60, 3599, 3600, 86399, 86400].map(|seconds| brief(Duration::from_secs(seconds)));
        assert_eq!(told, ["0s", "59s", "1m", "59m", "1h", "23h", "1d"]);
    }

    #[test]
    fn what_changes_all_the_time_is_no_change() {
        let look = |news: &[&str], up: &str, release: &str| Look {
            news: news.iter().map(|line| (*line).to_owned()).collect(),
            rows: vec![["set1", "live", "100%", "200", up, "3", release].map(str::to_owned).to_vec()],
        };
        let first = look(&["x"], "1s", "a");
        assert_eq!(changes(&Look::default(), &first), ["set1  live  100%  200  a", "x"]);
        assert!(changes(&first, &look(&["x"], "2s", "a")).is_empty());
        assert_eq!(changes(&first, &look(&[], "2s", "b")), ["no longer x", "set1  live  100%  200  b"]);
    }
}
