//! The release that is prepared: it runs in the idle slot, was found healthy, and waits for its switch.
//!
//! `prepared.json` is the record of it, as bg-health left it. The file is a word of its writer's, and nothing is taken from it
//! that does not stand: the slot still has that very launch, and no visitor has been in it. What the slot held before is kept
//! here alone, and is the release to go back to.

use crate::os::folder::ensure_file;
use crate::os::owner::is_trusted;
use crate::os::process::Process;
use crate::os::replace;
use crate::say::exit::Exit;
use crate::say::quoted;
use crate::site::dir::Dir;
use crate::site::launched::Launched;
use crate::site::slot::Name;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

/// The longest that is read of the file, in bytes: as much as the longest record.
const MOST: u64 = 64 * 1024;

/// A release that is prepared.
#[derive(Clone, Debug, Deserialize)]
pub struct Prepared {
    #[serde(deserialize_with = "name")]
    slot: Name,
    launch: Launch,
}

/// What the record has of its launch.
#[derive(Clone, Debug, Deserialize)]
struct Launch {
    #[serde(flatten)]
    process: Process,
    release: String,
    #[serde(default)]
    replaced: Option<String>,
}

impl Prepared {
    /// The release that is prepared; `None` where none is. A file that can't be read or understood is nothing to go by.
    #[must_use]
    pub fn of(dir: &Dir) -> Option<Prepared> {
        Prepared::noted(dir).ok().flatten().filter(|prepared| prepared.stands(dir))
    }

    /// The same where it is in that slot.
    #[must_use]
    pub fn in_slot(dir: &Dir, slot: &Name) -> Option<Prepared> {
        Prepared::of(dir).filter(|prepared| prepared.slot == *slot)
    }

    /// What the file says, whether or not that still stands; `None` where there is no file.
    ///
    /// # Errors
    /// Those of [`text`]; [`Exit::Unsure`] where it is damaged.
    pub fn noted(dir: &Dir) -> Result<Option<Prepared>> {
        let Some(text) = text(dir)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|why| damaged(dir, &quoted(&why.to_string())))
    }

    /// Whether the slot still has that launch, running or not, and nginx has never sent visitors to it.
    #[must_use]
    pub fn stands(&self, dir: &Dir) -> bool {
        if dir.release(&self.slot).as_ref() != Some(&self.launch.release) {
            return false;
        }
        let last = Launched::of(dir, &self.slot).ok().flatten();
        last.is_some_and(|last| last.process == self.launch.process && !last.has_served())
    }

    /// Whether its process runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.launch.process.is_alive()
    }

    /// The slot that it is in.
    #[must_use]
    pub fn slot(&self) -> &Name {
        &self.slot
    }

    /// The name of the release.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.launch.release
    }

    /// The release that the slot held before: the one to go back to.
    #[must_use]
    pub fn replaced(&self) -> Option<&str> {
        self.launch.replaced.as_deref()
    }

    /// As the record of bg-probe has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "slot": self.slot.as_str(), "release": self.launch.release, "replaced": self.launch.replaced })
    }
}

/// The text of the file; `None` where there is none.
///
/// # Errors
/// When it can't be read, or is neither root's nor this user's: nginx would be moved by it.
pub fn text(dir: &Dir) -> Result<Option<String>> {
    let path = dir.prepared();
    ensure_file(&path)?;
    // A pipe in its place would be waited for, and a link is somebody else's word.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("open {}", path.display())),
    };
    let read = || format!("read {}", path.display());
    let meta = file.metadata().with_context(read)?;
    if !meta.is_file() || !is_trusted(&meta) {
        let path = path.display();
        return Err(Exit::Refused.refuse(
            format!("{path} is no file of this user's or root's own, so nothing is done by it"),
            format!("finish as the user who has prepared it; or move it away: mv {path} {path}.old"),
        ));
    }
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).with_context(read)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The refusal of a file that can't be understood.
#[must_use]
pub fn damaged(dir: &Dir, why: &str) -> anyhow::Error {
    let path = dir.prepared();
    let path = path.display();
    Exit::Unsure.refuse(
        format!("{path} is damaged ({why}), as after a full disk or by an editor. Nothing was touched"),
        format!("deploy what was prepared again; until then, for nothing to be prepared: rm {path}"),
    )
}

/// Keeps the record of a release that is prepared. Only its owner may read it where it has a secret.
///
/// # Errors
/// When the disk refuses; none is kept then.
pub fn keep(dir: &Dir, line: &str, has_secret: bool) -> Result<()> {
    replace::own_file(&dir.prepared(), line.as_bytes(), if has_secret { 0o600 } else { 0o640 })
}

/// Forgets what is prepared, for it was stopped, or another release has its place. What can't be removed does no harm: it
/// does not stand any more.
pub fn forget(dir: &Dir) {
    let _ = replace::remove(&dir.prepared());
}

fn name<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Name, D::Error> {
    String::deserialize(value)?.parse().map_err(serde::de::Error::custom)
}
