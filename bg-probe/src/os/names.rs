//! Folders of empty files, each of which says something by its name.

use crate::os::owner::{ensure_no_foreign_link, hand_over};
use crate::os::replace::{beside, chmod, remove, sync_folder_of, write_beside};
use crate::say::exit::Exit;
use anyhow::{Context, Result};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Makes those of these files that are missing in a folder, all of them empty, and syncs the folder. They are names of one
/// file, so a hundred of them cost little.
///
/// # Errors
/// When anything on the way fails; some of them may be there then.
pub fn empty_files(folder: &Path, names: &[String]) -> Result<()> {
    let there = files_in(folder, names)?;
    let missing: Vec<&String> = names.iter().filter(|name| !there.contains(OsStr::new(name.as_str()))).collect();
    // Also where none is missing: a run that was killed may have left it.
    let beside = beside(&folder.with_file_name("empty"))?;
    if missing.is_empty() {
        return Ok(());
    }
    // Always one of this run's own: to another user's file no further name may be given (`protected_hardlinks`, proc(5)).
    write_beside(&beside, b"", |file, beside| hand_over(file, beside).and_then(|()| chmod(file, 0o644, beside)))?;
    let made = missing.iter().try_for_each(|name| {
        let path = folder.join(name);
        std::fs::hard_link(&beside, &path).with_context(|| format!("make {}", path.display()))
    });
    let synced = made.and_then(|()| sync_folder_of(&folder.join("any")));
    let removed = remove(&beside);
    synced.and(removed)
}

/// Those of the names that a folder has. Something else than a file there is refused: nginx would not find it, or wherever
/// another user has it lead. A file is told by its entry alone.
fn files_in(folder: &Path, names: &[String]) -> Result<HashSet<OsString>> {
    let look = || format!("look into {}", folder.display());
    let mut there = HashSet::new();
    for entry in std::fs::read_dir(folder).with_context(look)? {
        let entry = entry.with_context(look)?;
        let name = entry.file_name();
        if !entry.file_type().with_context(look)?.is_file() && names.iter().any(|wanted| name == *wanted.as_str()) {
            ensure_leads_to_file(&entry.path())?;
        }
        there.insert(name);
    }
    Ok(there)
}

/// Refuses what nginx would not take for a file, and another user's link.
fn ensure_leads_to_file(path: &Path) -> Result<()> {
    ensure_no_foreign_link(path)?;
    if path.is_file() {
        return Ok(());
    }
    let path = path.display();
    Err(Exit::Refused.refuse(format!("{path} is no file"), format!("move it away: mv {path} {path}.old")))
}

/// The names of what is in a folder.
///
/// # Errors
/// When it can't be looked into.
pub fn names_in(folder: &Path) -> std::io::Result<HashSet<OsString>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}
