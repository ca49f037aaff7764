//! The command line of `bg-launch`.

use crate::hooks::Hooks;
use crate::manner::Manner;
use crate::order::{Order, What};
use crate::release::given::Given;
use crate::start::mode::{Via, Wish};
use crate::stop::Clearing;
use bg_launch::Grace;
use bg_probe::cli::command_line::Program;
use bg_probe::cli::preflight::Check;
use bg_probe::os::span::Span;
use bg_probe::os::stop_signal::StopSignal;
use bg_probe::say::Voice;
use bg_probe::site::lock::Wait;
use bg_probe::site::settings::Settings;
use bg_probe::site::slot::Choice;
use clap::Parser;
use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};
use std::path::PathBuf;

/// Put a release into a slot and start it
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own, and clap keeps them apart")]
#[command(name = Args::NAME, version, after_help = AFTER)]
pub(crate) struct Args {
    /// The file or folder to deploy; of several, -plain, -sources and -javadoc jars are passed over
    pub(crate) artifact: Vec<PathBuf>,
    /// How to start it, with {slot} {port} {artifact} {release} filled in
    /// [default for a jar: java $JAVA_OPTS -Dspring.profiles.active={slot} -jar {artifact}]
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
    /// Launch into this slot (idle, live or its name), and read no record
    #[arg(long, env = "BG_LAUNCH_SLOT", value_name = "SLOT")]
    pub(crate) slot: Option<Choice>,
    /// Make sure that the live slot's release runs; silent if it does (for cron)
    #[arg(long, conflicts_with_all = ["slot", "current", "release", "stop", "artifact", "command"])]
    pub(crate) live: bool,
    /// Start the release that the slot holds already, unless it runs
    #[arg(long, conflicts_with_all = ["stop", "artifact", "command"])]
    pub(crate) current: bool,
    /// Put a release that is on disk into the slot, and start it by the command that is kept with it; the first
    /// letters of its name are enough
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(),
        conflicts_with_all = ["current", "stop", "artifact", "command"])]
    pub(crate) release: Option<String>,
    /// Stop what is in the slot, start nothing, print no record; with the record of its launch on stdin, the
    /// slot holds again what it held before
    #[arg(long, conflicts_with_all = ["artifact", "command"])]
    pub(crate) stop: bool,
    /// Have the companion of BG_LAUNCH_COMPANION follow nginx, behind bg-switch: one of another release is stopped
    /// first; with --stop, it is only stopped
    #[arg(long, conflicts_with_all = ["live", "current", "release", "after", "artifact", "command"])]
    pub(crate) companion: bool,
    /// Launch nothing where the live slot runs this very artifact, by this command, with this environment and as this user
    #[arg(long, conflicts_with_all = ["slot", "live", "current", "release", "stop", "companion", "print_unit"])]
    pub(crate) if_changed: bool,
    /// Print as JSON whether that is so, and launch nothing
    #[arg(long, conflicts_with_all = ["live", "current", "release", "stop", "companion", "print_unit"])]
    pub(crate) compare: bool,
    #[command(flatten)]
    pub(crate) later: Later,
    /// Take over a process of the same user that bg-launch did not start
    #[arg(long, env = "BG_LAUNCH_ADOPT", value_parser = FalseyValueParser::new())]
    pub(crate) adopt: bool,
    /// Wait up to this long until the slot's last connection is closed
    #[arg(long, env = "BG_LAUNCH_DRAIN", default_value = "10s", value_name = "DURATION")]
    pub(crate) drain: Span,
    /// Start it in a session of its own, or as the unit bg-APP-SLOT.service of systemd
    /// [default: session; with --current, --release and --live as the slot was started last]
    #[arg(long, env = "BG_LAUNCH_VIA", value_enum)]
    pub(crate) via: Option<Via>,
    /// Run it as this user, where root launches it [default: the user who launches it; with --current,
    /// --release and --live as the slot was started last]
    #[arg(long, env = "BG_LAUNCH_USER", value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Kill the old process if it has not stopped within this time
    #[arg(long, env = "BG_LAUNCH_STOP_TIMEOUT", default_value = "30s", value_name = "DURATION")]
    pub(crate) stop_timeout: Span,
    /// Ask it to end by this signal, QUIT for unicorn [default: TERM; with --current, --release and
    /// --live as the slot was started last]; what runs is stopped by the signal it was launched with
    #[arg(long, env = "BG_LAUNCH_STOP_SIGNAL", value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<StopSignal>,
    /// Keep this many releases, and this many logs a slot
    #[arg(long, env = "BG_LAUNCH_KEEP", default_value_t = 5, value_name = "N")]
    pub(crate) keep: usize,
    /// Run it in this folder [default: DIR/slots/SLOT/work]
    #[arg(long, env = "BG_LAUNCH_WORKDIR", value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    /// Print a unit of systemd that starts the live slot again after a reboot, with these settings
    #[arg(long, conflicts_with_all = ["live", "slot", "current", "release", "stop", "companion", "artifact", "command"])]
    pub(crate) print_unit: bool,
    #[command(flatten)]
    pub(crate) wait: Wait,
    #[command(flatten)]
    pub(crate) voice: Voice,
    #[command(flatten)]
    pub(crate) check: Check,
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(flatten)]
    pub(crate) hooks: Hooks,
}

