//! Hooks: commands of the operator's own, before nginx is moved and after it all.
//!
//! They come from flags and the environment, never from the record, and run without a shell unless the operator
//! wrote one. A hook gets the record and a time limit; processes that it leaves behind are ended with it.

use crate::args::hooks::{Hook, Hooks};
use crate::order::Goal;
use crate::outcome::{End, Step};
use crate::run::interrupt::Interrupt;
use anyhow::{Context, Result, bail};
use bg_probe::cli::origin::READ;
use bg_probe::os::deadline::Deadline;
use bg_probe::say::exit::Exit;
use bg_probe::say::{self, Voice};
use bg_probe::site::lock::INHERITED;
use bg_probe::site::pass::Pass;
use bg_probe::site::settings::Site;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How often to look whether a hook has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The variable with the cookie of a pass.
const COOKIE: &str = "BG_PREVIEW_COOKIE";

/// What a hook alone is told, by its environment: it stands in no record.
#[derive(Default)]
pub(crate) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Reads the lines that `bg-switch --preview on` prints, each a variable.
    pub(crate) fn of(printed: &str) -> Secrets {
        let variable = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Secrets(printed.lines().filter_map(variable).collect())
    }

    /// Takes back the pass among them: what the hook leaves behind, and whatever it has told of it, gets no further.
    ///
    /// # Errors
    /// When its file can't be removed.
    pub(crate) fn take_back(&self, site: &Site) -> Result<()> {
        let cookies = self.0.iter().filter(|(name, _)| name == COOKIE);
        let mut passes = cookies.filter_map(|(_, cookie)| Pass::of_cookie(cookie, &site.app, &site.slots));
        passes.try_for_each(|pass| pass.revoke(&site.dir))
    }
}

impl Hooks {
    /// Refuses a run of which a hook could only fail: one that is to report a failure would be missed when it is needed.
    ///
    /// # Errors
    /// When its program is missing, or may not be executed.
    pub(crate) fn ensure_there(&self) -> Result<()> {
        self.refusals().next().map_or(Ok(()), Err)
    }

    /// The hooks that can't be executed, each as a refusal.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = anyhow::Error> {
        let hooks = [
            ("--before-switch", &self.before_switch),
            ("--on-success", &self.on_success),
            ("--on-failure", &self.on_failure),
            ("--on-rollback", &self.on_rollback),
        ];
        hooks.into_iter().filter_map(|(flag, hook)| {
            let program = hook.as_ref()?.0.first()?;
            which::which(program).is_err().then(|| refusal(flag, program))
        })
    }

    /// Runs what comes before the switch; how long it took, if there is such a hook.
    ///
    /// # Errors
    /// [`Exit::Unhealthy`] when it fails or takes too long; else when it can't be run.
    pub(crate) fn before_switch(
        &self,
        voice: Voice,
        record: &str,
        pass: &Secrets,
        interrupt: &Interrupt,
    ) -> Result<Option<Duration>> {
        self.run(&Step::BeforeSwitch.to_string(), self.before_switch.as_ref(), voice, record, pass, interrupt)
    }

    /// Whether the hook before the switch is to have a pass to the new release.
    pub(crate) fn want_a_pass(&self) -> bool {
        self.preview && self.before_switch.as_ref().is_some_and(|hook| !hook.0.is_empty())
    }

    /// Runs the hooks for this end, which none of them changes.
    pub(crate) fn after(&self, voice: Voice, end: &End, goal: &Goal, record: &str, interrupt: &Interrupt) {
        let (done, rollback) = (end.failure.is_none(), matches!(goal, Goal::Rollback { .. }));
        // Nothing has come to the visitors by a preparation, and nothing is taken from them by giving it up.
        let back = (rollback && done) || end.code() == Exit::WentBad as u8;
        let meant = [
            ("on-success", &self.on_success, done && goal.goes_live()),
            ("on-failure", &self.on_failure, !done),
            ("on-rollback", &self.on_rollback, back),
        ];
        for (name, hook, _) in meant.into_iter().filter(|(_, _, meant)| *meant) {
            // The signal that ended the deploy was not for this hook; the next one is.
            interrupt.forget();
            if let Err(why) = self.run(name, hook.as_ref(), voice, record, &Secrets::default(), interrupt) {
                voice.error(&format!("{why:#}; that changes nothing of the deploy"));
            }
        }
    }

    fn run(
        &self,
        name: &str,
        hook: Option<&Hook>,
        voice: Voice,
        record: &str,
        secrets: &Secrets,
        interrupt: &Interrupt,
    ) -> Result<Option<Duration>> {
        let Some((program, words)) = hook.and_then(|hook| hook.0.split_first()) else { return Ok(None) };
        let began = Instant::now();
        let mut child = start(program, words, record, secrets).with_context(|| format!("{name}: start {program}"))?;
        let ended = accompany(&mut child, *self.hook_timeout, interrupt);
        ended.with_context(|| format!("{name}: {program}"))?;
        let took = began.elapsed();
        voice.done("hook", name, Some(took));
        Ok(Some(took))
    }
}

