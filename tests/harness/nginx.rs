//! A private nginx with the site that the two well-known scripts use.
//!
//! Its prefix holds everything it reads and writes. `http.d` and `location.d` take what a test
//! adds: another server block, an upstream group, a broken line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::ports::Port;
use crate::process;
use crate::{http, programs, until};

/// A private nginx; stopped when it is dropped.
#[derive(Debug)]
pub struct Nginx {
    program: PathBuf,
    prefix: PathBuf,
    front: Port,
}

impl Nginx {
    /// Writes the configuration into a new folder and starts nothing.
    #[track_caller]
    #[must_use]
    pub fn new(prefix: &Path, upstream: &str) -> Self {
        let nginx = Self { program: programs::nginx(), prefix: prefix.to_owned(), front: Port::free() };
        for folder in ["http.d", "location.d", "temp"] {
            fs::create_dir_all(prefix.join(folder)).expect("a writable temporary folder");
        }
        nginx.write_upstream(upstream);
        fs::write(nginx.conf(), nginx.main_conf()).expect("a writable temporary folder");
        nginx
    }

    /// Another nginx with the same site and the same upstream file, at a front of its own; not started.
    #[track_caller]
    #[must_use]
    pub fn twin(&self, prefix: &Path) -> Self {
        let twin = Self { program: self.program.clone(), prefix: prefix.to_owned(), front: Port::free() };
        fs::create_dir_all(prefix).expect("a writable temporary folder");
        let ours = |name| self.prefix.join(name).display().to_string();
        let theirs = |name| prefix.join(name).display().to_string();
        let listen = |nginx: &Self| format!("listen 127.0.0.1:{};", nginx.front.number());
        let conf = self.main_conf().replace(&listen(self), &listen(&twin));
        let conf = ["nginx.pid", "error.log"].iter().fold(conf, |conf, name| conf.replace(&ours(name), &theirs(name)));
        fs::write(twin.conf(), conf).expect("a writable temporary folder");
        twin
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub fn start(&self) {
        self.run(&[]);
        // The pid file is written by the daemon, after the command has returned.
        until(Duration::from_secs(10), "nginx starts", || {
            self.master().is_some() && http::get(&self.front_url("/")).is_ok()
        });
    }

    /// Ends it at once, as a crash of the machine would; a second time does nothing.
    pub fn stop(&self) {
        // The new one first: it is a child of the old.
        for master in [self.master(), self.old_master()].into_iter().flatten() {
            let workers = process::children(master);
            process::signal(master, Signal::SIGTERM);
            process::gone(master);
            workers.into_iter().for_each(process::gone);
        }
    }

    /// Begins a binary upgrade (USR2), and waits until a second master has workers beside the first; that first one.
    #[track_caller]
    #[must_use]
    pub fn upgrade(&self) -> u32 {
        let old = self.master().expect("nginx runs");
        process::signal(old, Signal::SIGUSR2);
        let begun = || self.master().is_some_and(|new| new != old && !process::children(new).is_empty());
        until(Duration::from_secs(10), "a second nginx runs", begun);
        old
    }

    /// Has the old master of an upgrade let its workers go (WINCH), and waits until they have.
    #[track_caller]
    pub fn stop_workers_of(&self, old: u32) {
        let new = self.master();
        process::signal(old, Signal::SIGWINCH);
        let left = || process::children(old).into_iter().all(|child| Some(child) == new);
        until(Duration::from_secs(10), "the old workers have left", left);
    }

    /// `nginx -s reload`, and waits until only workers with the new configuration are left.
    #[track_caller]
    pub fn reload(&self) {
        let old = self.workers();
        self.run(&["-s", "reload"]);
        until(Duration::from_secs(10), "nginx has reloaded", || {
            let now = self.workers();
            !now.is_empty() && now.is_disjoint(&old)
        });
    }

    /// The command line that `BG_NGINX` takes; `-t` and `-s reload` may follow it.
    #[must_use]
    pub fn command_line(&self) -> String {
        let (program, prefix) = (self.program.display(), self.prefix.display());
        format!("{program} -p {prefix} -c {}", self.conf().display())
    }

    /// The URL of a path through nginx.
    #[must_use]
    pub fn front_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.front.number())
    }

    /// The main configuration file.
    #[must_use]
    pub fn conf(&self) -> PathBuf {
        self.prefix.join("nginx.conf")
    }

    /// The file that says where the traffic goes.
    #[must_use]
    pub fn upstream_file(&self) -> PathBuf {
        self.prefix.join("service-url.inc")
    }

    /// Its text.
    #[track_caller]
    #[must_use]
    pub fn read_upstream(&self) -> String {
        fs::read_to_string(self.upstream_file()).expect("the upstream file")
    }

    /// Replaces its text; nginx sees it at its next reload.
    #[track_caller]
    pub fn write_upstream(&self, text: &str) {
        fs::write(self.upstream_file(), text).expect("a writable temporary folder");
    }

    /// Adds configuration at the level of `http`, to be seen at the next reload.
    #[track_caller]
    pub fn add_to_http(&self, name: &str, text: &str) {
        self.add("http.d", name, text);
    }

    /// Adds configuration to the site's `location /`, to be seen at the next reload.
    #[track_caller]
    pub fn add_to_location(&self, name: &str, text: &str) {
        self.add("location.d", name, text);
    }

    /// Everything in its error log.
    #[must_use]
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.prefix.join("error.log")).unwrap_or_default()
    }

    /// The file with the process id of the master.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.prefix.join("nginx.pid")
    }

    /// The master process, while nginx runs.
    #[must_use]
    pub fn master(&self) -> Option<u32> {
        self.master_in("nginx.pid")
    }

    /// The master that a binary upgrade is to replace, while both run.
    fn old_master(&self) -> Option<u32> {
        self.master_in("nginx.pid.oldbin")
    }

    fn master_in(&self, file: &str) -> Option<u32> {
        let pid = fs::read_to_string(self.prefix.join(file)).ok()?.trim().parse().ok()?;
        let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        title.contains(&self.prefix.display().to_string()).then_some(pid)
    }

    /// The worker processes, also those that finish what they have after a reload.
    #[must_use]
    pub fn workers(&self) -> BTreeSet<u32> {
        self.master().map(process::children).unwrap_or_default().into_iter().collect()
    }

    fn add(&self, folder: &str, name: &str, text: &str) {
        let file = self.prefix.join(folder).join(format!("{name}.conf"));
        fs::write(file, text).expect("a writable temporary folder");
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) {
        let command_line = self.command_line();
        let mut command = Command::new(&self.program);
        command.arg("-p").arg(&self.prefix).arg("-c").arg(self.conf()).args(arguments);
        let output = command.output().expect("nginx, which was found before");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command_line} {arguments:?}: {errors}");
    }

    /// The scripts' site. No `user`: as root, workers run as nobody, as they do on a real server,
    /// and see only what others may see.
    fn main_conf(&self) -> String {
        let (prefix, front) = (self.prefix.display(), self.front.number());
        format!(
            "\
worker_processes 2;
daemon on;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log info;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {prefix}/temp/body;
    proxy_temp_path {prefix}/temp/proxy;
    fastcgi_temp_path {prefix}/temp/fastcgi;
    uwsgi_temp_path {prefix}/temp/uwsgi;
    scgi_temp_path {prefix}/temp/scgi;
    include {prefix}/http.d/*.conf;
    server {{
        listen 127.0.0.1:{front};
        include {prefix}/service-url.inc;
        location / {{
            proxy_pass $service_url;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Host $http_host;
            include {prefix}/location.d/*.conf;
        }}
    }}
}}
"
        )
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}
