//! Hooks of a launch: commands of the operator's own, as a migration, which run with what the release gets.
//!
//! Each runs as the application's user, with its environment, limits and folder, and without a shell. It is bound to this
//! program: what ends bg-launch ends it too, so no migration runs on of which nobody hears the end, and it has no descriptor
//! but its output, so nothing that it leaves behind holds the lock. What it leaves in its group is ended with it.

use crate::release::Release;
use crate::release::given::Given;
use crate::release::template::{Blanks, Template, line};
use crate::start::detached::hold;
use crate::start::hold::BOUND;
use crate::start::mode::Wish;
use crate::start::plan::{Plan, Role};
use crate::start::surroundings::Surroundings;
use anyhow::{Context, Result, bail};
use bg_probe::cli::preflight::Finding;
use bg_probe::os::deadline::Deadline;
use bg_probe::os::signals::heeded;
use bg_probe::os::span::Span;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::say::{self, Voice};
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

/// How often to look whether a hook has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long one that was told to end may take.
const GRACE: Duration = Duration::from_secs(5);

/// The flags of the hooks.
#[derive(clap::Args, Clone, Debug)]
#[command(
    next_help_heading = "Hooks (without a shell, as the application's user, with the environment that the release gets)"
)]
pub(crate) struct Hooks {
    /// Run this, a migration, when a release is on disk and nothing was stopped for it; {artifact} {release} {slot} {port}
    /// are filled in; if it fails, nothing is touched (4)
    #[arg(long, env = "BG_LAUNCH_BEFORE_LAUNCH", value_name = "CMD", value_parser = line, hide_env_values = true)]
    pub(crate) before_launch: Option<String>,
    /// The same for --current and --release, which a rollback calls; it runs also where the release is up
    #[arg(long, env = "BG_LAUNCH_BEFORE_ROLLBACK", value_name = "CMD", value_parser = line, hide_env_values = true)]
    pub(crate) before_rollback: Option<String>,
    /// Run this when an old release has ended, for another one or by --stop --after; what is filled in is the old one's
    #[arg(long, env = "BG_LAUNCH_AFTER_RETIRE", value_name = "CMD", value_parser = line, hide_env_values = true)]
    pub(crate) after_retire: Option<String>,
    /// End a hook that takes longer than this
    #[arg(long, env = "BG_LAUNCH_HOOK_TIMEOUT", default_value = "10m", value_name = "DURATION")]
    pub(crate) hook_timeout: Span,
}

/// One of the hooks.
#[derive(Clone, Copy)]
pub(crate) enum Hook {
    BeforeLaunch,
    BeforeRollback,
    AfterRetire,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Hook::BeforeLaunch => "before-launch",
            Hook::BeforeRollback => "before-rollback",
            Hook::AfterRetire => "after-retire",
        }
    }
}

impl Hooks {
    fn text(&self, hook: Hook) -> Option<&String> {
        match hook {
            Hook::BeforeLaunch => self.before_launch.as_ref(),
            Hook::BeforeRollback => self.before_rollback.as_ref(),
            Hook::AfterRetire => self.after_retire.as_ref(),
        }
    }

    /// Whether there is such a hook.
    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.text(hook).is_some()
    }

    /// Runs a hook, where there is one, beside a release of a slot: what is filled in, and what is around it, is of those.
    ///
    /// # Errors
    /// [`Exit::Unhealthy`] when it fails or takes too long; else when it can't be run, or a signal ends this program.
    pub(crate) fn run(&self, hook: Hook, beside: &Plan, voice: Voice) -> Result<()> {
        let Some(text) = self.text(hook) else { return Ok(()) };
        let (began, name) = (Instant::now(), hook.name());
        let command = words(text, beside).with_context(|| name)?;
        let ended = carry_out(&Plan { command: &command, ..*beside }, *self.hook_timeout);
        ended.with_context(|| format!("{name}: {}", command[0]))?;
        voice.done("hook", name, Some(began.elapsed()));
        Ok(())
    }

    /// Runs what comes before a rollback to a release that is up already.
    ///
    /// # Errors
    /// Those of [`Hooks::run`].
    pub(crate) fn before_rollback(
        &self,
        record: &Record,
        release: &Release,
        last: &Launched,
        wish: &Wish,
        voice: Voice,
    ) -> Result<()> {
        if !self.has(Hook::BeforeRollback) {
            return Ok(());
        }
        let (site, slot) = (&record.site, &record.slot);
        let (mode, surroundings) = &Surroundings::again(&site.dir, &release.name, &slot.name, Some(last), wish, voice)?;
        let role = Role::Slot { beside: record.live_beside(), served: None };
        let plan = Plan { site, slot, release, command: &[], mode, surroundings, role };
        self.run(Hook::BeforeRollback, &plan, voice)
    }

    /// Runs what follows the end of a release. The end stands, so a failure is no more than a warning.
    pub(crate) fn retired(&self, site: &Site, slot: &Slot, old: &Launched, voice: Voice) {
        if !self.has(Hook::AfterRetire) {
            return;
        }
        let run = || {
            let release = Release::ours(&site.dir, &old.release)?;
            let wish = &Wish::none();
            let (mode, surroundings) =
                &Surroundings::again(&site.dir, &release.name, &slot.name, Some(old), wish, voice)?;
            let release = &release;
            let role = Role::Slot { beside: None, served: None };
            self.run(Hook::AfterRetire, &Plan { site, slot, release, command: &[], mode, surroundings, role }, voice)
        };
        if let Err(why) = run() {
            voice.warn(&format!("release {} has ended, but what was to follow has failed: {why:#}", old.release));
        }
    }

    /// What a preflight finds of these hooks, with the artifact that is given: the programs that are missing.
    pub(crate) fn findings(&self, hooks: &[Hook], given: Option<&Given>, slot: &Slot) -> Vec<Finding> {
        let artifact = given.and_then(|given| given.artifact().ok().flatten());
        let barred = hooks.iter().filter_map(|hook| {
            let template = Template::of_line(self.text(*hook)?).ok()?;
            // Its program is in what is to be copied.
            if template.runs_the_artifact() {
                return None;
            }
            let why = template.program(artifact, slot).err()?.context(hook.name());
            Some(Finding::refused("hook", &why, "correct the hook"))
        });
        barred.collect()
    }
}

