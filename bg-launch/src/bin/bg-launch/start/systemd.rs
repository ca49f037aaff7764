//! Starting a release as a transient unit of systemd (`systemd-run(1)`).
//!
//! systemd starts it again when it crashes, keeps its output in the journal and its processes in one control group.
//! Limits, hardening and the application's own variables are the operator's, in drop-ins: `bg-APP-SLOT.service.d`, or
//! `bg-APP-.service.d` for both slots (`systemd.unit(5)`).

use crate::start::exec;
use crate::start::plan::Plan;
use anyhow::{Context, Result, bail};
use bg_launch::{Grace, unit};
use bg_probe::os::oom::{may_put, place_of, put};
use bg_probe::os::process::{Process, boot_id};
use bg_probe::os::replace;
use bg_probe::say::exit::Exit;
use bg_probe::say::{Voice, quoted};
use bg_probe::site::advice::Advice;
use bg_probe::site::first_to_go::{FIRST, to_be_left};
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::unit::{State, Unit};
use nix::unistd::geteuid;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

/// The longest time to stop that is passed on: nobody waits longer, and systemd takes no number of any length.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Refuses where no unit could be started, before anything is stopped: `last` is what the slot's unit may run.
///
/// # Errors
/// When systemd can't be asked; [`Exit::Unsure`] when the unit runs, but not for this folder's slot.
pub(crate) fn ensure_possible(site: &Site, slot: &Slot, last: Option<&Launched>) -> Result<()> {
    // The test of sd_booted(3).
    if !Path::new("/run/systemd/system").is_dir() {
        let session = Advice::setting(site, "launch", "via", "session");
        let remedy = format!("have the release run in a session of its own: {session}");
        return Err(Exit::Refused.refuse("--via systemd: systemd does not run this machine", remedy));
    }
    let unit = Unit::of(&site.app, &slot.name);
    let state = unit.state()?;
    let is_ours = last.is_some_and(|last| last.unit.as_ref() == Some(&unit) && state.is_up_with(&last.release));
    if state.is_up && !is_ours {
        let dir = site.dir.root().display();
        return Err(Exit::Unsure.refuse(
            format!("{unit} runs already, and was not started for {dir}: nothing was touched"),
            format!("give this application another name with --app, or stop that one with: {}", unit.by_hand("stop")),
        ));
    }
    Ok(())
}

/// Starts it as the slot's unit. The unit is written down before, so that nothing runs that no file names.
///
/// # Errors
/// When it can't be started, or not be written down.
pub(crate) fn start(plan: &Plan) -> Result<Launched> {
    let unit = Unit::of(&plan.site.app, &plan.slot.name);
    unit::forget(&unit)?;
    let boot_id = boot_id().context("read the id of this boot")?;
    let not_yet = Process { pid: 0, start_ticks: 0, boot_id };
    let launched = Launched { unit: Some(unit.clone()), ..plan.launched(not_yet) };
    plan.write_down(&launched)?;
    let begun = run(plan, &unit).and_then(|()| with_its_process(plan, &unit, launched));
    if begun.is_err() {
        // The failure counts. Where systemd would go on trying, the next launch or --stop ends that.
        let grace = Grace { signal: plan.mode.stop_signal, within: Duration::ZERO, voice: Voice::default() };
        let _ = unit::stop(&unit, &plan.release.name, grace);
    }
    begun
}

/// Asks systemd which process it has started, and writes that down too.
fn with_its_process(plan: &Plan, unit: &Unit, mut launched: Launched) -> Result<Launched> {
    let state = unit.state()?;
    launched.process.pid = state.last_main;
    // A process that has ended already gets a start time that no other process has.
    launched.process.start_ticks = Process::with_pid(state.last_main).map_or(0, |process| process.start_ticks);
    launched.oom_score_adj = to_be_left(state.last_main).filter(|_| plan.gives_way());
    plan.write_down(&launched)?;
    if let Some(place) = launched.oom_score_adj {
        make_first_to_go(&state, place);
    }
    Ok(launched)
}

/// Makes what a unit runs the first to go when memory runs out. Not by the unit's own `OOMScoreAdjust=`, with which
/// systemd would start it again when it crashes, live or not. A failure is no reason not to start it.
fn make_first_to_go(state: &State, from: i32) {
    let members = state.members().unwrap_or_default();
    for pid in members.into_iter().filter(|pid| place_of(*pid) == Some(from) && may_put(*pid)) {
        let _ = put(pid, FIRST);
    }
}

/// Writes the variables of the settings file down for systemd, which reads them at each start, and where. The properties of a
/// unit are for everybody to read, and a file is not: it may hold secrets.
fn keep_variables(plan: &Plan) -> Result<String> {
    let path = plan.site.dir.environment(&plan.slot.name);
    let lines =
        plan.surroundings.variables().map(|(name, value)| assignment(name, value)).collect::<Result<String>>()?;
    replace::own_file(&path, lines.as_bytes(), 0o600)?;
    Ok(path.to_str().context("the folder's path is not UTF-8")?.to_owned())
}

/// A variable as it stands in such a file (`EnvironmentFile=` of `systemd.exec(5)`).
fn assignment(name: &OsStr, value: &OsStr) -> Result<String> {
    let name = name.to_str().context("the name of a variable is not UTF-8")?;
    let value = value.to_str().with_context(|| format!("the value of {name} is not UTF-8"))?;
    let escaped = value.chars().fold(String::new(), |mut text, c| {
        if "\"\\`$".contains(c) {
            text.push('\\');
        }
        text.push(c);
        text
    });
    Ok(format!("{name}=\"{escaped}\"\n"))
}

fn run(plan: &Plan, unit: &Unit) -> Result<()> {
    let mut run = unit.tool("systemd-run");
    run.args(["--quiet", "--service-type=exec"]).arg(format!("--unit={}", unit.name()));
    run.arg(format!("--description={} {}", plan.site.app, plan.release.name));
    run.arg("--property=Restart=on-failure").arg("--property=RestartSec=1s");
    // 143 is what a JVM ends with after SIGTERM. What ends of the signal that asks for it has not failed.
    let signal = plan.mode.stop_signal;
    run.arg("--property=KillMode=control-group").arg(format!("--property=KillSignal=SIG{signal}"));
    run.arg(format!("--property=SuccessExitStatus=143 SIG{signal}"));
    // Zero would mean for ever.
    let stop = plan.mode.stop_timeout.clamp(Duration::from_millis(1), LONGEST).as_millis();
    run.arg(format!("--property=TimeoutStopSec={stop}ms"));
    let workdir = plan.mode.workdir(plan.site, plan.slot);
    run.arg(format!("--working-directory={}", workdir.to_str().context("the folder's path is not UTF-8")?));
    run.arg(format!("--property=EnvironmentFile={}", keep_variables(plan)?));
    run.args(plan.variables()?.into_iter().map(|(name, value)| format!("--setenv={name}={value}")));
    if let Some(user) = plan.mode.user.as_ref().filter(|_| geteuid().is_root()) {
        run.arg(format!("--uid={}", user.name));
    }
    let ran = run.arg("--").args(exec::words(plan.command)?).output().context("run systemd-run")?;
    if ran.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&ran.stderr);
    let why = if why.trim().is_empty() { "it could not be executed".into() } else { quoted(why.trim()) };
    bail!("systemd did not start {} as {unit}: {why} (see {})", plan.command[0], unit.journal())
}
