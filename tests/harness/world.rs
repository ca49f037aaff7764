//! A [`World`]: one application's server in a temporary folder, as the programs under test see it.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use crate::http::{self, Response};
use crate::ports::Port;
use crate::{Nginx, process, programs, until};

/// Marks every process of a world, so that none outlives it.
const MARK: &str = "WORLD_OF_THE_TEST";

/// A server with one nginx and one application in two slots, `set1` and `set2`.
///
/// It begins as the scripts' one does: nginx runs, the upstream file is in the reload form and
/// points at set1, and nothing runs in either slot.
#[derive(Debug)]
pub struct World {
    /// The private nginx.
    pub nginx: Nginx,
    slots: [(&'static str, Port); 2],
    variables: Vec<(String, String)>,
    /// Whether the settings stand in a file, and in no variable.
    is_by_file: bool,
    more_ports: Mutex<Vec<Port>>,
    folder: TempDir,
}

impl World {
    /// Builds the server and starts its nginx.
    #[track_caller]
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("bg-world-").tempdir().expect("a temporary folder");
        // nginx's workers run as nobody and look inside.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a folder of ours");
        let slots = [("set1", Port::free()), ("set2", Port::free())];
        let upstream = reload_form(slots[0].1.number());
        let nginx = Nginx::new(&folder.path().join("nginx"), &upstream);
        nginx.start();
        Self { nginx, slots, variables: Vec::new(), is_by_file: false, more_ports: Mutex::default(), folder }
    }

    /// Sets a variable for every program that is run from here on; it wins over the world's own.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has bg-deploy put version 1.0 into set1, which serves it then.
    #[track_caller]
    #[must_use]
    pub fn serving(self) -> Self {
        self.deploy(&["--version-text", "1.0"]).success();
        self
    }

    /// Starts fake-app in set1 as hand-made scripts do; nginx serves it.
    #[track_caller]
    #[must_use]
    pub fn set1_running(self) -> Self {
        self.start_fake("set1", &[]);
        self
    }

    /// Starts fake-app in both slots as hand-made scripts do; nginx serves set1.
    #[track_caller]
    #[must_use]
    pub fn both_running(self) -> Self {
        self.start_fake("set1", &[]);
        self.start_fake("set2", &[]);
        self
    }

    /// Changes nginx over to the link form: set1 serves unless `DIR/live` says set2.
    #[track_caller]
    #[must_use]
    pub fn link_form(self) -> Self {
        let group = |(name, port): &(&str, Port)| {
            let port = port.number();
            format!("upstream web_{name} {{ server 127.0.0.1:{port}; keepalive 16; keepalive_timeout 100ms; }}\n")
        };
        self.nginx.add_to_http("groups", &self.slots.each_ref().map(group).concat());
        self.nginx.add_to_location("keepalive", "proxy_http_version 1.1;\nproxy_set_header Connection \"\";\n");
        let link = self.dir().join("live/set2");
        self.nginx.write_upstream(&format!(
            "set $service_url http://web_set1;\nif (-f {}) {{ set $service_url http://web_set2; }}\n",
            link.display()
        ));
        self.nginx.reload();
        self
    }

    /// Has no setting in a variable from here on.
    pub(crate) fn in_a_file(&mut self) {
        self.is_by_file = true;
    }

    /// Any program with this world's environment, for a test that spawns, signals or kills it.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"BG_")) {
            command.env_remove(name);
        }
        command.env_remove("JAVA_HOME");
        let [(first, first_port), (second, second_port)] = &self.slots;
        let slots = format!("{first}={},{second}={}", first_port.number(), second_port.number());
        command.env("PATH", programs::path()).env(MARK, self.folder());
        if self.is_by_file {
            let others = self.variables.iter().filter(|(name, _)| !name.starts_with("BG_"));
            command.envs(others.map(|(name, value)| (name, value)));
            return command;
        }
        command
            .env("PATH", programs::path())
            .env(MARK, self.folder())
            .env("BG_APP", "web")
            .env("BG_SLOTS", slots)
            .env("BG_FRONT", self.nginx.front_url("/profile"))
            .env("BG_DIR", self.dir())
            .env("BG_UPSTREAM_FILE", self.nginx.upstream_file())
            .env("BG_NGINX", self.nginx.command_line())
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The COMMAND words that run fake-app with these flags.
    #[track_caller]
    #[must_use]
    pub fn fake_app(&self, flags: &[&str]) -> Vec<String> {
        let program = programs::ours("fake-app").display().to_string();
        [program].into_iter().chain(flags.iter().map(|&flag| flag.to_owned())).collect()
    }

