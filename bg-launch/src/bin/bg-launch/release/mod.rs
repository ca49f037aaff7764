//! Releases: what was deployed, kept whole under a name made of its time and its content.

mod advice;
pub(crate) mod artifact;
pub(crate) mod copy;
pub(crate) mod executable;
pub(crate) mod given;
pub(crate) mod names;
pub(crate) mod parts;
pub(crate) mod prune;
pub(crate) mod remains;
pub(crate) mod room;
pub(crate) mod shelf;
mod sums;
pub(crate) mod template;

use crate::release::names::is_name;
use crate::release::parts::is_hidden;
use crate::release::sums::Sums;
use crate::release::template::Template;
use anyhow::{Context, Result, ensure};
use bg_probe::os::folder::make;
use bg_probe::os::owner::is_trusted;
use bg_probe::os::replace::{self, sync_folder_of};
use bg_probe::os::sudo::typed_as;
use bg_probe::say::exit::Exit;
use bg_probe::site::companion;
use bg_probe::site::digest;
use bg_probe::site::dir::Dir;
use bg_probe::site::owned::is_shared;
use bg_probe::site::slot::Name;
use bg_probe::site::unserved;
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where a release is filled, until it has its name.
const INCOMING: &str = ".incoming";

/// A release on disk.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// When it was made and the first hex digits of what is in it: `20261121T193000Z-1a2b3c4d`.
    pub(crate) name: String,
    /// Its artifact, if it has one.
    pub(crate) artifact: Option<PathBuf>,
    /// The SHA-256 of its artifact, in hex digits; of a folder, that of the list of its files' own.
    pub(crate) sha256: Option<String>,
    /// How it is started.
    pub(crate) template: Template,
    /// How its companion is started, if it has one.
    pub(crate) companion: Option<Template>,
}

impl Release {
    /// Makes a release from an artifact: copied, checked as copied, synced, and only then given its name.
    ///
    /// # Errors
    /// When the artifact can't be read or is not whole, or the disk refuses; nothing is left behind.
    pub(crate) fn make(
        dir: &Dir,
        artifact: Option<&Path>,
        template: &Template,
        companion: Option<&Template>,
    ) -> Result<Release> {
        make(&dir.releases())?;
        let incoming = dir.releases().join(INCOMING);
        let made = fill(&incoming, artifact, template, companion).and_then(|digest| settle(dir, &incoming, &digest));
        if made.is_err() {
            // The failure counts; what can't be removed is removed by the next run.
            let _ = std::fs::remove_dir_all(&incoming);
        }
        Release::named(dir, &made.map_err(|why| room::with_advice(why, dir))?)
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
        let command = folder.join(digest::COMMAND);
        let text = std::fs::read_to_string(&command).with_context(|| format!("read {}", command.display()))?;
        let template = serde_json::from_str(&text).with_context(|| format!("understand {}", command.display()))?;
        let companion = match std::fs::read(folder.join(companion::COMMAND)) {
            Ok(bytes) => {
                Some(serde_json::from_slice(&bytes).with_context(|| format!("understand {}", companion::COMMAND))?)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(e).with_context(|| format!("read {}", folder.join(companion::COMMAND).display())),
        };
        let files = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
        let artifact = files.filter_map(Result::ok).map(|file| file.path()).find(|path| !is_hidden(path));
        let sha256 = artifact.as_deref().and_then(|artifact| digest::of(&folder, artifact));
        Ok(Release { name: name.to_owned(), artifact, sha256, template, companion })
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
        gone(&dir.releases(), &self.name).and_then(|()| unserved::forget(dir, &self.name))
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

/// Hidden first, and for good, then removed: a release that is half gone must not look like one.
///
/// # Errors
/// When it can't be renamed or removed.
fn gone(releases: &Path, name: &str) -> Result<()> {
    let hidden = taken_out(releases, name)?;
    sync_folder_of(&hidden)?;
    remove(&hidden)
}

/// Renames a release to what is no release any more; what it is called then.
///
/// # Errors
/// When it can't be renamed.
pub(crate) fn taken_out(releases: &Path, name: &str) -> Result<PathBuf> {
    let hidden = releases.join(format!(".{name}"));
    std::fs::rename(releases.join(name), &hidden)
        .with_context(|| format!("rename {name} in {}", releases.display()))?;
    Ok(hidden)
}

/// Removes a folder with all that is in it.
///
/// # Errors
/// When something of it can't be removed.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))
}

/// Fills a new folder with what belongs into a release; the hex digits of what is in it.
fn fill(folder: &Path, artifact: Option<&Path>, template: &Template, companion: Option<&Template>) -> Result<String> {
    if folder.symlink_metadata().is_ok() {
        remove(folder)?;
    }
    make(folder)?;
    let command = serde_json::to_vec(template)?;
    let sums = artifact.map(|path| take_in(path, folder, template).with_context(|| path.display().to_string()));
    let sums = sums.transpose()?;
    let write = |name: &str, bytes: &[u8]| replace::new_file(&folder.join(name), bytes, 0o640);
    write(digest::COMMAND, &command)?;
    if let Some(companion) = companion {
        write(companion::COMMAND, &serde_json::to_vec(companion)?)?;
    }
    if let Some(sums) = &sums {
        write(digest::FILE, &sums.lines)?;
    }
    // Once for all that is in it.
    sync_folder_of(&folder.join(digest::COMMAND))?;
    Ok(sums.map_or_else(|| digest::in_digits(Sha256::new_with_prefix(&command)), |sums| sums.whole()))
}

/// Copies an artifact into the folder, and checks the copy: it is what will be started.
fn take_in(artifact: &Path, folder: &Path, template: &Template) -> Result<Sums> {
    let copied = folder.join(parts::name_of(artifact)?);
    parts::ensure_apart(artifact, folder)?;
    let sums = copy::copy(artifact, &copied)?;
    artifact::check(&copied, artifact, template)?;
    Ok(sums)
}

/// Gives a filled folder its name.
fn settle(dir: &Dir, incoming: &Path, digits: &str) -> Result<String> {
    let name = names::fresh(dir, digits)?;
    let release = dir.releases().join(&name);
    unserved::note(dir, &name)?;
    names::make_newest(incoming, dir)?;
    std::fs::rename(incoming, &release).with_context(|| format!("rename to {}", release.display()))?;
    let synced = sync_folder_of(&release);
    if synced.is_err() {
        // The failure counts; what can't be removed is pruned by a later run.
        let _ = gone(&dir.releases(), &name);
    }
    synced.map(|()| name)
}
