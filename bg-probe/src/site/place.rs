//! The folder that a process was launched from, by where it writes and works and what it runs.
//!
//! A release's name is no proof of that: one file that is deployed from two folders within a second has one name in both.

use crate::site::dir::Dir;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether a process was launched from this folder into that slot, with that release; `None` where nothing of it tells: it may
/// write, work and be started anywhere, and this user may not look into everybody's.
///
/// What is told first decides: the log is opened by bg-launch, and a command line is what somebody has typed.
#[must_use]
pub fn is_in(dir: &Dir, pid: i32, slot: &str, release: &str) -> Option<bool> {
    let marks = [format!("/slots/{slot}/"), format!("/releases/{release}/")];
    let folder = |place: PathBuf| folder_of(&place, &marks);
    let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).ok();
    let links = ["fd/1", "fd/2", "cwd", "exe"].into_iter().filter_map(link).find_map(folder);
    let folder = links.or_else(|| words(pid).into_iter().find_map(folder))?;
    Some(is_one(&folder, dir.root()))
}

/// The words that a process was started with, each as the path that it may be.
fn words(pid: i32) -> Vec<PathBuf> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let path = |word: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(word));
    // Of `-Dfile=/srv/…` the path is what begins with the slash.
    line.split(|byte| *byte == 0)
        .filter_map(|word| Some(path(&word[word.iter().position(|byte| *byte == b'/')?..])))
        .collect()
}

/// The application's folder that a path leads through by one of these marks.
fn folder_of(place: &Path, marks: &[String]) -> Option<PathBuf> {
    let text = place.to_str()?;
    marks.iter().find_map(|mark| Some(PathBuf::from(&text[..text.find(mark.as_str())?])))
}

/// Whether two paths lead to one folder, by a link or a mount as well.
fn is_one(one: &Path, other: &Path) -> bool {
    let number = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    one == other || number(one).is_some_and(|one| number(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_by_the_slot_or_by_the_release() {
        let marks = ["/slots/set1/".to_owned(), "/releases/r-1/".to_owned()];
        let folder = |place: &str| folder_of(Path::new(place), &marks).map(|folder| folder.display().to_string());
        for place in ["/d/slots/set1/logs/r-1.log", "/d/slots/set1/work", "/d/releases/r-1/app (deleted)"] {
            assert_eq!(folder(place).as_deref(), Some("/d"), "{place}");
        }
        for place in ["/d/slots/set2/work", "/d/releases/r-2/app", "/d/slots/set1", "pipe:[1]", "/"] {
            assert_eq!(folder(place), None, "{place}");
        }
    }
}
