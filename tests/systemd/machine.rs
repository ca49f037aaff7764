//! A machine with systemd: a small Debian in a folder, booted by systemd-nspawn, on this machine's network.

use bg_tests::ports::Port;
use bg_tests::{debian, http, programs, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const BOOT_WITHIN: Duration = Duration::from_secs(90);

/// How long the others may take, and before them debootstrap.
const TURN_WITHIN: Duration = Duration::from_secs(1200);

/// The UDP port that says that there is a machine; just below those of the tests.
const ONE_AT_A_TIME: u16 = 9_999;

const OURS: [&str; 6] = ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy", "fake-app"];

/// A machine that runs.
pub(crate) struct Machine {
    booted: Option<Child>,
    ports: [Port; 3],
    _only: UdpSocket,
    folder: TempDir,
}

/// What a command in the machine said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// Boots a machine with nginx as its nginx.service, our site in the link form, and our programs.
    #[track_caller]
    pub(crate) fn boot() -> Machine {
        let only = the_only_one();
        let folder = tempfile::Builder::new().prefix("bg-machine-").tempdir().expect("a temporary folder");
        debian::install(&folder.path().join("root"));
        let mut machine =
            Machine { booted: None, ports: [Port::free(), Port::free(), Port::free()], _only: only, folder };
        for program in OURS {
            let to = machine.path("/usr/local/bin").join(program);
            fs::copy(programs::ours(program), &to).expect("room for a program");
        }
        machine.write("/etc/bg/web.env", &machine.settings());
        machine.start();
        machine.ok("rm /etc/nginx/sites-enabled/default
             bg-switch --print-upstream >/etc/nginx/conf.d/service-url.inc
             bg-switch --print-site --listen $LISTEN >/etc/nginx/conf.d/web.conf
             systemctl restart nginx");
        machine
    }

    fn settings(&self) -> String {
        let [front, first, second] = self.ports.each_ref().map(Port::number);
        format!(
            "BG_APP=web\nBG_SLOTS=set1={first},set2={second}\nBG_FRONT=http://127.0.0.1:{front}/_bg/slot\n\
             BG_DIR=/var/lib/bg/web\nBG_LAUNCH_VIA=systemd\nLISTEN=127.0.0.1:{front}\n"
        )
    }

    /// Boots it, again after [`Machine::shut_down`] or [`Machine::lose_power`].
    #[track_caller]
    pub(crate) fn start(&mut self) {
        // Its mounts are its own business, and it ends with the test, however that ends.
        let script = "mkdir -p /run/systemd/nspawn && mount -t tmpfs tmpfs /run/systemd/nspawn && exec \"$@\"";
        let mut nspawn = Command::new("setpriv");
        nspawn.args(["--pdeathsig", "TERM", "unshare", "--mount", "sh", "-c", script, "sh"]);
        nspawn.arg(programs::of_the_system("systemd-nspawn"));
        nspawn.args(["--quiet", "--boot", "--register=no", "--console=read-only"]);
        // Without a systemd there is nobody who could give it a control group of its own.
        nspawn.args((!Path::new("/run/systemd/system").exists()).then_some("--keep-unit"));
        nspawn.arg("--directory").arg(self.folder.path().join("root"));
        let output = fs::File::create(self.folder.path().join("console")).expect("a folder of ours");
        let output = (output.try_clone().expect("a file of ours"), output);
        nspawn.stdin(Stdio::null()).stdout(output.0).stderr(output.1);
        self.booted = Some(nspawn.spawn().expect("setpriv(1)"));
        until(BOOT_WITHIN, "the machine has booted", || {
            let state = self.leader().map(|_| self.run("systemctl is-system-running").stdout);
            state.is_some_and(|state| matches!(state.trim(), "running" | "degraded"))
        });
    }

    /// Ends it in good order, as `poweroff` does.
    #[track_caller]
    pub(crate) fn shut_down(&mut self) {
        let mut booted = self.booted.take().expect("it runs");
        // systemd-nspawn hands that on to the machine's systemd as a request to power off.
        signal(i32::try_from(booted.id()).expect("a pid fits"), Signal::SIGTERM);
        until(BOOT_WITHIN, "the machine has shut down", || booted.try_wait().expect("a child of ours").is_some());
    }

    /// Ends it between two instructions.
    #[track_caller]
    pub(crate) fn lose_power(&mut self) {
        let mut booted = self.booted.take().expect("it runs");
        end(&mut booted);
    }

    /// Runs a line of shell in it, as root and with our settings.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Said {
        let leader = self.leader().expect("the machine runs");
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &leader.to_string(), "--all", "env", "-i"]);
        nsenter.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        nsenter.args(["sh", "-c", &format!("cd /; set -a; . /etc/bg/web.env; set +a\n{line}")]);
        Said::of(nsenter.stdin(Stdio::null()).output().expect("nsenter(1)"))
    }

    /// The same for a line that must succeed; what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        let said = self.run(&format!("set -e\n{line}"));
        assert_eq!(said.code, Some(0), "{line}: {}{}", said.stdout, said.stderr);
        said.stdout.trim().to_owned()
    }

    /// Writes a file in it.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder of ours");
        fs::write(path, text).expect("a folder of ours");
    }

    /// A property of one of its units.
    #[track_caller]
    pub(crate) fn property(&self, unit: &str, property: &str) -> String {
        self.ok(&format!("systemctl show -P {property} {unit}"))
    }

    /// The body of an answer through its nginx; empty where there is none.
    pub(crate) fn get(&self, path: &str) -> String {
        body(&self.ports[0], path)
    }

    /// The same past nginx, from `set1` or `set2`.
    pub(crate) fn get_slot(&self, slot: &str, path: &str) -> String {
        body(&self.ports[if slot == "set1" { 1 } else { 2 }], path)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }

    /// The machine's first process, by its number on this one.
    fn leader(&self) -> Option<i32> {
        leader_of(self.booted.as_ref()?)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && self.leader().is_some() {
            eprintln!("{}", self.run("journalctl --no-pager -n 40").stdout);
        }
        let Some(mut booted) = self.booted.take() else { return };
        end(&mut booted);
    }
}

fn leader_of(booted: &Child) -> Option<i32> {
    let pid = booted.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let leader = children.split_ascii_whitespace().next()?.parse().ok()?;
    // Until it has become that, it is still on its way into the machine.
    let name = fs::read_to_string(format!("/proc/{leader}/comm")).ok()?;
    (name.trim() == "systemd").then_some(leader)
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn body(port: &Port, path: &str) -> String {
    let url = format!("http://127.0.0.1:{}{path}", port.number());
    http::get(&url).map(|answer| answer.body).unwrap_or_default()
}

/// Waits until there is no other machine, of this run or another one: side by side on a machine without systemd they
/// would have their control groups in common, and take each other's processes for their own.
#[track_caller]
fn the_only_one() -> UdpSocket {
    let mut claim = None;
    until(TURN_WITHIN, "there is no other machine", || {
        claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, ONE_AT_A_TIME)).ok();
        claim.is_some()
    });
    claim.expect("it was bound")
}

/// Ends a machine at once. All its processes end with its first one, and only so.
fn end(booted: &mut Child) {
    match leader_of(booted) {
        Some(leader) => signal(leader, Signal::SIGKILL),
        None => drop(booted.kill()),
    }
    // It has ended, or nobody could end it.
    let _ = booted.wait();
}

fn signal(pid: i32, signal: Signal) {
    // That it has ended is no failure.
    let _ = kill(Pid::from_raw(pid), signal);
}
