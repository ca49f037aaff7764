//! What a command line asks for, free of how it was typed.

use crate::advice::Advice;
use crate::args::hooks::Hooks;
use crate::stage::{Calls, Stage};
use anyhow::Result;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::lock::Wait;
use bg_probe::site::settings::Site;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;

/// What is asked for.
pub(crate) enum Order {
    /// Ask these stages whether a deploy would work here, and change nothing.
    Preflight { stages: Box<[Stage; 4]>, hooks: Hooks, stop_old: Option<Duration>, as_json: bool, voice: Voice },
    /// Print these stages as shell, and do nothing.
    DryRun { stages: Vec<Stage>, back: Option<Stage>, env_file: Option<String> },
    /// Deploy or roll back.
    Run(Box<Run>),
}

/// A deploy or a rollback, with all it needs.
pub(crate) struct Run {
    pub(crate) goal: Goal,
    pub(crate) site: Site,
    pub(crate) stages: Vec<Stage>,
    /// How to call a stage once more.
    pub(crate) calls: Calls,
    pub(crate) wait: Wait,
    pub(crate) hooks: Hooks,
    /// How long to watch the new release after the switch.
    pub(crate) watch: Option<Duration>,
    /// How long after the switch to stop the old release.
    pub(crate) stop_old: Option<Duration>,
    /// Whether a release that did not become healthy is left running.
    pub(crate) keep_failed: bool,
    /// The commands that messages end with.
    pub(crate) advice: Advice,
}

/// What the live slot is to have in the end.
pub(crate) enum Goal {
    /// A new release of these files, started by this command.
    Deploy { files: Vec<PathBuf>, command: Vec<String> },
    /// The release of the idle slot, or the one of this name.
    Rollback { to: Option<String> },
}

impl Goal {
    /// Refuses a deploy of nothing.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub(crate) fn ensure_something(&self) -> Result<()> {
        // BG_LAUNCH_COMMAND is read by bg-launch.
        let by_variable = std::env::var_os("BG_LAUNCH_COMMAND").is_some_and(|words| !words.is_empty());
        match self {
            Goal::Deploy { files, command } if files.is_empty() && command.is_empty() && !by_variable => {
                Err(Exit::Usage.refuse("nothing to deploy", "name a jar, a command after --, or --rollback"))
            }
            Goal::Deploy { .. } | Goal::Rollback { .. } => Ok(()),
        }
    }

    /// The files of a new release, by their names.
    pub(crate) fn files(&self) -> Vec<String> {
        let Goal::Deploy { files, .. } = self else { return Vec::new() };
        let names = files.iter().filter_map(|path| path.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// What bg-launch is to start, in its own words.
    pub(crate) fn to_launch(&self) -> Vec<String> {
        match self {
            Goal::Rollback { to: None } => vec!["--current".to_owned()],
            Goal::Rollback { to: Some(release) } => vec![format!("--release={release}")],
            Goal::Deploy { files, command } => {
                let files = files.iter().map(|file| file.display().to_string());
                let dashes = (!command.is_empty()).then(|| "--".to_owned());
                files.chain(dashes).chain(command.iter().cloned()).collect()
            }
        }
    }
}

impl Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Goal::Deploy { .. } => "deploy",
            Goal::Rollback { .. } => "rollback",
        })
    }
}
