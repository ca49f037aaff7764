//! Releases: what was deployed, kept whole under a name made of its time and its content.

pub(crate) mod artifact;
pub(crate) mod copy;
pub(crate) mod given;
pub(crate) mod prune;
pub(crate) mod shelf;
pub(crate) mod template;

use crate::release::artifact::is_hidden;
use crate::release::template::Template;
use anyhow::{Context, Result, ensure};
use bg_probe::os::owner::is_trusted;
use bg_probe::os::replace::{self, sync_folder_of};
use bg_probe::os::sudo::typed_as;
use bg_probe::say::exit::Exit;
use bg_probe::site::dir::{Dir, is_shared, make};
use bg_probe::site::slot::Name;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where in a release its template is kept.
const COMMAND: &str = ".command.json";

/// Where the digest of its artifact is kept, in a form that `sha256sum -c` reads.
const DIGEST: &str = ".sha256";

/// A release on disk.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// When it was made and the first hex digits of what is in it: `20261121T193000Z-1a2b3c4d`.
    pub(crate) name: String,
    /// Its artifact, if it has one.
    pub(crate) artifact: Option<PathBuf>,
    /// The SHA-256 of its artifact, in hex digits.
    pub(crate) sha256: Option<String>,
    /// How it is started.
    pub(crate) template: Template,
}

impl Release {
    /// Makes a release from an artifact: copied, checked as copied, synced, and only then given its name.
    ///
    /// # Errors
    /// When the artifact can't be read or is not whole, or the disk refuses; nothing is left behind.
    pub(crate) fn make(dir: &Dir, artifact: Option<&Path>, template: &Template) -> Result<Release> {
        make(&dir.releases())?;
        let incoming = dir.releases().join(".incoming");
        let made = fill(&incoming, artifact, template).and_then(|digest| settle(dir, &incoming, &digest));
        if made.is_err() {
            // The failure counts; what can't be removed is removed by the next run.
            let _ = std::fs::remove_dir_all(&incoming);
        }
        Release::named(dir, &made?)
    }

    /// The release that a slot holds; `None` where it holds none.
    ///
    /// # Errors
    /// Those of [`Release::ours`].
    pub(crate) fn in_slot(dir: &Dir, slot: &Name) -> Result<Option<Release>> {
        dir.release(slot).map(|name| Release::ours(dir, &name)).transpose()
    }

    /// The release of that name, to be started.
    ///
    /// # Errors
    /// When it can't be understood, or was put there by another user than this one or root, who would then
    /// choose what is executed.
    pub(crate) fn ours(dir: &Dir, name: &str) -> Result<Release> {
        ensure_ours(&folder_of(dir, name)?, name)?;
        Release::named(dir, name)
    }

    /// The release of that name.
    ///
    /// # Errors
    /// When there is none, or it is not whole.
    fn named(dir: &Dir, name: &str) -> Result<Release> {
        let folder = folder_of(dir, name)?;
        let command = folder.join(COMMAND);
        let text = std::fs::read_to_string(&command).with_context(|| format!("read {}", command.display()))?;
        let template = serde_json::from_str(&text).with_context(|| format!("understand {}", command.display()))?;
        let files = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
        let artifact = files.filter_map(Result::ok).map(|file| file.path()).find(|path| !is_hidden(path));
        let digest = std::fs::read_to_string(folder.join(DIGEST)).ok();
        let sha256 = digest.and_then(|text| text.split(' ').next().map(str::to_owned)).filter(|text| is_digest(text));
        Ok(Release { name: name.to_owned(), artifact, sha256, template })
    }

    /// Makes it the one that `slot` holds.
    ///
    /// # Errors
    /// When the link can't be changed.
    pub(crate) fn put_into(&self, dir: &Dir, slot: &Name) -> Result<()> {
        make(&dir.slot(slot))?;
        replace::link(&dir.current(slot), &Path::new("../../releases").join(&self.name))
    }

