//! The two steps of a deploy: a release is prepared, and that is finished or abandoned later, by the record that was kept.

use crate::order::{Goal, Run, Source};
use anyhow::{Context, Result};
use bg_probe::nginx::upstream::Upstream;
use bg_probe::os::folder::ensure_file;
use bg_probe::record::{MOST_RECORD, Record};
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::say::{masked, quoted};
use bg_probe::site::advice::Advice;
use bg_probe::site::prepared::{self, Prepared};
use bg_probe::site::settings::{Settings, Site};
use std::io::{IsTerminal, Read};

/// The record on stdin, where this run begins with that; empty where it does not. It is read before the lock is taken, for it
/// may take as long as whoever writes it.
///
/// # Errors
/// When stdin can't be read, or has none.
pub(crate) fn from_stdin(goal: &Goal) -> Result<String> {
    let (mut line, mut stdin) = (String::new(), std::io::stdin().lock());
    if !matches!(goal, Goal::Finish(Source::Stdin)) {
        return Ok(line);
    }
    if !stdin.is_terminal() {
        let most = MOST_RECORD as u64 + 1;
        stdin.by_ref().take(most).read_to_string(&mut line).context("read stdin").or_exit(Exit::NoRecord)?;
    }
    if line.trim().is_empty() {
        return Err(Exit::NoRecord.because("stdin is empty, the record of --prepare was expected. Nothing was touched"));
    }
    Ok(line)
}

/// The record that this run begins with: that of stdin or the one that was kept, as this run's own settings have it; empty
/// where bg-probe makes one. `None` where there is nothing to abandon.
///
/// # Errors
/// [`Exit::NoRecord`] where nothing is prepared, or stdin has none; [`Exit::Unsure`] for one of another application, and
/// for a file that is damaged.
pub(crate) fn opening(run: &Run, stdin: &str) -> Result<Option<String>> {
    let (site, settings) = (&run.site, &run.settings);
    match run.goal {
        Goal::Deploy(_) | Goal::Rollback { .. } | Goal::Prepare(_) => Ok(Some(String::new())),
        Goal::Finish(Source::Stdin) => {
            Record::parse(stdin.as_bytes()).and_then(|it| ours(it, site, settings)).map(Some)
        }
        Goal::Finish(Source::Kept) => match kept(site, settings)? {
            Some(line) => Ok(Some(line)),
            None => Err(nothing_is(site)),
        },
        Goal::Abandon => {
            let noted = Prepared::noted(&site.dir)?;
            if let Some(prepared) = noted.as_ref().filter(|prepared| has_a_share(site, prepared)) {
                return Err(some_are_there(run, prepared));
            }
            let stands = noted.filter(|prepared| prepared.stands(&site.dir));
            if stands.is_some() { kept(site, settings) } else { Ok(None) }
        }
    }
}

/// Refuses what has no ground, before a folder is made for it or a lock taken.
///
/// # Errors
/// [`Exit::NoRecord`] where there is nothing to finish, as there is no folder; [`Exit::Refused`] where the record of what is to
/// be prepared could not be kept.
pub(crate) fn ensure_ground(run: &Run) -> Result<()> {
    let dir = &run.site.dir;
    match run.goal {
        Goal::Finish(_) if !dir.root().exists() => Err(nothing_is(&run.site)),
        Goal::Prepare(_) => ensure_file(&dir.prepared()),
        Goal::Deploy(_) | Goal::Rollback { .. } | Goal::Finish(_) | Goal::Abandon => Ok(()),
    }
}

fn nothing_is(site: &Site) -> anyhow::Error {
    Exit::NoRecord.refuse(
        format!("nothing is prepared in {}. Nothing was touched", site.dir.root().display()),
        "prepare a release first, with --prepare",
    )
}

/// Whether its slot has a part of the visitors now.
fn has_a_share(site: &Site, prepared: &Prepared) -> bool {
    let Ok(slot) = site.slots.named(prepared.slot().as_str()) else { return false };
    Upstream::read(&site.upstream_file).is_ok_and(|upstream| upstream.has_share(site, slot))
}

fn some_are_there(run: &Run, prepared: &Prepared) -> anyhow::Error {
    let back = Advice::call(&run.site, "bg-switch", &["--share", "0"]);
    Exit::Unsure.refuse(
        format!(
            "release {}, which was prepared in {}, has a share of the visitors. Nothing was touched",
            quoted(prepared.release()),
            prepared.slot()
        ),
        format!("take them back with: {back}; or move all of them to it: {}", run.advice.finish()),
    )
}

/// The record that was kept.
///
/// # Errors
/// Those of [`opening`].
pub(crate) fn kept(site: &Site, settings: &Settings) -> Result<Option<String>> {
    let Some(text) = prepared::text(&site.dir)? else { return Ok(None) };
    let record = Record::parse(text.as_bytes()).map_err(|why| prepared::damaged(&site.dir, &format!("{why:#}")))?;
    ours(record, site, settings).map(Some)
}

/// A record of this site, as the settings that were typed have it.
fn ours(record: Record, site: &Site, settings: &Settings) -> Result<String> {
    let real = |site: &Site| site.dir.root().canonicalize().unwrap_or_else(|_| site.dir.root().to_owned());
    let record = record.overruled(settings)?;
    if record.site.app == site.app && real(&record.site) == real(site) {
        return record.to_line();
    }
    let of = |site: &Site| format!("{} in {}", site.app, site.dir.root().display());
    Err(Exit::Unsure.refuse(
        format!("the record is of {}, and this run is for {}. Nothing was touched", of(&record.site), of(site)),
        "call it with the settings that were prepared with",
    ))
}

/// Keeps the record of what is prepared now.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn keep(site: &Site, line: &str) -> Result<()> {
    let what = || format!("keep the record in {}", site.dir.prepared().display());
    prepared::keep(&site.dir, line, masked(line) != line).with_context(what)
}
