//! What a command line gives to be launched: files, and the command that starts one of them.

use crate::release::artifact;
use crate::release::template::Template;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// What is given to be launched.
pub(crate) struct Given {
    /// The files; a shell's `build/libs/*.jar` may be several.
    pub(crate) files: Vec<PathBuf>,
    /// The words behind `--`; none where the default is meant.
    pub(crate) command: Vec<String>,
    /// Whether nothing is to be launched where it is what is live.
    pub(crate) if_changed: bool,
}

impl Given {
    /// The one file to deploy; `None` where none was given.
    ///
    /// # Errors
    /// Those of [`artifact::choose`].
    pub(crate) fn artifact(&self) -> Result<Option<&Path>> {
        artifact::choose(&self.files)
    }

    /// How its companion is started, if it is to have one.
    ///
    /// # Errors
    /// Those of [`Template::of_companion`].
    #[expect(clippy::unused_self, reason = "what is given in the environment belongs to it as well")]
    pub(crate) fn companion(&self) -> Result<Option<Template>> {
        Template::of_companion()
    }

    /// How `artifact` is started.
    ///
    /// # Errors
    /// Those of [`Template::new`].
    pub(crate) fn template(&self, artifact: Option<&Path>) -> Result<Template> {
        Template::new(&self.command, artifact)
    }
}
