//! Other proxies in front of the same application, each with its defaults and the same forwarded headers.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bg_tests::{http, programs, until};

use crate::place::Place;

/// A running proxy; ended when it is dropped.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    process: Child,
}

impl Proxy {
    /// HAProxy, where it is installed.
    pub(crate) fn haproxy(place: &Place) -> Option<Self> {
        let program = installed("haproxy")?;
        let (listen, backend) = (place.world.free_port(), place.world.port("set1"));
        let configuration = place.world.folder().join("haproxy.cfg");
        let text = format!(
            "\
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{listen}
    option forwardfor
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Proto http
    default_backend slots
backend slots
    server set1 127.0.0.1:{backend}
"
        );
        fs::write(&configuration, text).expect("a writable temporary folder");
        let mut command = place.world.command(&program);
        command.arg("-db").arg("-f").arg(&configuration);
        Some(Self::start("HAProxy", listen, &mut command, place.world.folder()))
    }

    /// Caddy, where it is installed.
    pub(crate) fn caddy(place: &Place) -> Option<Self> {
        let program = installed("caddy")?;
        let (listen, backend) = (place.world.free_port(), place.world.port("set1"));
        let configuration = place.world.folder().join("Caddyfile");
        let text = format!(
            "\
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{listen} {{
    reverse_proxy 127.0.0.1:{backend} {{
        header_up X-Real-IP {{remote_host}}
    }}
}}
"
        );
        fs::write(&configuration, text).expect("a writable temporary folder");
        let mut command = place.world.command(&program);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&configuration);
        Some(Self::start("Caddy", listen, &mut command, place.world.folder()))
    }

    fn start(name: &'static str, listen: u16, command: &mut Command, home: &Path) -> Self {
        let url = format!("http://127.0.0.1:{listen}");
        let command = command.env("HOME", home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("a program that was just found");
        let proxy = Self { name, url, process };
        until(Duration::from_secs(20), &format!("{name} answers"), || http::get(&proxy.url).is_ok());
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Only that it has ended already is possible.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    env::split_paths(&programs::path()).map(|folder| folder.join(name)).find(|file| file.is_file())
}
