//! Many servers: hosts with sshd, nginx and an application each, HAProxy in front of them, and Ansible with our
//! collection, which deploys on all of them under load.
//!
//! Each test makes hosts of its own in namespaces of its own, and the first of all makes a Debian and installs Ansible,
//! which takes minutes. So they run only in the full run.

/// What Ansible's own programs say of the collection.
mod collection;
/// Ansible, and our collection.
mod control;
/// A host that is taken out, rebooted and brought back.
mod drained;
/// Many sites on one machine: how the time grows.
mod fifty;
/// The hosts.
mod lab;
/// One host after the other.
mod rolling;
/// The role that sets a host up.
mod setting_up;
/// All hosts at once.
mod together;

use bg_tests::{is_full, programs, tell};
use control::Control;
use lab::Lab;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

const PROGRAMS: [&str; 5] = ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy"];

/// One lab after the other: what they measure is of one fleet on this machine, and not of two.
static TURN: Mutex<()> = Mutex::new(());

/// Whether this is the full run; else one line about that for all these tests.
fn turn() -> Option<MutexGuard<'static, ()>> {
    static SAID: Once = Once::new();
    if is_full() {
        return Some(TURN.lock().unwrap_or_else(PoisonError::into_inner));
    }
    SAID.call_once(|| tell("hosts: not run; tests/run --full runs it"));
    None
}

/// What is the same for all hosts of a lab.
#[track_caller]
fn variables(lab: &Lab) -> String {
    let programs = lab.path("programs");
    std::fs::create_dir_all(&programs).expect("a folder of ours");
    for name in PROGRAMS {
        // What debuggers want is most of their size, and each host gets a copy.
        control::ran(Command::new("strip").arg("-o").arg(programs.join(name)).arg(programs::ours(name)));
    }
    format!(
        "bg_programs: {}\nbg_nginx_package: nginx-light\nbg_server_name: www.example.com\nbg_site_flags: [--ready-from, 10.99.0.0/24]\nbg_command:\n  - '{{artifact}}'\n\
         bg_settings:\n  BG_HEALTH_TIMEOUT: 20s\n  BG_LAUNCH_DRAIN: 2s\n",
        programs.display()
    )
}

/// An application that says its version, as the word that names it to a playbook. It does not start where there is
/// `/etc/broken`, and waits as long as there is `/etc/hold`.
#[track_caller]
fn artifact(lab: &Lab, version: &str) -> String {
    let to = lab.path(&format!("artifacts/{version}/web"));
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder of ours");
    let script = format!(
        "#!/bin/sh\n! test -e /etc/broken || exit 1\nwhile test -e /etc/hold; do sleep 0.05; done\n\
         exec fake-app --version-text {version}\n"
    );
    bg_tests::write_executable(&to, &script);
    format!("bg_artifact={}", to.display())
}

/// Sets all hosts up by the role, as root.
#[track_caller]
fn set_up(control: &Control) -> control::Played {
    control.play("setup", &["-e", "ansible_user=root"]).succeeded()
}