/// Stopping a slot later.
#[derive(clap::Args, Debug)]
pub(crate) struct Later {
    /// Leave the --stop to a process that waits this long first, and end immediately; it stops only what
    /// runs now, and not if that is live by then
    #[arg(long, requires = "stop", conflicts_with_all = ["current", "release", "artifact", "command"],
        value_name = "DURATION")]
    pub(crate) after: Option<Span>,
    /// Be that process
    #[arg(long, hide = true, requires = "after")]
    pub(crate) detached: bool,
}

impl Args {
    /// What this command line asks for.
    pub(crate) fn order(self) -> Order {
        let stop_timeout = *self.stop_timeout;
        let stop_signal = self.stop_signal;
        let wish = Wish { via: self.via, user: self.user, workdir: self.workdir, stop_timeout, stop_signal };
        let grace = Grace { signal: stop_signal.unwrap_or_default(), within: stop_timeout, voice: self.voice };
        let clearing = Clearing { adopt: self.adopt, thorough: self.stop, drain: *self.drain, grace };
        let given = Given { files: self.artifact, command: self.command, if_changed: self.if_changed };
        let (slot, wait, keep, hooks) = (self.slot, self.wait, self.keep, self.hooks);
        let named = self.release.map(What::Named).or_else(|| self.current.then_some(What::Current));
        // Before anything else: a preflight starts nothing.
        if self.check.of_record {
            return Order::Foresee { what: named.unwrap_or(What::New(given)), wish, hooks, adopt: self.adopt };
        }
        if self.check.check {
            return Order::Preflight { given, wish, hooks, adopt: self.adopt, json: self.check.json };
        }
        if self.compare {
            return Order::Compare { slot, given, wish };
        }
        if self.print_unit {
            return Order::PrintUnit { wish, keep };
        }
        if self.live {
            return Order::Revive { wait, manner: Manner { wish, clearing, hooks, keep } };
        }
        if self.companion {
            return if self.stop {
                Order::StopCompanion { wait, clearing }
            } else {
                Order::Companion { slot, wait, manner: Manner { wish, clearing, hooks, keep } }
            };
        }
        if self.stop {
            return match self.later.after {
                Some(after) if self.later.detached => Order::StopDetached { slot, after: *after, clearing, hooks },
                Some(after) => Order::StopLater { slot, after: *after, clearing, hooks },
                None => Order::Stop { slot, wait, clearing },
            };
        }
        Order::Launch {
            slot,
            what: named.unwrap_or(What::New(given)),
            wait,
            manner: Manner { wish, clearing, hooks, keep },
        }
    }
}

impl Program for Args {
    const NAME: &'static str = "bg-launch";

    fn shared(&mut self) -> (&mut Settings, &mut Voice) {
        (&mut self.settings, &mut self.voice)
    }
}

const AFTER: &str = "\
Examples:
  bg-probe | bg-launch build/libs/*.jar | bg-health | bg-switch
  bg-launch --slot idle server -- {artifact} --port {port}
  bg-launch --slot idle dist -- node {artifact}/server.js
  bg-launch --slot set1 --current
  bg-probe | bg-launch app.jar | bg-health | bg-switch | bg-launch --companion
  bg-launch --slot idle --release 20261121T211357Z
  bg-launch --slot idle --stop --after 5m
  bg-launch --print-unit | sudo tee /etc/systemd/system/bg-web.service
  * * * * *  bg-launch --live        (a line of a crontab, also for @reboot)

The application gets BG_APP, BG_SLOT, BG_RELEASE, BG_LIVE, PORT and
SERVER_PORT, and the rest of the environment but for other BG_* and the marks
of CI runners. The file $BG_LIVE is there while the slot is live.
BG_LAUNCH_COMMAND is the COMMAND where none is given, and BG_LAUNCH_COMPANION
that of what runs once beside it, as a queue's worker: kept with the release. For a jar, java is
$JAVA_HOME/bin/java where JAVA_HOME is set, else the one on PATH. The command
must stay in the foreground. It runs in a session of its own, and its output
goes to DIR/slots/SLOT/logs/app.log.

--via systemd starts it again when it crashes, and its output goes to the
journal. Of the variables it gets those of the --env-file alone; more of them,
limits and hardening are those of drop-ins, as
/etc/systemd/system/bg-APP-.service.d/*.conf for both slots. For a user other
than root, it is that user's own systemd (systemctl --user).

--live prints nothing and exits 0 where the release runs, and where another
deploy holds the lock.

Exit codes:
  0  done: it runs (bg-health finds out whether it is healthy)
  1  the system refused: the artifact, java, the disk, a permission
  2  usage
  3  no record on stdin, or one that is not valid
  4  --before-launch or --before-rollback failed; nothing was stopped
  6  another deploy holds the lock
  7  the slot is live or may be, or its port is held by a process that bg-launch did not start;
     or what serves or the folder is another application's";
