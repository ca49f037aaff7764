//! The stages as processes: what each is called with, how it is run, and what it left.

use crate::args::Args;
use crate::interrupt::Interrupt;
use anyhow::{Context, Result};
use bg_probe::lock::INHERITED;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// One stage: a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// `probe`, `launch`, `health` or `switch`.
    pub(crate) name: &'static str,
    args: Vec<String>,
}

/// What a stage left when it ended.
pub(crate) struct Ended {
    /// What it printed.
    pub(crate) output: String,
    /// Its exit code, or 128+N where signal N ended it.
    pub(crate) code: u8,
}

/// The surroundings in which stages run.
pub(crate) struct Runner {
    pub(crate) interrupt: Interrupt,
    pub(crate) lock: Option<RawFd>,
}

/// The four stages of a deploy or a rollback.
///
/// # Errors
/// When a path among the settings can't be used.
pub(crate) fn stages(args: &Args) -> Result<[Stage; 4]> {
    let launch = if args.rollback {
        vec!["--current".to_owned()]
    } else {
        let files = args.artifact.iter().map(|file| file.display().to_string());
        let dashes = (!args.command.is_empty()).then(|| "--".to_owned());
        files.chain(dashes).chain(args.command.iter().cloned()).collect()
    };
    let nginx = args.nginx.iter().flat_map(|nginx| ["--nginx".to_owned(), nginx.clone()]).collect();
    let stage = |name, own: Vec<String>| Stage::new(name, [args.stages.of(name), own].concat(), args);
    Ok([
        stage("probe", args.settings.typed_flags()?),
        stage("launch", launch),
        stage("health", Vec::new()),
        stage("switch", nginx),
    ])
}

/// The stages as one line of shell.
pub(crate) fn shell(stages: &[Stage]) -> String {
    let line = |stage: &Stage| {
        let words: Vec<String> = std::iter::once(stage.program()).chain(stage.args.iter().cloned()).collect();
        shell_words::join(words)
    };
    stages.iter().map(line).collect::<Vec<_>>().join(" | ")
}

impl Stage {
    /// A stage with these arguments, as loud as the driver is.
    pub(crate) fn new(name: &'static str, own: Vec<String>, args: &Args) -> Stage {
        let loud = [(args.voice.quiet, "--quiet"), (args.voice.verbose, "--verbose")];
        let mut words: Vec<String> = loud.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag.to_owned()).collect();
        words.extend(own);
        Stage { name, args: words }
    }

    /// The same stage with one more argument before the others.
    pub(crate) fn with(mut self, arg: &str) -> Stage {
        self.args.insert(0, arg.to_owned());
        self
    }

    fn program(&self) -> String {
        format!("bg-{}", self.name)
    }

    /// The program beside this one, else on PATH.
    fn path(&self) -> Result<PathBuf> {
        let program = self.program();
        let beside =
            std::env::current_exe().ok().map(|this| this.with_file_name(&program)).filter(|path| path.is_file());
        let found = beside.map_or_else(|| which::which(&program), Ok);
        found.with_context(|| format!("{program} is neither beside bg-deploy nor on PATH"))
    }
}

impl Runner {
    /// Runs a stage on a record and waits for its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn run(&self, stage: &Stage, record: &str) -> Result<Ended> {
        let path = stage.path()?;
        let mut command = Command::new(&path);
        command.args(&stage.args).stdin(Stdio::piped()).stdout(Stdio::piped());
        match self.lock {
            Some(fd) => command.env(INHERITED, fd.to_string()),
            None => command.env_remove(INHERITED),
        };
        let mut child = command.spawn().with_context(|| format!("start {}", path.display()))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).context("its pid")?);
        self.interrupt.runs(Some(pid));
        let output = converse(&mut child, record);
        // Ended but not yet reaped: until the signal thread has let go of it, its pid must stay its own.
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).context("wait")?;
        self.interrupt.runs(None);
        let status = child.wait().context("wait")?;
        Ok(Ended { output: output?, code: code_of(status) })
    }
}

/// Hands the record over and takes what is printed. A stage may end without reading: then its code says why.
fn converse(child: &mut Child, record: &str) -> Result<String> {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(record.as_bytes());
    }
    let mut output = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut output).context("read what the stage printed")?;
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

fn code_of(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
