//! What a command line asks for, free of how it was typed.

use crate::advice::Advice;
use crate::args::hooks::Hooks;
use crate::stage::{Calls, Stage};
use anyhow::{Result, bail};
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use bg_probe::site::lock::Wait;
use bg_probe::site::settings::{Settings, Site};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What is asked for.
pub(crate) enum Order {
    /// Report whether it would work here, and change nothing.
    Preflight(Box<Preflight>),
    /// Print these stages as shell, and do nothing.
    DryRun { stages: Vec<Stage>, record: Option<PathBuf>, back: Option<Stage>, env_file: Option<String> },
    /// Print whether a deploy would change what is live, by these two stages.
    Compare(Box<[Stage; 2]>),
    /// Deploy or roll back, at once or in two steps.
    Run(Box<Run>),
}

/// A preflight, with all it needs.
pub(crate) struct Preflight {
    /// The stages that are asked about their own ground.
    pub(crate) stages: Vec<Stage>,
    /// Where what is prepared is to be finished or abandoned: with these stages.
    pub(crate) of_prepared: Option<(Site, Vec<Stage>)>,
    pub(crate) hooks: Hooks,
    pub(crate) stop_old: Option<Duration>,
    pub(crate) as_json: bool,
    pub(crate) voice: Voice,
}

/// What is to be done, with all it needs.
pub(crate) struct Run {
    pub(crate) goal: Goal,
    pub(crate) site: Site,
    /// The settings of this run's own, which win over those of a record that was kept.
    pub(crate) settings: Settings,
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

/// What there is to be in the end.
pub(crate) enum Goal {
    /// A new release, live.
    Deploy(Given),
    /// The release of the idle slot, or the one of this name, live.
    Rollback { to: Option<String> },
    /// A new release in the idle slot, healthy, that waits there.
    Prepare(Given),
    /// The release that is prepared, live.
    Finish(Source),
    /// What there was before it was prepared.
    Abandon,
}

/// What is given to be launched: files, and the command that starts one of them.
pub(crate) struct Given {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) command: Vec<String>,
    /// Whether nothing is to be launched where it is live already.
    pub(crate) if_changed: bool,
}

/// Where the record of what is prepared comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `DIR/prepared.json`.
    Kept,
    Stdin,
}

impl FromStr for Source {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Source> {
        match text {
            "" => Ok(Source::Kept),
            "-" => Ok(Source::Stdin),
            _ => bail!("it takes - for the record on stdin, or nothing"),
        }
    }
}

impl Goal {
    /// Refuses a deploy of nothing.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub(crate) fn ensure_something(&self) -> Result<()> {
        // BG_LAUNCH_COMMAND is read by bg-launch.
        let by_variable = std::env::var_os("BG_LAUNCH_COMMAND").is_some_and(|words| !words.is_empty());
        match self.given() {
            Some(given) if given.files.is_empty() && given.command.is_empty() && !by_variable => {
                Err(Exit::Usage.refuse("nothing to deploy", "name a jar, a command after --, or --rollback"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses what brings no new release, of which it could be said whether it is another one.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub(crate) fn ensure_new(&self) -> Result<()> {
        match self.given() {
            Some(_) => Ok(()),
            None => Err(Exit::Usage.refuse("--json says what a deploy would change", "name what is to be deployed")),
        }
    }

    /// What is to be launched as a new release.
    pub(crate) fn given(&self) -> Option<&Given> {
        match self {
            Goal::Deploy(given) | Goal::Prepare(given) => Some(given),
            Goal::Rollback { .. } | Goal::Finish(_) | Goal::Abandon => None,
        }
    }

    /// Whether it goes on with what is prepared.
    pub(crate) fn is_of_prepared(&self) -> bool {
        matches!(self, Goal::Finish(_) | Goal::Abandon)
    }

    /// What it is called in a message.
    pub(crate) fn noun(&self) -> String {
        match self {
            Goal::Prepare(_) => "preparation".to_owned(),
            _ => self.to_string(),
        }
    }

    /// Whether a new release comes to the visitors by it.
    pub(crate) fn goes_live(&self) -> bool {
        matches!(self, Goal::Deploy(_) | Goal::Finish(_))
    }

    /// The files of a new release, by their names.
    pub(crate) fn files(&self) -> Vec<String> {
        let Some(given) = self.given() else { return Vec::new() };
        let names = given.files.iter().filter_map(|path| path.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// What bg-launch is to start, in its own words.
    pub(crate) fn to_launch(&self) -> Vec<String> {
        match self {
            Goal::Rollback { to: None } => vec!["--current".to_owned()],
            Goal::Rollback { to: Some(release) } => vec![format!("--release={release}")],
            Goal::Deploy(given) | Goal::Prepare(given) => {
                let Given { files, command, if_changed } = given;
                let flag = if_changed.then(|| "--if-changed".to_owned());
                let files = files.iter().map(|file| file.display().to_string());
                let dashes = (!command.is_empty()).then(|| "--".to_owned());
                flag.into_iter().chain(files).chain(dashes).chain(command.iter().cloned()).collect()
            }
            Goal::Abandon => vec!["--stop".to_owned()],
            Goal::Finish(_) => Vec::new(),
        }
    }
}

impl Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Goal::Deploy(_) => "deploy",
            Goal::Rollback { .. } => "rollback",
            Goal::Prepare(_) => "prepare",
            Goal::Finish(_) => "finish",
            Goal::Abandon => "abandon",
        })
    }
}