fn refusal(flag: &str, program: &str) -> anyhow::Error {
    let name = shell_words::quote(program);
    let (what, remedy) = if Path::new(program).is_file() {
        ("may not be executed", format!("let it be: chmod +x {name}"))
    } else if program.contains('/') {
        ("is not there", format!("correct the path, or leave {flag} out"))
    } else {
        ("is not on this machine's PATH", format!("give its whole path, or leave {flag} out"))
    };
    Exit::Refused.refuse(format!("{flag}: {program} {what}. Nothing was touched"), remedy)
}

fn start(program: &str, words: &[String], record: &str, secrets: &Secrets) -> Result<Child> {
    let mut command = Command::new(program);
    command.envs(secrets.0.iter().map(|(name, value)| (name, value)));
    command.args(words).env_remove(INHERITED).env_remove(READ).process_group(0);
    // Our own stdout has the record alone.
    command.stdin(paper(record)?).stdout(std::io::stderr());
    Ok(command.spawn()?)
}

/// A file with this text and no name. A hook need not read it, and unlike a pipe it makes nothing wait.
fn paper(text: &str) -> Result<File> {
    // rustix calls the kernel itself: glibc has this function only since 2.27.
    let file = memfd_create("record", MemfdFlags::CLOEXEC).context("memfd_create")?;
    let mut file = File::from(file);
    file.write_all(text.as_bytes()).and_then(|()| file.rewind()).context("write the record down")?;
    Ok(file)
}

/// Waits until a hook has ended, and ends what is left of its group.
fn accompany(child: &mut Child, within: Duration, interrupt: &Interrupt) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(child.id()).context("its pid")?);
    let waited = wait(pid, within, interrupt);
    // It is not yet reaped, so the number is still its group's.
    let _ = killpg(pid, Signal::SIGKILL);
    let status = child.wait().context("wait")?;
    match (waited?, status.code(), status.signal()) {
        (Waited::Ended, Some(0), _) => Ok(()),
        (Waited::Ended, Some(code), _) => Err(Exit::Unhealthy.because(format!("exit {code}"))),
        (Waited::Ended, None, signal) => {
            Err(Exit::Unhealthy.because(format!("killed by signal {}", signal.unwrap_or_default())))
        }
        (Waited::Late, ..) => {
            Err(Exit::Unhealthy.because(format!("it had not ended within {} and was killed", say::seconds(within))))
        }
        (Waited::Interrupted(signal), ..) => bail!("{signal} ended it"),
    }
}

/// How the wait for a hook ended.
enum Waited {
    Ended,
    Late,
    Interrupted(Signal),
}

fn wait(pid: Pid, within: Duration, interrupt: &Interrupt) -> Result<Waited> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    let waited = Deadline::within(within).poll(LOOK_EVERY, || {
        if waitid(Id::Pid(pid), flags).context("wait")? != WaitStatus::StillAlive {
            return Ok(Some(Waited::Ended));
        }
        Ok(interrupt.heard().map(Waited::Interrupted))
    })?;
    Ok(waited.unwrap_or(Waited::Late))
}
