//! The record of a setup: what it has made, with the text of each file, so that what was changed since by hand or by
//! certbot is known from what is still as it was written.
//!
//! It is written before the first of it is made, and removed after the last of it is gone. So after a kill at any moment
//! all that was made is on it.

use crate::setup::rights::by_root;
use anyhow::{Context, Result};
use bg_probe::os::replace;
use bg_probe::say::exit::{Exit, OrExit};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a setup has made, or was about to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The folders, the outer ones first.
    pub(super) folders: Vec<PathBuf>,
    /// The settings file.
    pub(super) settings: Option<Written>,
    /// The upstream file.
    pub(super) upstream: Option<Written>,
    /// The site.
    pub(super) site: Option<Written>,
}

/// A file, and the texts that a setup has given it: the last one, and the one before while that is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) texts: Vec<String>,
}

/// What is at the place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing.
    Nothing,
    /// A file with this text, which is one that a setup has given it.
    Ours(String),
    /// Something else.
    Other,
}

impl Record {
    /// The place of the record of the site with these settings.
    pub(super) fn beside(settings: &Path) -> PathBuf {
        settings.with_extension("setup")
    }

    /// The record of another setup that has this file, among those in the same folder.
    pub(super) fn other_with(path: &Path, own: &Path) -> Option<PathBuf> {
        let entries = std::fs::read_dir(own.parent()?).ok()?.flatten().map(|entry| entry.path());
        let mut records = entries.filter(|place| place != own && place.extension() == own.extension());
        records.find(|place| Record::read(place).is_ok_and(|record| !record.texts_of(path).is_empty()))
    }

    /// The record at this place; an empty one where there is none.
    ///
    /// # Errors
    /// When it is there and can't be read or understood.
    pub(super) fn read(path: &Path) -> Result<Record> {
        let bytes = match std::fs::read(path) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Record::default()),
            Err(why) if why.kind() == ErrorKind::PermissionDenied => {
                return Err(by_root(&format!("may not read {}", path.display())));
            }
            bytes => bytes.with_context(|| format!("read {}", path.display()))?,
        };
        serde_json::from_slice(&bytes).with_context(|| format!("understand {}", path.display())).or_exit(Exit::Refused)
    }

    /// Writes it. Nobody else reads it: there may be a password in the settings.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        replace::own_file(path, self.text()?.as_bytes(), 0o600)
    }

    /// What is written.
    ///
    /// # Errors
    /// When a path in it is not UTF-8.
    pub(super) fn text(&self) -> Result<String> {
        Ok(format!("{}\n", serde_json::to_string(self)?))
    }

    /// The files on it.
    pub(super) fn files(&self) -> impl Iterator<Item = &Written> {
        [&self.settings, &self.upstream, &self.site].into_iter().flatten()
    }

    /// The texts that a setup has given the file at this path.
    pub(super) fn texts_of(&self, path: &Path) -> &[String] {
        self.files().find(|file| file.path == path).map_or(&[], |file| &file.texts)
    }
}

impl Written {
    /// What is at its place now.
    ///
    /// # Errors
    /// When that can't be looked at.
    pub(super) fn there(&self) -> Result<There> {
        there(&self.path, &self.texts)
    }
}

/// What is at that path, where these texts are ours.
///
/// # Errors
/// When it can't be looked at.
pub(super) fn there(path: &Path, texts: &[String]) -> Result<There> {
    let look = || format!("look at {}", path.display());
    let meta = match std::fs::symlink_metadata(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(There::Nothing),
        meta => meta.with_context(look)?,
    };
    if !meta.is_file() {
        return Ok(There::Other);
    }
    let bytes = std::fs::read(path).with_context(look)?;
    let ours = texts.iter().find(|text| text.as_bytes() == bytes);
    Ok(ours.map_or(There::Other, |text| There::Ours(text.clone())))
}
