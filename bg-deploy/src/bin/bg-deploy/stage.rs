//! The stages of a deploy: which programs they are, and what each is called with.

use crate::args::Args;
use anyhow::{Context, Result};
use bg_probe::say::exit::Exit;
use std::path::{Path, PathBuf};

/// One stage: a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// `probe`, `launch`, `health` or `switch`.
    pub(crate) name: &'static str,
    /// The program beside this one, else on PATH, else its bare name.
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}

/// The four stages of a deploy or a rollback.
///
/// # Errors
/// When one of the programs is missing, or a path among the settings can't be used.
pub(crate) fn stages(args: &Args) -> Result<[Stage; 4]> {
    let stages = [
        Stage::new("probe", args, args.settings.typed_flags()?),
        Stage::new("launch", args, launch(args)),
        Stage::new("health", args, Vec::new()),
        switch(args),
    ];
    // Before anything is touched: a chain that lacks its end must not begin.
    match stages.iter().find(|stage| !stage.program.is_absolute()) {
        Some(missing) => Err(Exit::Refused
            .because(format!("{} is neither beside bg-deploy nor on PATH; nothing was touched", missing.called()))),
        None => Ok(stages),
    }
}

fn launch(args: &Args) -> Vec<String> {
    if args.rollback {
        return vec![args.to.as_ref().map_or("--current".to_owned(), |release| format!("--release={release}"))];
    }
    let files = args.artifact.iter().map(|file| file.display().to_string());
    let dashes = (!args.command.is_empty()).then(|| "--".to_owned());
    files.chain(dashes).chain(args.command.iter().cloned()).collect()
}

/// `bg-switch`, the one stage that calls nginx.
pub(crate) fn switch(args: &Args) -> Stage {
    let nginx = args.nginx.iter().flat_map(|nginx| ["--nginx".to_owned(), nginx.clone()]).collect();
    Stage::new("switch", args, nginx)
}

/// The stages as shell, for `--dry-run`.
///
/// # Errors
/// When the current folder is unknown.
pub(crate) fn shell(stages: &[Stage], env_file: Option<&Path>) -> Result<String> {
    let line = |stage: &Stage| shell_words::join(std::iter::once(&stage.typed()).chain(&stage.args));
    let pipeline = stages.iter().map(line).collect::<Vec<_>>().join(" | ");
    let Some(file) = env_file else { return Ok(pipeline) };
    let file = std::path::absolute(file).context("the current folder")?.display().to_string();
    Ok(format!("set -a; . {}; set +a\n{pipeline}", shell_words::quote(&file)))
}

impl Stage {
    /// A stage with the flags that were given for it and these, as loud as the driver is.
    pub(crate) fn new(name: &'static str, args: &Args, own: Vec<String>) -> Stage {
        let loud = [(args.voice.quiet, "--quiet"), (args.voice.verbose, "--verbose")];
        let loud = loud.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag.to_owned());
        Stage::of(name, loud.chain(args.stages.of(name)).chain(own))
    }

    /// A stage with the flags that were given for it and these, that says nothing but errors.
    pub(crate) fn quiet(name: &'static str, args: &Args, own: Vec<String>) -> Stage {
        Stage::of(name, std::iter::once("--quiet".to_owned()).chain(args.stages.of(name)).chain(own))
    }

    /// A stage with just these words.
    pub(crate) fn of(name: &'static str, words: impl Iterator<Item = String>) -> Stage {
        Stage { name, program: program(name), args: words.collect() }
    }

    /// Its name as a program.
    pub(crate) fn called(&self) -> String {
        format!("bg-{}", self.name)
    }

    /// What to type for it: its name, where that is enough.
    fn typed(&self) -> String {
        let name = self.called();
        let same = which::which(&name).is_ok_and(|found| found.canonicalize().ok() == self.program.canonicalize().ok());
        if same { name } else { self.program.display().to_string() }
    }
}

fn program(stage: &str) -> PathBuf {
    let name = format!("bg-{stage}");
    let beside = std::env::current_exe().ok().map(|this| this.with_file_name(&name)).filter(|path| path.is_file());
    beside.or_else(|| which::which(&name).ok()).unwrap_or_else(|| name.into())
}