    /// Starts fake-app in a slot as hand-made scripts do, and waits until it listens.
    #[track_caller]
    pub fn start_fake(&self, slot: &str, flags: &[&str]) -> u32 {
        let pid = self.spawn_fake(slot, flags);
        until(Duration::from_secs(10), &format!("fake-app listens in {slot}"), || self.listens(slot));
        pid
    }

    /// Starts fake-app in a slot as hand-made scripts do, whether or not it will ever listen.
    #[track_caller]
    pub fn spawn_fake(&self, slot: &str, flags: &[&str]) -> u32 {
        let mut child = self
            .command(&programs::ours("fake-app"))
            .args(flags)
            .env("BG_SLOT", slot)
            .env("PORT", self.port(slot).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("fake-app, which was found before");
        let pid = child.id();
        // Waited for at once, so that its end is seen by those who look for the process.
        thread::spawn(move || child.wait());
        pid
    }

    /// GET a path through nginx, on a fresh connection.
    #[track_caller]
    #[must_use]
    pub fn get(&self, path: &str) -> Response {
        let url = self.nginx.front_url(path);
        http::get(&url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// GET a path from the application in a slot, past nginx.
    ///
    /// # Errors
    /// As [`http::get`]; a slot where nothing runs refuses the connection.
    #[track_caller]
    pub fn get_slot(&self, slot: &str, path: &str) -> io::Result<Response> {
        http::get(&format!("http://127.0.0.1:{}{path}", self.port(slot)))
    }

    /// A visitor of a URL, whose request is in flight in that slot when this returns; the body of the answer.
    #[track_caller]
    #[must_use]
    pub fn visit(&self, url: &str, slot: &str) -> JoinHandle<Option<String>> {
        let port = self.port(slot);
        let before = process::connections_read(port);
        let mut stream = http::send("GET", url, &[], b"").unwrap_or_else(|why| panic!("{url}: {why}"));
        // A connection that only waits to be accepted would be refused by an application that is told to end now.
        until(Duration::from_secs(20), "the request is in flight", || process::connections_read(port) > before);
        thread::spawn(move || http::receive(&mut stream).ok().map(|answer| answer.body))
    }

    /// The slot that answers through nginx; `None` if what answers names no slot.
    #[track_caller]
    #[must_use]
    pub fn live(&self) -> Option<String> {
        let answer = self.get("/profile");
        let named = answer.status == 200 && self.slots.iter().any(|(slot, _)| *slot == answer.body);
        named.then_some(answer.body)
    }

    /// True if something listens on the slot's port.
    #[track_caller]
    #[must_use]
    pub fn listens(&self, slot: &str) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port(slot)));
        TcpStream::connect(address).is_ok()
    }

    /// The slot's port.
    #[track_caller]
    #[must_use]
    pub fn port(&self, slot: &str) -> u16 {
        let found = self.slots.iter().find(|(name, _)| *name == slot);
        found.unwrap_or_else(|| panic!("no slot {slot}")).1.number()
    }

    /// A further free port, this world's until its end.
    #[must_use]
    pub fn free_port(&self) -> u16 {
        let port = Port::free();
        let number = port.number();
        self.more_ports.lock().unwrap_or_else(PoisonError::into_inner).push(port);
        number
    }

    /// Points the upstream file at a slot by hand, in the reload form, and reloads nginx.
    #[track_caller]
    pub fn point_at(&self, slot: &str) {
        self.edit_upstream(slot);
        self.nginx.reload();
    }

    /// The processes that were started in this world and still run, but for its nginx.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        process::marked(MARK, &self.folder().display().to_string())
    }

    /// The line by which the reload form of the upstream file names a slot.
    #[must_use]
    pub fn upstream_line(&self, slot: &str) -> String {
        reload_form(self.port(slot))
    }

    /// Has the upstream file name a slot that nginx does not serve: an edit that was never reloaded.
    #[track_caller]
    pub fn edit_upstream(&self, slot: &str) {
        self.nginx.write_upstream(&self.upstream_line(slot));
    }

    /// The folder of everything in this world.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `BG_DIR`; the programs create it.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.folder().join("state")
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        process::end_recorded(&self.dir());
        process::end_marked(MARK, &self.folder().display().to_string());
        if thread::panicking() {
            eprintln!("nginx's error log:\n{}", self.nginx.error_log());
        }
    }
}

fn reload_form(port: u16) -> String {
    format!("set $service_url http://127.0.0.1:{port};\n")
}
