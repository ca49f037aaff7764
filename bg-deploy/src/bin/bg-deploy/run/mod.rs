//! Running a stage: its record in, its record out, and its exit code as a shell would see it.

pub(crate) mod hooks;
pub(crate) mod interrupt;

use crate::run::interrupt::Interrupt;
use crate::stage::{Calls, Stage};
use anyhow::{Context, Result};
use bg_probe::os::sudo::{TYPED, typed};
use bg_probe::say::exit::Exit;
use bg_probe::site::lock::{INHERITED, Lock};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

/// The variables for one stage called by itself. In a deploy the record decides, once for all.
pub(crate) const FOR_ONE_STAGE: [&str; 6] =
    ["BG_PROBE_SLOT", "BG_PROBE_FORMAT", "BG_LAUNCH_SLOT", "BG_HEALTH_SLOT", "BG_HEALTH_ONCE", "BG_SWITCH_TO"];

/// The surroundings in which stages run.
pub(crate) struct Runner<'a> {
    pub(crate) interrupt: Interrupt,
    /// How the stages are called.
    pub(crate) calls: &'a Calls,
    lock: &'a Lock,
}

/// What a stage left when it ended.
pub(crate) struct Ended {
    /// What it printed.
    pub(crate) output: String,
    /// Its exit code, or 128+N where signal N ended it.
    pub(crate) code: u8,
}

impl<'a> Runner<'a> {
    /// Listens for signals from now on. The lock is handed down to every stage, and to nothing else that is run.
    ///
    /// # Errors
    /// When it can't listen.
    pub(crate) fn new(lock: &'a Lock, calls: &'a Calls) -> Result<Runner<'a>> {
        Ok(Runner { interrupt: Interrupt::listen()?, calls, lock })
    }

    /// Runs a stage on a record; a signal meanwhile is handed on to it. A stage that can't be run has failed, and an
    /// error is printed.
    pub(crate) fn run(&self, stage: &Stage, record: &str) -> Ended {
        self.ended(stage, self.start(stage).and_then(|child| self.accompany(child, record)))
    }

    /// Runs a stage that no signal reaches, not even a terminal's Ctrl-C: it tidies up, and a signal may be why.
    pub(crate) fn run_undisturbed(&self, stage: &Stage, record: &str) -> Ended {
        let child = interrupt::held_back(|| self.start(stage)).and_then(|child| child);
        let converse = |mut child: Child| Ok((converse(&mut child, record)?, child.wait().context("wait")?));
        self.ended(stage, child.and_then(converse))
    }

    fn ended(&self, stage: &Stage, ended: Result<(String, ExitStatus)>) -> Ended {
        match ended {
            Ok((output, status)) => Ended { output, code: code_of(status) },
            Err(why) => {
                self.calls.voice.error(&format!("{} could not be run: {why:#}", stage.name.program()));
                Ended { output: String::new(), code: Exit::Refused as u8 }
            }
        }
    }

    fn start(&self, stage: &Stage) -> Result<Child> {
        let mut command = Command::new(&stage.program);
        command.args(&stage.args).env(TYPED, typed()).stdin(Stdio::piped()).stdout(Stdio::piped());
        for name in FOR_ONE_STAGE {
            command.env_remove(name);
        }
        // Where this one's own driver holds it, the stage finds it as this one did.
        if let Some(fd) = self.lock.hand_down()? {
            command.env(INHERITED, fd.to_string());
        }
        let child = command.spawn();
        self.lock.keep()?;
        child.with_context(|| format!("start {}", stage.program.display()))
    }

    fn accompany(&self, mut child: Child, record: &str) -> Result<(String, ExitStatus)> {
        let pid = Pid::from_raw(i32::try_from(child.id()).context("its pid")?);
        self.interrupt.runs(pid);
        let output = converse(&mut child, record);
        // Ended but not yet reaped: until the signal thread has let go of it, its pid must stay its own.
        let ended = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).context("wait");
        self.interrupt.runs_no_more();
        ended?;
        Ok((output?, child.wait().context("wait")?))
    }
}

/// Hands the record over and takes what is printed. A stage may end without reading: then its exit code counts.
fn converse(child: &mut Child, record: &str) -> Result<String> {
    let handed = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(record.as_bytes()));
    let mut output = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut output).context("read what it printed")?;
    }
    if let Err(why) = handed
        && why.kind() != ErrorKind::BrokenPipe
    {
        return Err(why).context("hand it the record");
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
