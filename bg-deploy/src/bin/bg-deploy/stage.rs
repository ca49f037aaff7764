//! The stages of a deploy: which programs they are, and how this run calls them.

use anyhow::Result;
use bg_probe::os::sudo::shown;
use bg_probe::say::Voice;
use bg_probe::say::exit::Exit;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// A stage by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Probe,
    Launch,
    Health,
    Switch,
}

/// One call of a stage: a program and its arguments.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) name: Name,
    /// The program beside this one, else on PATH, else its bare name.
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    /// The share of the visitors that the new release gets by it, or is watched with: in a ramp.
    pub(crate) with_share: Option<u8>,
}

/// How this run calls its stages: what was typed for them, and how loud they are.
pub(crate) struct Calls {
    pub(crate) voice: Voice,
    /// The settings that were typed. The first stage gets them; the others have its record.
    pub(crate) settings: Vec<String>,
    /// The words for single stages, in their order.
    pub(crate) words: Vec<(Name, String)>,
}

impl Name {
    /// Its program.
    pub(crate) fn program(self) -> String {
        format!("bg-{self}")
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Name::Probe => "probe",
            Name::Launch => "launch",
            Name::Health => "health",
            Name::Switch => "switch",
        })
    }
}

impl Calls {
    /// The four stages of a run, in their order, the second with these words.
    ///
    /// # Errors
    /// When one of the programs is missing.
    pub(crate) fn chain(&self, to_launch: Vec<String>) -> Result<[Stage; 4]> {
        let stages = [
            self.stage(Name::Probe, []),
            self.stage(Name::Launch, to_launch),
            self.stage(Name::Health, []),
            self.stage(Name::Switch, []),
        ];
        // Before anything is touched: a chain that lacks its end must not begin.
        match stages.iter().find(|stage| !stage.program.is_absolute()) {
            Some(missing) => Err(Exit::Refused.refuse(
                format!("{} is neither beside bg-deploy nor on PATH; nothing was touched", missing.name.program()),
                "install the five programs in one folder",
            )),
            None => Ok(stages),
        }
    }

    /// The same stages, each asked about its own ground.
    ///
    /// # Errors
    /// Those of [`Calls::chain`].
    pub(crate) fn preflight(&self, to_launch: Vec<String>) -> Result<[Stage; 4]> {
        Ok(self.chain(to_launch)?.map(|stage| {
            let check = ["--check", "--json"].map(str::to_owned);
            // There is no record from which a later stage would have the settings.
            let settings = self.settings.iter().filter(|_| stage.name != Name::Probe).cloned();
            // Before the stage's own words, which may end in a COMMAND.
            Stage { args: check.into_iter().chain(settings).chain(stage.args).collect(), ..stage }
        }))
    }

    /// A stage with what was typed for it and these words, as loud as the driver is.
    pub(crate) fn stage(&self, name: Name, words: impl IntoIterator<Item = String>) -> Stage {
        let loud = match (self.voice.quiet, self.voice.verbose) {
            (true, _) => Some("--quiet"),
            (_, true) => Some("--verbose"),
            _ => None,
        };
        self.call(name, loud, words)
    }

    /// The same, silent but for errors.
    pub(crate) fn quiet(&self, name: Name, words: impl IntoIterator<Item = String>) -> Stage {
        self.call(name, Some("--quiet"), words)
    }

    fn call(&self, name: Name, loud: Option<&str>, words: impl IntoIterator<Item = String>) -> Stage {
        let own = self.words.iter().filter(|(stage, _)| *stage == name).map(|(_, word)| word.clone());
        let settings = self.settings.iter().filter(|_| name == Name::Probe).cloned();
        let args = loud.map(str::to_owned).into_iter().chain(own).chain(settings).chain(words).collect();
        Stage { name, program: find(&name.program()), args, with_share: None }
    }
}

/// A program's path.
fn find(program: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().map(|this| this.with_file_name(program)).filter(|path| path.is_file());
    beside.or_else(|| which::which(program).ok()).unwrap_or_else(|| program.into())
}

/// The stages as shell, for `--dry-run`: the record that the first of them reads, and what follows if they fail.
pub(crate) fn shell(stages: &[Stage], record: Option<&Path>, back: Option<&Stage>, env_file: Option<&str>) -> String {
    let line = |stage: &Stage| {
        let args = stage.args.iter().map(|word| if stage.name == Name::Health { shown(word) } else { word.clone() });
        shell_words::join(std::iter::once(stage.typed()).chain(args))
    };
    let back = back.map(|back| format!(" || {}", line(back))).unwrap_or_default();
    let record = record.map(|record| format!("<{} ", shell_words::quote(&record.to_string_lossy())));
    let pipeline = record.unwrap_or_default() + &stages.iter().map(line).collect::<Vec<_>>().join(" | ") + &back;
    let Some(file) = env_file else { return pipeline };
    format!("set -a; . {}; set +a\n{pipeline}", shell_words::quote(file))
}

impl Stage {
    /// What to type for it: its name, where that is enough.
    fn typed(&self) -> String {
        let name = self.name.program();
        let same = which::which(&name).is_ok_and(|found| found.canonicalize().ok() == self.program.canonicalize().ok());
        if same { name } else { self.program.display().to_string() }
    }
}
