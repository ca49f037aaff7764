//! A small Debian in a folder, for what has to be installed or booted: this machine's own release of it, so that the
//! programs built here run there. And nginx in a folder, of any release, as one of its programs.
//!
//! What debootstrap takes minutes for is kept in the target folder. Each test gets a copy of what it may write into.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use crate::programs;

/// What a small server has; libpam-systemd is for a user's own systemd, strace and curl are for the tests.
const PACKAGES: &str =
    "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,nginx-light,iproute2,strace,curl,ca-certificates";

/// What a server has that is reached by ssh, and managed by Ansible.
const OF_A_HOST: &str =
    "systemd,systemd-sysv,dbus,nginx-light,iproute2,curl,ca-certificates,openssh-server,python3,python3-apt,sudo";

/// Puts a Debian of its own into a new folder.
#[track_caller]
pub fn install(folder: &Path) {
    let suite = suite();
    copy(&made(&format!("debian-{suite}"), |half| debootstrap(half, &suite, PACKAGES)), folder);
}

/// Copies one of these folders, for a test that writes into it.
#[track_caller]
pub fn copy(made: &Path, folder: &Path) {
    run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(made).arg(folder));
}

/// A folder with nginx as this release of Debian has it. All have it in common, and nobody writes into it.
#[track_caller]
#[must_use]
pub fn with_nginx(suite: &str) -> PathBuf {
    made(&format!("nginx-{suite}"), |half| debootstrap(half, suite, "nginx"))
}

/// A folder with a server that is reached by ssh. Nobody writes into it: it is the lower layer of hosts.
#[track_caller]
#[must_use]
pub fn of_a_host() -> PathBuf {
    let suite = suite();
    made(&format!("host-{suite}"), |half| debootstrap(half, &suite, OF_A_HOST))
}

/// A folder with nginx and what installs an .rpm.
#[track_caller]
#[must_use]
pub fn with_dnf() -> PathBuf {
    let suite = suite();
    made(&format!("rpm-{suite}"), |half| debootstrap(half, &suite, "nginx-light,rpm,dnf"))
}

/// A folder with nginx of Debian 11 for ARM (the light one has no split_clients yet): unpacked and not configured, for nothing of it runs here without qemu.
#[track_caller]
#[must_use]
pub fn with_nginx_for_arm() -> PathBuf {
    let unpack = r#"
        for package in "$0"/var/cache/apt/archives/*.deb; do
            dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$0"
        done
        # In a container debootstrap makes a link of it.
        rm -rf "$0/proc" && mkdir "$0/proc"
        cp "$0/usr/share/base-passwd/passwd.master" "$0/etc/passwd"
        cp "$0/usr/share/base-passwd/group.master" "$0/etc/group""#;
    made("nginx-bullseye-arm", |half| {
        let mut first = Command::new(programs::of_the_system("debootstrap"));
        first.args(["--foreign", "--arch=arm64", "--variant=minbase", "--include=nginx-core", "bullseye"]);
        run(first.arg(half));
        run(Command::new("sh").args(["-euc", unpack]).arg(half));
    })
}

/// The folder of this name, made where it is not there yet.
#[track_caller]
fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    assert!(geteuid().is_root(), "only root can install a Debian: sudo tests/run --full");
    let target = programs::folder();
    let whole = target.parent().unwrap_or(&target).join(name);
    let half = whole.with_extension("half");
    // One makes it, and the others wait.
    let lock = File::create(whole.with_extension("lock")).expect("a folder of ours");
    lock.lock().expect("a file of ours");
    if !whole.exists() {
        // Half a system must not look like one.
        if half.exists() {
            fs::remove_dir_all(&half).expect("a folder of ours");
        }
        make(&half);
        fs::set_permissions(&half, Permissions::from_mode(0o755)).expect("a folder of ours");
        fs::rename(&half, &whole).expect("a folder of ours");
    }
    whole
}

#[track_caller]
fn debootstrap(folder: &Path, suite: &str, packages: &str) {
    let mut making = Command::new(programs::of_the_system("debootstrap"));
    run(making.args(["--variant=minbase", &format!("--include={packages}"), suite]).arg(folder));
}

/// The release of this machine, by the name that debootstrap knows it by.
#[track_caller]
fn suite() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.expect("a Debian, or what was made of it, has a VERSION_CODENAME in /etc/os-release").to_owned()
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("a program that is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
}
