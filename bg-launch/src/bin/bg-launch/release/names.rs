//! The names of releases, and their order: the newest is the one that was made last, whatever its name says.

use anyhow::{Context, Result};
use bg_probe::site::dir::Dir;
use std::cmp::Reverse;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How much newer than all others a release is made at least: what every file system tells apart.
const AFTER: Duration = Duration::from_secs(1);

/// The names of the releases there are.
///
/// # Errors
/// When their folder can't be read.
pub(crate) fn names(dir: &Dir) -> Result<Vec<String>> {
    if !dir.releases().exists() {
        return Ok(Vec::new());
    }
    let mut names = names_in(&dir.releases())?;
    names.retain(|name| is_name(name));
    Ok(names)
}

/// The names of the releases there are, the newest first.
///
/// # Errors
/// When their folder can't be read.
pub(crate) fn newest_first(dir: &Dir) -> Result<Vec<String>> {
    let mut names = names(dir)?;
    names.sort_by_cached_key(|name| Reverse((dir.made(name), name.clone())));
    Ok(names)
}

/// A name that no release in the folder has, by the time and the digits of what is in it: the same artifact may be deployed
/// twice within a second, and to be started in two ways.
///
/// # Errors
/// When the folder of the releases can't be read.
pub(crate) fn fresh(dir: &Dir, digits: &str) -> Result<String> {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(['-', ':'], "");
    Ok(unused(&format!("{time}-{}", &digits[..8]), &names_in(&dir.releases())?))
}

/// Makes a folder newer than all releases there are, whatever the clock says: it may have been wrong when they were made, or
/// be wrong now.
///
/// # Errors
/// When the folder can't be given a time.
pub(crate) fn make_newest(folder: &Path, dir: &Dir) -> Result<()> {
    let newest = names(dir)?.iter().filter_map(|name| dir.made(name)).max();
    let made = std::fs::metadata(folder).and_then(|meta| meta.modified()).ok();
    let Some(newest) = newest.filter(|newest| made.is_none_or(|made| made <= *newest)) else { return Ok(()) };
    let opened = File::open(folder).with_context(|| format!("open {}", folder.display()))?;
    let dated = opened.set_modified(newest + AFTER).and_then(|()| opened.sync_all());
    dated.with_context(|| format!("date {}", folder.display()))
}

/// `name`, or with a number where it was given before; always a higher one, for by name is by time.
fn unused(name: &str, taken: &[String]) -> String {
    let number = |taken: &String| match taken.strip_prefix(name)? {
        "" => Some(1),
        more => more.strip_prefix('-')?.parse::<u32>().ok(),
    };
    match taken.iter().filter_map(number).max() {
        None => name.to_owned(),
        Some(last) => format!("{name}-{}", last.saturating_add(1)),
    }
}

/// The names in a folder.
///
/// # Errors
/// When it can't be read.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// Whether it can be the name of a release.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

/// Whether it is a name as releases are given: `TIME-DIGITS`, and a number of at most three digits where that was taken: a date has more.
pub(crate) fn is_minted(name: &str) -> bool {
    let is = |part: &str, pattern: &str| {
        let fits = |(c, like): (u8, u8)| if like == b'0' { c.is_ascii_digit() } else { c == like };
        part.len() == pattern.len() && part.bytes().zip(pattern.bytes()).all(fits)
    };
    let parts: Vec<&str> = name.split('-').collect();
    let (time, digits, number) = match parts.as_slice() {
        [time, digits] => (time, digits, None),
        [time, digits, number] => (time, digits, Some(number)),
        _ => return false,
    };
    is(time, "00000000T000000Z")
        && digits.len() == 8
        && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        && number.is_none_or(|number| (1..=3).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once() {
        let taken = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(unused("1Z-aa", &taken(&["1Z-ab", "0Z-aa-9"])), "1Z-aa");
        assert_eq!(unused("1Z-aa", &taken(&["1Z-aa"])), "1Z-aa-2");
        assert_eq!(unused("1Z-aa", &taken(&["1Z-aa-2"])), "1Z-aa-3", "the first is pruned already");
    }

    #[test]
    fn a_name_can_not_lead_elsewhere() {
        assert!(is_name("20261121T193000Z-1a2b3c4d"));
        for bad in ["", ".", "..", "../x", ".incoming", "a/b", "a b", "a\n"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
