//! Several hosts on one machine: each with a root, processes and a network of its own, HAProxy in front of them, and the
//! place from which Ansible reaches them.
//!
//! All of it is in one room of namespaces, and the room ends with its first process, whatever becomes of the test: mounts,
//! networks and processes with it. Nothing leaves it, for its bridge leads nowhere.

use bg_tests::{debian, programs, until};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long a machine with other work may take for something that takes no time.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Where HAProxy listens; hosts have the numbers from 1 on.
pub(crate) const BALANCER: &str = "10.99.0.100";

/// How HAProxy asks whether a host is to get visitors.
const CHECK: &str = "http-check send meth GET uri /_bg/ready hdr Host www.example.com";

/// The room: a place for names of networks, a bridge, and whoever controls the hosts on it.
const ROOM: &str = "
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add br0 type bridge
ip addr add 10.99.0.254/24 dev br0
ip link set br0 up
: >\"$1/ready\"
sleep infinity & wait";

/// A network called `$1`, plugged into the bridge, with the address `$2`.
const NETWORK: &str = "
ip netns add $1
ip link add $1 type veth peer name eth0 netns $1
ip link set $1 master br0 up
ip -n $1 link set lo up
ip -n $1 addr add $2/24 dev eth0
ip -n $1 link set eth0 up
ip -n $1 route add default via 10.99.0.254";

