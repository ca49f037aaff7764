//! How a run of the stages ended, as data.

use crate::order::Goal;
use crate::stage::{Name, Stage};
use bg_probe::record::Record;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fmt::{self, Display};
use std::time::Duration;

/// What a run does one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Stage(Name),
    /// The look of all stages at what is in the way, which touches nothing.
    Preflight,
    /// The hook that can keep a release from being launched.
    BeforeLaunch,
    /// The one that can keep nginx from being moved back.
    BeforeRollback,
    /// The hook that can keep nginx from being moved.
    BeforeSwitch,
    /// Having what runs once beside the application follow nginx.
    Companion,
    /// Keeping the record of what is prepared.
    Keep,
    Watch,
    /// Giving the new release this share of the visitors.
    Share(u8),
    /// Watching it with that.
    WatchedShare(u8),
}

/// How a run ended.
#[derive(Default)]
pub(crate) struct End {
    /// The last record that a stage printed.
    pub(crate) line: String,
    /// The steps, and how long each took.
    pub(crate) took: Vec<(Step, Duration)>,
    /// Why it ended before it was done, if it did.
    pub(crate) failure: Option<Failure>,
    /// Whether a share that was out may be so still: its visitors were not seen to be taken back.
    pub(crate) is_taken_back_unseen: bool,
}

/// A step that failed, or that a signal ended.
#[derive(Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) at: Step,
    pub(crate) code: u8,
    pub(crate) signal: Option<Signal>,
}

impl Step {
    /// The step that a stage is.
    pub(crate) fn of(stage: &Stage) -> Step {
        match (stage.name, stage.with_share) {
            (Name::Switch, Some(share)) => Step::Share(share),
            (_, Some(share)) => Step::WatchedShare(share),
            (name, None) => Step::Stage(name),
        }
    }
}

impl End {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.failure.map_or(0, |failure| failure.code)
    }

    /// Whether what was to be deployed is live already, so that there was nothing to do.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.entry("launch")["unchanged"] == true
    }

    /// Whether anything was done to what there is: to a slot, or to where nginx leads.
    pub(crate) fn has_changed(&self, goal: &Goal) -> bool {
        let has_begun = self.took.iter().any(|(step, _)| !matches!(step, Step::Stage(Name::Probe)));
        let switch = self.entry("switch");
        match goal {
            // nginx may have been there already.
            Goal::Finish(_) => switch.is_object() && switch["from"] != switch["to"],
            _ => has_begun && !self.is_unchanged(),
        }
    }

    /// What a stage has added to the last record; null where it has not.
    fn entry(&self, stage: &str) -> Value {
        self.record().and_then(|record| record.get(stage).ok().flatten()).unwrap_or_default()
    }

    /// The last record, where there is one that can be read.
    pub(crate) fn record(&self) -> Option<Record> {
        Record::parse(self.line.as_bytes()).ok()
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Step::Stage(name) => name.fmt(f),
            Step::Preflight => f.write_str("preflight"),
            Step::BeforeLaunch => f.write_str("before-launch"),
            Step::BeforeRollback => f.write_str("before-rollback"),
            Step::BeforeSwitch => f.write_str("before-switch"),
            Step::Companion => f.write_str("companion"),
            Step::Keep => f.write_str("keep"),
            Step::Watch => f.write_str("watch"),
            Step::Share(share) => write!(f, "share-{share}"),
            Step::WatchedShare(share) => write!(f, "watch-{share}"),
        }
    }
}
