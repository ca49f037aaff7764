//! The file of the history: `DIR/deploys.jsonl`, and the one before it, `deploys.jsonl.1`.

use anyhow::{Context, Result};
use bg_probe::os::owner::hand_over;
use bg_probe::os::replace::{self, sync_folder_of};
use bg_probe::record::MOST_RECORD;
use bg_probe::site::settings::Site;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

/// The longest the file gets, in bytes: some five hundred deploys.
const MOST: u64 = 1024 * 1024;

/// How much longer a line may get until its deploy has ended.
const GROWTH: u64 = 4096;

/// Appends a line to the history of `site` for good, whole or not at all.
///
/// # Errors
/// When it can't be written.
pub(crate) fn append(site: &Site, line: &str) -> Result<()> {
    let path = site.dir.deploys();
    turn(site, line.len() as u64 + GROWTH)?;
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(0o640).custom_flags(nix::libc::O_NOFOLLOW);
    let mut file = options.open(&path).with_context(|| format!("open {}", path.display()))?;
    hand_over(&file, &path)?;
    let written = whole_lines(&mut file).and_then(|end| {
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
        // A full disk may have taken half of it.
        written.or_else(|why| file.set_len(end).and(Err(why)))
    });
    written.with_context(|| format!("write {}", path.display()))?;
    sync_folder_of(&path)
}

/// Puts a line in place of the last one, where that is `old`; else appends it.
///
/// # Errors
/// When it can't be written; the last line then stands as it is.
pub(crate) fn amend(site: &Site, old: &str, line: &str) -> Result<()> {
    let path = site.dir.deploys();
    let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    match text.strip_suffix(old.as_bytes()) {
        Some(before) => replace::file(&path, &[before, line.as_bytes()].concat(), 0o640),
        None => append(site, line),
    }
}

/// Begins a new file where the line would make this one too long; the one before it is kept, and that alone.
fn turn(site: &Site, more: u64) -> Result<()> {
    let (path, older) = (site.dir.deploys(), site.dir.older_deploys());
    let is_full = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() + more > MOST);
    if is_full {
        std::fs::rename(&path, &older).with_context(|| format!("rename {} to {}", path.display(), older.display()))?;
    }
    Ok(())
}

/// Cuts off a line that has no end: the power failed while it was written. The length of what is left.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(2 * MOST_RECORD as u64);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(from, |last| from + last as u64 + 1);
    if end != length {
        file.set_len(end)?;
    }
    Ok(end)
}
