//! What an artifact consists of: a file, or a folder with all that is in it; looked at before and after it is copied.

use anyhow::{Context, Result, bail, ensure};
use bg_probe::say::exit::Exit;
use nix::unistd::{AccessFlags, access};
use std::fs::{FileType, Metadata, symlink_metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf, absolute};

/// The parts of an artifact, those of a folder in the order of their paths: a folder comes before what is in it.
#[derive(PartialEq, Eq)]
pub(crate) struct Parts(Vec<Part>);

/// One of them.
#[derive(PartialEq, Eq)]
pub(crate) struct Part {
    /// Where it is in the artifact; empty for the artifact itself.
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) state: State,
}

/// What a part is.
#[derive(PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A symbolic link, with where it leads.
    Link(PathBuf),
}

/// What changes with every write, and with every other file that takes the name (`inode(7)`).
#[derive(PartialEq, Eq)]
pub(crate) struct State {
    file: (u64, u64),
    pub(crate) mode: u32,
    pub(crate) size: u64,
    modified: (i64, i64),
    pub(crate) changed: (i64, i64),
}

impl Parts {
    /// What is there now. The artifact may be a link to what is meant; no link in a folder is followed.
    ///
    /// # Errors
    /// When it has no name that a release can have, something of it is neither file nor folder nor link, or a link would lead
    /// elsewhere from a copy.
    pub(crate) fn of(artifact: &Path) -> Result<Parts> {
        name_of(artifact)?;
        // Looked at before it is opened: to open a named pipe is to wait for its writer.
        let meta = std::fs::metadata(artifact).context("look at")?;
        let mut parts: Vec<Part> = Part::of(artifact, PathBuf::new(), &meta)?.into_iter().collect();
        if meta.is_dir() {
            let real = std::fs::canonicalize(artifact).context("look at")?;
            add_inside(&real, Path::new(""), &mut parts)?;
            parts.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(Parts(parts))
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Part> {
        self.0.iter()
    }

    /// Refuses files that this user may not read (`access(2)`): a copy would end at them.
    ///
    /// # Errors
    /// With the first of them.
    pub(crate) fn ensure_readable(&self, artifact: &Path) -> Result<()> {
        self.0.iter().filter(|part| part.kind == Kind::File).try_for_each(|part| {
            let is_inside = !part.path.as_os_str().is_empty();
            let file = if is_inside { artifact.join(&part.path) } else { artifact.to_owned() };
            let what = if is_inside { format!("open {}", part.path.display()) } else { "open".to_owned() };
            access(&file, AccessFlags::R_OK).map_err(std::io::Error::from).context(what)
        })
    }

    /// Whether it is a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.0.first().is_some_and(|part| part.kind == Kind::Folder)
    }
}

impl Part {
    /// `None` where it is a link that is gone by now.
    fn of(at: &Path, path: PathBuf, meta: &Metadata) -> Result<Option<Part>> {
        let kind = match meta.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => match if_there(std::fs::read_link(at)).context("read a link")? {
                Some(leads) => Kind::Link(leads),
                None => return Ok(None),
            },
            other => {
                let remedy = format!("remove it: {}", shell_words::join(["rm", &at.to_string_lossy()]));
                let what = format!("{} is {}, which can't be deployed", at.display(), called(other));
                return Err(Exit::Refused.refuse(what, remedy));
            }
        };
        Ok(Some(Part { path, kind, state: State::of(meta) }))
    }
}