    /// Removes it again, where it was never put into a slot.
    ///
    /// # Errors
    /// When it can't be removed.
    pub(crate) fn discard(&self, dir: &Dir) -> Result<()> {
        gone(&dir.releases(), &self.name)
    }
}

fn folder_of(dir: &Dir, name: &str) -> Result<PathBuf> {
    ensure!(is_name(name), "{name:?} is not the name of a release");
    Ok(dir.releases().join(name))
}

/// Refuses a release of which another user could have made any part, a link too: before a word of it is read.
fn ensure_ours(folder: &Path, name: &str) -> Result<()> {
    let read = || format!("read {}", folder.display());
    let inside = std::fs::read_dir(folder).with_context(read)?.map(|file| Ok(file?.path()));
    let inside: Vec<PathBuf> = inside.collect::<std::io::Result<_>>().with_context(read)?;
    for path in iter::once(folder).chain(inside.iter().map(PathBuf::as_path)) {
        let meta = path.symlink_metadata().with_context(|| format!("look at {}", path.display()))?;
        if !is_trusted(&meta) && !is_shared() {
            let what = format!("release {name} belongs to another user (uid {})", meta.uid());
            return Err(Exit::Refused.refuse(what, format!("start it as that user: {}", typed_as(meta.uid()))));
        }
    }
    Ok(())
}

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

/// Hidden first, and for good, then removed: a release that is half gone must not look like one.
///
/// # Errors
/// When it can't be renamed or removed.
pub(crate) fn gone(releases: &Path, name: &str) -> Result<()> {
    let hidden = releases.join(format!(".{name}"));
    std::fs::rename(releases.join(name), &hidden)
        .with_context(|| format!("rename {name} in {}", releases.display()))?;
    sync_folder_of(&hidden)?;
    remove(&hidden)
}

/// The names in a folder.
///
/// # Errors
/// When it can't be read.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// Removes a folder with all that is in it.
///
/// # Errors
/// When something of it can't be removed.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))
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

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// Fills a new folder with what belongs into a release; the hex digits of what is in it.
fn fill(folder: &Path, artifact: Option<&Path>, template: &Template) -> Result<String> {
    if folder.symlink_metadata().is_ok() {
        remove(folder)?;
    }
    make(folder)?;
    let command = serde_json::to_vec(template)?;
    let digest = match artifact {
        Some(artifact) => take_in(artifact, folder, template).with_context(|| artifact.display().to_string())?,
        None => Sha256::new_with_prefix(&command),
    };
    replace::file(&folder.join(COMMAND), &command, 0o640)?;
    let digits = digest.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    if let Some(name) = artifact.and_then(Path::file_name) {
        let line = [digits.as_bytes(), b"  ", name.as_encoded_bytes(), b"\n"].concat();
        replace::file(&folder.join(DIGEST), &line, 0o640)?;
    }
    Ok(digits)
}

/// Copies an artifact into the folder, and checks the copy: it is what will be started.
fn take_in(artifact: &Path, folder: &Path, template: &Template) -> Result<Sha256> {
    let copied = folder.join(artifact.file_name().context("not a file that can be deployed")?);
    let digest = copy::copy(artifact, &copied)?;
    artifact::check(&copied, template.needs_main_class())?;
    Ok(digest)
}

/// Gives a filled folder its name, which no other release has: the same artifact may be deployed twice within a
/// second, and to be started in two ways.
fn settle(dir: &Dir, incoming: &Path, digits: &str) -> Result<String> {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(['-', ':'], "");
    let name = unused(&format!("{time}-{}", &digits[..8]), &names_in(&dir.releases())?);
    let release = dir.releases().join(&name);
    std::fs::rename(incoming, &release).with_context(|| format!("rename to {}", release.display()))?;
    let synced = sync_folder_of(&release);
    if synced.is_err() {
        // The failure counts; what can't be removed is pruned by a later run.
        let _ = gone(&dir.releases(), &name);
    }
    synced.map(|()| name)
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
