//! Releases: what was deployed, kept whole under a name that says when, and what.

use crate::artifact;
use crate::template::Template;
use anyhow::{Context, Result, bail, ensure};
use bg_probe::dir::{Dir, make};
use bg_probe::replace::{self, sync_folder_of};
use bg_probe::settings::Site;
use bg_probe::slot::Name;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where in a release its template is kept.
const COMMAND: &str = ".command.json";

/// A release on disk.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// When it was made and the first hex digits of what is in it: `20261121T193000Z-1a2b3c4d`.
    pub(crate) name: String,
    /// Its artifact, if it has one.
    pub(crate) artifact: Option<PathBuf>,
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
            // It is the failure that counts; what can't be removed is removed by the next run.
            let _ = std::fs::remove_dir_all(&incoming);
        }
        Release::named(dir, &made?)
    }

    /// The release that a slot holds; `None` where it holds none.
    ///
    /// # Errors
    /// When what it holds can't be understood.
    pub(crate) fn in_slot(dir: &Dir, slot: &Name) -> Result<Option<Release>> {
        dir.release(slot).map(|name| Release::named(dir, &name)).transpose()
    }

    /// The release of that name.
    ///
    /// # Errors
    /// When there is none, or it is not whole.
    pub(crate) fn named(dir: &Dir, name: &str) -> Result<Release> {
        ensure!(is_name(name), "{name:?} is not the name of a release");
        let folder = dir.releases().join(name);
        let command = folder.join(COMMAND);
        let text = std::fs::read_to_string(&command).with_context(|| format!("read {}", command.display()))?;
        let template = serde_json::from_str(&text).with_context(|| format!("understand {}", command.display()))?;
        let files = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
        let artifact = files.filter_map(Result::ok).map(|file| file.path()).find(|path| !is_hidden(path));
        Ok(Release { name: name.to_owned(), artifact, template })
    }

    /// Makes it the one that `slot` holds.
    ///
    /// # Errors
    /// When the link can't be changed.
    pub(crate) fn put_into(&self, dir: &Dir, slot: &Name) -> Result<()> {
        make(&dir.slot(slot))?;
        replace::link(&dir.current(slot), &Path::new("../../releases").join(&self.name))
    }
}

/// Removes all but the newest `keep` releases, and never one that a slot holds.
///
/// # Errors
/// When the folder can't be read or one of them can't be removed.
pub(crate) fn prune(site: &Site, keep: usize) -> Result<()> {
    let held: Vec<String> = site.slots.both().iter().filter_map(|slot| site.dir.release(&slot.name)).collect();
    let releases = site.dir.releases();
    let entries = std::fs::read_dir(&releases).with_context(|| format!("read {}", releases.display()))?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    // What a run that was killed has left.
    names.iter().filter(|name| name.starts_with('.')).try_for_each(|name| remove(&releases.join(name)))?;
    names.retain(|name| is_name(name));
    // By name is by time.
    names.sort_unstable_by(|a, b| b.cmp(a));
    let mut old = names.iter().skip(keep).filter(|name| !held.contains(name));
    old.try_for_each(|name| gone(&releases, name))
}

/// Hidden first, then removed: a release that is half gone must not look like one.
fn gone(releases: &Path, name: &str) -> Result<()> {
    let hidden = releases.join(format!(".{name}"));
    std::fs::rename(releases.join(name), &hidden)
        .with_context(|| format!("rename {name} in {}", releases.display()))?;
    remove(&hidden)
}

fn remove(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Fills a new folder with what belongs into a release; the hex digits that name it.
fn fill(folder: &Path, artifact: Option<&Path>, template: &Template) -> Result<String> {
    if folder.symlink_metadata().is_ok() {
        remove(folder)?;
    }
    std::fs::create_dir(folder).with_context(|| format!("make {}", folder.display()))?;
    let command = serde_json::to_vec(template)?;
    let mut digest = Sha256::new();
    match artifact {
        Some(artifact) => {
            copy(artifact, folder, template, &mut digest).with_context(|| artifact.display().to_string())?;
        }
        None => digest.update(&command),
    }
    replace::file(&folder.join(COMMAND), &command, 0o640)?;
    let digits = digest.finalize().iter().take(4).fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(digits)
}

fn copy(from: &Path, folder: &Path, template: &Template, digest: &mut Sha256) -> Result<()> {
    let mut source = File::open(from).context("open")?;
    let meta = source.metadata().context("look at")?;
    let name = match from.file_name() {
        Some(name) if meta.is_file() && !name.as_encoded_bytes().starts_with(b".") => name,
        _ => bail!("not a file that can be deployed"),
    };
    let to = folder.join(name);
    let mut target = File::create_new(&to).with_context(|| format!("make {}", to.display()))?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let count = source.read(&mut chunk).context("read")?;
        if count == 0 {
            break;
        }
        digest.update(&chunk[..count]);
        target.write_all(&chunk[..count]).with_context(|| format!("write {}", to.display()))?;
    }
    // A program stays one; whoever the application runs as must be able to read it.
    let mode = 0o644 | meta.permissions().mode() & 0o111;
    target.set_permissions(Permissions::from_mode(mode)).with_context(|| format!("chmod {}", to.display()))?;
    target.sync_all().with_context(|| format!("fsync {}", to.display()))?;
    artifact::check(&to, template)
}

/// Gives a filled folder its name. The same thing within the same second is the same release.
fn settle(dir: &Dir, incoming: &Path, digits: &str) -> Result<String> {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(['-', ':'], "");
    let name = format!("{time}-{digits}");
    let release = dir.releases().join(&name);
    if release.exists() {
        remove(incoming)?;
    } else {
        std::fs::rename(incoming, &release).with_context(|| format!("rename to {}", release.display()))?;
        sync_folder_of(&release)?;
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_lead_elsewhere() {
        assert!(is_name("20261121T193000Z-1a2b3c4d"));
        for bad in ["", ".", "..", "../x", ".incoming", "a/b", "a b", "a\n"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
