//! Settings that were forgotten: nothing was given to this program, and `/etc/bg` has files of settings.
//!
//! It is said where a run fails or a preflight finds something, and before all else; and where there is nothing to look at or
//! to do, which from cron would be silent for ever. Who has set nothing because the defaults are right hears nothing of it
//! while all goes well.

use crate::os::sudo::{TYPED, typed, typed_with};
use crate::say::Voice;
use crate::site::lock::INHERITED;
use crate::site::settings::{Setting, Site};
use anyhow::Result;
use nix::unistd::{AccessFlags, access};
use std::env::vars_os;
use std::path::{Path, PathBuf};

/// Where the files of settings are, as README has it.
const FOLDER: &str = "/etc/bg";

/// What was forgotten.
pub(super) struct Forgotten {
    /// What is wrong.
    pub(super) detail: String,
    /// What to do: the command that was typed, with each of the files.
    pub(super) remedy: String,
}

/// The settings that were forgotten: `None` where a variable of ours is set, a setting or a file of them was typed, or
/// there is no such file.
pub(super) fn settings() -> Option<Forgotten> {
    if is_anything_set() || is_anything_typed() {
        return None;
    }
    let commands: Vec<String> = files().iter().map(|file| with(file)).collect();
    let detail = format!("no settings were given, and {FOLDER} has some");
    (!commands.is_empty()).then(|| Forgotten { detail, remedy: commands.join("; or: ") })
}

/// Warns that settings were forgotten, where the folder that is meant without them has never held a release: what was asked
/// for finds nothing there, and that is no failure.
pub fn warn_of_nothing(site: &Site, voice: Voice) {
    let holds_none = site.slots.both().iter().all(|slot| site.dir.release(&slot.name).is_none());
    if let Some(Forgotten { detail, remedy }) = settings().filter(|_| holds_none) {
        voice.warn(&format!("{detail}: {remedy}"));
    }
}

/// What was told, or done; where it went well, with that warning.
///
/// # Errors
/// That of `answer`.
pub fn told(site: &Site, voice: Voice, answer: Result<()>) -> Result<()> {
    answer?;
    warn_of_nothing(site, voice);
    Ok(())
}

/// Whether a variable of ours is set that is not a driver's word to its stage.
fn is_anything_set() -> bool {
    let ours = |name: &str| name.starts_with("BG_") && name != TYPED && name != INHERITED;
    vars_os().any(|(name, value)| !value.is_empty() && name.to_str().is_some_and(ours))
}

/// Whether one of the shared settings was typed, for this program or for the driver that has started it.
fn is_anything_typed() -> bool {
    let words = shell_words::split(&typed()).unwrap_or_default();
    let flags: Vec<String> = Setting::ALL.iter().map(|setting| format!("--{}", setting.flag())).collect();
    let is_setting = |word: &String| {
        let flag = word.split('=').next().unwrap_or_default();
        flag == "--env-file" || flags.iter().any(|setting| setting == flag)
    };
    words.iter().any(is_setting)
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_settings(path)).collect();
    files.sort_unstable();
    files
}

fn is_settings(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "env") && path.is_file()
}

fn with(file: &Path) -> String {
    let command = typed_with("--env-file", &file.to_string_lossy());
    if access(file, AccessFlags::R_OK).is_ok() { command } else { format!("sudo {command}") }
}