fn words(text: &str, beside: &Plan) -> Result<Vec<String>> {
    let Plan { slot, release, surroundings, .. } = beside;
    let (release, artifact, path) = (release.name.as_str(), release.artifact.as_deref(), surroundings.path());
    Template::of_line(text)?.fill(&Blanks { slot, release, artifact, path })
}

/// Runs the command of the plan to its end, and ends what is left of its group.
fn carry_out(plan: &Plan, within: Duration) -> Result<()> {
    // A signal is heeded once the command has been told, so it must not end this process before.
    let heeded: SigSet = heeded().into_iter().collect();
    let before = heeded.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("block signals")?;
    let signals = SignalFd::with_flags(&heeded, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
    let ended = signals.context("listen for signals").and_then(|signals| {
        let mut child = begin(plan)?;
        accompany(&mut child, within, &signals)
    });
    before.thread_set_mask().context("unblock signals")?;
    ended
}

fn begin(plan: &Plan) -> Result<Child> {
    let (mut ours, theirs) = UnixStream::pair().context("make a socket pair")?;
    let output = std::io::stderr().as_fd().try_clone_to_owned().context("share stderr")?;
    let mut child = hold(plan, theirs, File::from(output))?;
    let mut refusal = String::new();
    let begun = ours.write_all(BOUND).and_then(|()| ours.read_to_string(&mut refusal));
    if begun.is_err() || !refusal.is_empty() {
        child.wait().context("wait")?;
        bail!("{refusal}");
    }
    Ok(child)
}

/// How the wait for a hook ended.
enum Waited {
    Ended,
    Late,
    Interrupted(String),
}

fn accompany(child: &mut Child, within: Duration, signals: &SignalFd) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(child.id()).context("its pid")?);
    let waited = wait(pid, within, signals);
    if !matches!(waited, Ok(Waited::Ended)) {
        let _ = killpg(pid, Signal::SIGTERM);
        let _ = wait(pid, GRACE, signals);
    }
    // It is not yet reaped, so the number is still its group's.
    let _ = killpg(pid, Signal::SIGKILL);
    let status = child.wait().context("wait")?;
    let failed = |how: String| {
        Exit::Unhealthy
            .refuse(format!("{how}. Nothing was stopped or started"), "see what it wrote, mend that, and deploy again")
    };
    match (waited?, status.code(), status.signal()) {
        (Waited::Ended, Some(0), _) => Ok(()),
        (Waited::Ended, Some(code), _) => Err(failed(format!("exit {code}"))),
        (Waited::Ended, None, signal) => Err(failed(format!("killed by signal {}", signal.unwrap_or_default()))),
        (Waited::Late, ..) => Err(failed(format!("it had not ended within {} and was ended", say::seconds(within)))),
        (Waited::Interrupted(signal), ..) => bail!("{signal} ended it"),
    }
}

fn wait(pid: Pid, within: Duration, signals: &SignalFd) -> Result<Waited> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    let waited = Deadline::within(within).poll(LOOK_EVERY, || {
        if waitid(Id::Pid(pid), flags).context("wait")? != WaitStatus::StillAlive {
            return Ok(Some(Waited::Ended));
        }
        let heard = signals.read_signal().context("listen for signals")?;
        let signal = heard.and_then(|heard| Signal::try_from(i32::try_from(heard.ssi_signo).ok()?).ok());
        Ok(signal.map(|signal| Waited::Interrupted(signal.to_string())))
    })?;
    Ok(waited.unwrap_or(Waited::Late))
}
