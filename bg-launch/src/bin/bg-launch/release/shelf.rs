//! The releases on disk, as people ask for them: by name, or by the first letters of it.

use crate::release::Release;
use crate::release::names::newest_first;
use anyhow::Result;
use bg_probe::say;
use bg_probe::say::exit::Exit;
use bg_probe::site::dir::Dir;

/// The release that is meant by `wanted`: the one of that name, else the one whose name begins so.
///
/// # Errors
/// [`Exit::Usage`] when there is none or more than one, with those there are; else when it can't be used.
pub(crate) fn pick(dir: &Dir, wanted: &str) -> Result<Release> {
    let names = newest_first(dir)?;
    let meant: Vec<&String> = match names.iter().find(|name| *name == wanted) {
        Some(same) => vec![same],
        None => names.iter().filter(|name| name.starts_with(wanted)).collect(),
    };
    match meant.as_slice() {
        [one] => Release::ours(dir, one),
        [] => {
            Err(unclear(dir, &format!("no release begins with \"{}\"; there are", say::quoted(wanted)), names.iter()))
        }
        several => {
            let words = format!("{} releases begin with \"{}\"; name one of them", several.len(), say::quoted(wanted));
            Err(unclear(dir, &words, several.iter().copied()))
        }
    }
}

fn unclear<'a>(dir: &Dir, words: &str, names: impl Iterator<Item = &'a String>) -> anyhow::Error {
    let file = |name: &str| dir.file_of(name).map_or(String::new(), |file| say::clean(&file.to_string_lossy()));
    // The newest first: it is mostly one of those.
    let lines: Vec<String> = names.map(|name| format!("  {name} {}", file(name))).collect();
    if lines.is_empty() {
        return Exit::Usage.because(format!("{words} none in {}", dir.releases().display()));
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    Exit::Usage.because(format!("{words}:\n{}", lines.join("\n")))
}