impl State {
    fn of(meta: &Metadata) -> State {
        State {
            file: (meta.dev(), meta.ino()),
            mode: meta.mode(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// The name that an artifact has in its release: `.` is the folder that this is.
///
/// # Errors
/// When it has none, or a hidden one, as those are that a release has beside its artifact.
pub(crate) fn name_of(artifact: &Path) -> Result<PathBuf> {
    let whole = absolute(artifact).context("the current folder")?;
    let name = whole.file_name().context("it has no name of its own to be deployed by")?;
    if !is_hidden(&whole) {
        return Ok(name.into());
    }
    let (hidden, plain) = (name.to_string_lossy(), name.to_string_lossy().trim_start_matches('.').to_owned());
    let link = shell_words::join(["ln", "-s", &hidden, &plain]);
    Err(Exit::Refused.refuse("its name begins with a dot", format!("deploy it by another name: {link}")))
}

/// Whether a file's name begins with a dot, as those that a release has beside its artifact do.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn called(kind: FileType) -> &'static str {
    if kind.is_socket() {
        "a socket"
    } else if kind.is_fifo() {
        "a named pipe"
    } else {
        "a device"
    }
}

/// Adds what is in the folder at `inside`, and below. What goes while it is looked at is no part: its folder has changed since
/// its state was taken, and so differs from what is found after the copy.
fn add_inside(root: &Path, inside: &Path, parts: &mut Vec<Part>) -> Result<()> {
    let folder = root.join(inside);
    let named = |what: &str, path: &Path| format!("{what} {}", path.display());
    let Some(entries) = if_there(std::fs::read_dir(&folder)).with_context(|| named("read", &folder))? else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry.with_context(|| named("read", &folder))?;
        let (at, path) = (entry.path(), inside.join(entry.file_name()));
        let meta = if_there(symlink_metadata(&at)).with_context(|| named("look at", &at))?;
        let Some(part) = meta.map(|meta| Part::of(&at, path.clone(), &meta)).transpose()?.flatten() else { continue };
        if let Kind::Link(target) = &part.kind {
            ensure_same_from_a_copy(root, &path, target)?;
        }
        let is_folder = part.kind == Kind::Folder;
        parts.push(part);
        if is_folder {
            add_inside(root, &path, parts)?;
        }
    }
    Ok(())
}

/// `None` where there is nothing of that name.
fn if_there<T>(found: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match found {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Refuses a link that means something else in a copy of the folder: a relative one that leads out of it, and an absolute one
/// that leads into the folder itself.
fn ensure_same_from_a_copy(root: &Path, path: &Path, target: &Path) -> Result<()> {
    let at = root.join(path);
    let (link, leads) = (at.to_string_lossy(), target.display());
    if target.is_absolute() {
        if !plain(target).starts_with(root) {
            return Ok(());
        }
        let what = format!("the link {link} leads into the folder itself by its whole path, {leads}");
        let relative = shell_words::join(["ln", "-sfnr", &target.to_string_lossy(), &link]);
        return Err(Exit::Refused.refuse(what, format!("make it a relative one: {relative}")));
    }
    let mut depth = path.components().count() - 1;
    for part in target.components() {
        depth = match part {
            Component::ParentDir if depth == 0 => {
                let what = format!("the link {link} leads out of the folder, to {leads}: not so from a copy");
                let whole = plain(&at.parent().unwrap_or(root).join(target));
                let whole = shell_words::join(["ln", "-sfn", &whole.to_string_lossy(), &link]);
                return Err(Exit::Refused.refuse(what, format!("make it an absolute one: {whole}")));
            }
            Component::ParentDir => depth - 1,
            Component::Normal(_) => depth + 1,
            _ => depth,
        };
    }
    Ok(())
}

/// An absolute path without `..`, as it reads.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
        plain
    })
}

/// Refuses a folder in which the releases are: it would be copied into itself.
///
/// # Errors
/// When they are, or that can't be seen.
pub(crate) fn ensure_apart(artifact: &Path, releases: &Path) -> Result<()> {
    let there = releases.ancestors().find_map(|folder| std::fs::canonicalize(folder).ok());
    let real = std::fs::canonicalize(artifact).context("look at")?;
    if real.is_dir() && there.is_some_and(|there| there.starts_with(&real)) {
        bail!("the releases are in it, in {}: deploy a folder of its own", releases.display());
    }
    ensure!(real.exists(), "look at {}: it is gone", real.display());
    Ok(())
}