/// The first process of a host: what an init does at boot.
const INIT: &str = "#!/bin/sh
hostname \"$1\"
echo \"127.0.0.1 localhost $1\" >/etc/hosts
: >/etc/resolv.conf
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
chmod 1777 /tmp
mkdir -p /run/sshd /run/lock
/usr/sbin/sshd -o AuthorizedKeysFile=/etc/ssh/keys -o MaxStartups=200 -o MaxSessions=200
! test -e /etc/nginx/conf.d/web.conf || nginx
for settings in /etc/bg/*.env; do
    ! test -e \"$settings\" || setpriv --reuid deploy --regid deploy --init-groups bg-launch --env-file \"$settings\" --live
done
sleep infinity & wait
";

/// The room, and what is in it.
pub(crate) struct Lab {
    room: Child,
    leader: u32,
    pub(crate) hosts: Vec<Host>,
    folder: TempDir,
}

/// One host, by its number and what it is called.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: String,
    /// In the room, the process that the host ends with.
    keeper: u32,
}

impl Lab {
    /// Makes a room with so many hosts, which run sshd and nothing else of interest.
    #[track_caller]
    pub(crate) fn new(hosts: usize) -> Lab {
        let folder = tempfile::Builder::new().prefix("bg-lab-").tempdir().expect("a temporary folder");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]);
        command.args(["--mount-proc", "sh", "-eu", "-c", ROOM, "sh"]).arg(folder.path()).stdin(Stdio::null());
        let room = command.spawn().expect("setpriv(1)");
        until(SOON, "the room is there", || folder.path().join("ready").exists());
        let leader = child_of(room.id()).expect("the room's first process");
        let mut lab = Lab { room, leader, hosts: Vec::new(), folder };
        lab.make_keys();
        for number in 1..=hosts {
            lab.add_host(number);
        }
        lab
    }

    /// The folder of everything that is of this lab alone.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make_keys(&self) {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.path("key"));
        assert!(keygen.status().expect("ssh-keygen, which comes with ssh").success());
        let host = fs::read_to_string(debian::of_a_host().join("etc/ssh/ssh_host_ed25519_key.pub"));
        let known = format!("10.99.* {}", host.expect("the key that Debian makes"));
        fs::write(self.path("known_hosts"), known).expect("a folder of ours");
    }

    #[track_caller]
    fn add_host(&mut self, number: usize) {
        let (name, address) = (format!("h{number}"), format!("10.99.0.{number}"));
        for layer in ["upper", "work", "root"] {
            fs::create_dir_all(self.path(&name).join(layer)).expect("a folder of ours");
        }
        let (lower, of) = (debian::of_a_host(), self.path(&name));
        let [upper, work, root] = ["upper", "work", "root"].map(|layer| of.join(layer).display().to_string());
        self.ok(&format!("set -- {name} {address}\n{NETWORK}"));
        self.ok(&format!(
            "mount -t overlay overlay -o lowerdir={},upperdir={upper},workdir={work} {root}
             mount --rbind /dev {root}/dev",
            lower.display()
        ));
        self.hosts.push(Host { name, address, keeper: 0 });
        let host = self.hosts.last().expect("just pushed");
        self.write(host, "/sbin/lab-init", INIT);
        self.ok(&format!(
            "chmod 755 {root}/sbin/lab-init; cp {} {root}/etc/ssh/keys
             cp {} {root}/usr/local/bin/",
            self.path("key.pub").display(),
            programs::ours("fake-app").display()
        ));
        self.boot(number - 1);
    }

    /// Starts a host, again after [`Lab::end`].
    #[track_caller]
    pub(crate) fn boot(&mut self, host: usize) {
        let name = &self.hosts[host].name;
        let of = self.path(name).display().to_string();
        let keeper = self.ok(&format!(
            "ip netns exec {name} unshare --mount --uts --pid --fork --kill-child --mount-proc --root={of}/root \
             /sbin/lab-init {name} </dev/null >{of}/console 2>&1 & echo $!"
        ));
        self.hosts[host].keeper = keeper.parse().expect("a pid");
        let host = &self.hosts[host];
        until(SOON, "the host has booted", || {
            self.run(&format!("bash -c 'exec 3<>/dev/tcp/{}/22'", host.address)).status.success()
        });
    }

    /// Takes the power from a host: all its processes end at once.
    #[track_caller]
    pub(crate) fn end(&self, host: usize) {
        let keeper = self.hosts[host].keeper;
        self.ok(&format!("kill -KILL {keeper}"));
        until(SOON, "the host is down", || !self.run(&format!("kill -0 {keeper}")).status.success());
    }

    /// Pulls the network cable of a host, or puts it back.
    #[track_caller]
    pub(crate) fn plug(&self, host: usize, is_in: bool) {
        self.ok(&format!("ip link set {} {}", self.hosts[host].name, if is_in { "up" } else { "down" }));
    }

    /// A command in the room.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader.to_string(), "--mount", "--net", "--pid"]).arg(program);
        command
    }

    /// Runs lines of shell in the room.
    pub(crate) fn run(&self, lines: &str) -> Output {
        let mut shell = self.command(Path::new("/bin/sh"));
        shell.args(["-eu", "-c", lines]).stdin(Stdio::null()).output().expect("nsenter(1)")
    }

    /// The same for lines that must succeed; what they printed.
    #[track_caller]
    pub(crate) fn ok(&self, lines: &str) -> String {
        succeeded(lines, &self.run(lines))
    }

    /// Runs lines of shell on a host, as root, past ssh and its network; what they printed.
    #[track_caller]
    pub(crate) fn on(&self, host: usize, lines: &str) -> String {
        succeeded(lines, &self.try_on(host, lines))
    }

    /// The same for lines that may fail.
    #[track_caller]
    pub(crate) fn try_on(&self, host: usize, lines: &str) -> Output {
        let keeper = self.hosts[host].keeper;
        let first = self.ok(&format!("cat /proc/{keeper}/task/{keeper}/children"));
        let mut command = self.command(Path::new("nsenter"));
        command.args(["--target", first.trim(), "--mount", "--uts", "--net", "--pid", "--root", "--wd"]);
        command.args(["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
        command.args(["sh", "-eu", "-c", lines]).stdin(Stdio::null()).output().expect("nsenter(1)")
    }

    /// Writes a file on a host.
    #[track_caller]
    pub(crate) fn write(&self, host: &Host, path: &str, text: &str) {
        let here = self.path(&format!("{}-file", host.name));
        fs::write(&here, text).expect("a folder of ours");
        let root = self.path(&host.name).join("root");
        self.ok(&format!("cp {} {}{path}", here.display(), root.display()));
    }

    /// When each host's nginx was moved last, in seconds.
    #[track_caller]
    pub(crate) fn switched_at(&self) -> Vec<f64> {
        let at = |host| self.on(host, "stat -c %.9Z /var/lib/bg/web/live").parse().expect("a time");
        (0..self.hosts.len()).map(at).collect()
    }

    /// Puts HAProxy in front of all hosts, in a network of its own.
    #[track_caller]
    pub(crate) fn balance(&self) {
        let servers = self.hosts.iter().map(|host| format!("    server {} {}:80 check\n", host.name, host.address));
        let conf = format!(
            "global\n    log stderr local0 err\n    stats socket {socket} mode 600 level admin\n\
             defaults\n    mode http\n    timeout connect 1s\n    timeout client 10s\n    timeout server 2s\n    \
             option redispatch 1\n    retries 3\n    retry-on conn-failure empty-response response-timeout\n\
             frontend web\n    bind {BALANCER}:80\n    http-request set-header Host www.example.com\n    default_backend hosts\n\
             backend hosts\n    balance roundrobin\n    option httpchk\n    {CHECK}\n    \
             default-server inter 200ms fall 1 rise 1\n{}",
            servers.collect::<String>(),
            socket = self.path("haproxy.sock").display(),
        );
        fs::write(self.path("haproxy.cfg"), conf).expect("a folder of ours");
        self.ok(&format!("set -- lb {BALANCER}\n{NETWORK}"));
        let (haproxy, of) = (programs::of_the_system("haproxy"), self.folder.path().display());
        self.ok(&format!(
            "ip netns exec lb {} -f {of}/haproxy.cfg </dev/null >{of}/haproxy.log 2>&1 &",
            haproxy.display()
        ));
        until(SOON, "HAProxy answers", || self.get(&format!("{BALANCER}/version")).is_some());
    }

    /// Waits until the balancer sends visitors to a host: it looks every now and then, and not at once.
    #[track_caller]
    pub(crate) fn is_balanced(&self, at: usize) {
        let of = format!("hosts,{},", self.hosts[at].name);
        let is_up = || {
            let mut socket = UnixStream::connect(self.path("haproxy.sock")).ok()?;
            socket.write_all(b"show stat\n").ok()?;
            let mut text = String::new();
            socket.read_to_string(&mut text).ok()?;
            Some(text.lines().any(|line| line.starts_with(&of) && line.contains(",UP,")))
        };
        until(SOON, "the balancer sends visitors to the host", || is_up().unwrap_or_default());
    }

    /// The body of an answer with 200 to a request from the room.
    pub(crate) fn get(&self, address: &str) -> Option<String> {
        let answered = self.run(&format!("curl -sS -m 5 --fail -H 'Host: www.example.com' http://{address}"));
        answered.status.success().then(|| String::from_utf8_lossy(&answered.stdout).trim().to_owned())
    }

    /// What each host's nginx serves.
    pub(crate) fn versions(&self) -> Vec<String> {
        let of = |host: &Host| self.get(&format!("{}/version", host.address)).unwrap_or_else(|| "nothing".to_owned());
        self.hosts.iter().map(of).collect()
    }

    /// Visitors of the balancer, who come until they are counted.
    #[track_caller]
    pub(crate) fn visitors(&self) -> Visitors {
        let mut traffic = self.command(&programs::ours("traffic"));
        traffic.arg(format!("http://{BALANCER}:80/version"));
        let traffic = traffic.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Visitors(traffic.expect("a program of ours"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The room ends with the process that made it, and all that is in it ends with the room.
        let _ = self.room.kill().and_then(|()| self.room.wait());
    }
}

/// Visitors, who come one after the other, some hundred a second.
pub(crate) struct Visitors(Child);

impl Visitors {
    /// Ends them; how many requests there were, how many failed, and all that was said of that.
    #[track_caller]
    pub(crate) fn counted(mut self) -> (u64, u64, String) {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output().expect("a child of ours");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = said.lines().next().unwrap_or_default();
        let numbers: Vec<u64> = first.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
        let [sent, failed] = numbers.try_into().unwrap_or_else(|_| panic!("no counts in {said:?}"));
        (sent, failed, said)
    }
}

/// The first child of a process.
fn child_of(pid: u32) -> Option<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.split_ascii_whitespace().next()?.parse().ok()
}

#[track_caller]
fn succeeded(lines: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{lines}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}
