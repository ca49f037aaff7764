//! Where the programs are: those under test beside the test executable, the system's on the PATH.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The package of each of the system's programs that the tests need, Debian's name.
const PACKAGES: &[(&str, &str)] = &[
    ("nginx", "nginx"),
    ("java", "default-jdk-headless"),
    ("javac", "default-jdk-headless"),
    ("jar", "default-jdk-headless"),
    ("strace", "strace"),
    ("sshd", "openssh-server"),
    ("ssh", "openssh-client"),
    ("scp", "openssh-client"),
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("man", "man-db"),
    ("objdump", "binutils"),
    ("qemu-aarch64-static", "qemu-user-static"),
    ("unshare", "util-linux"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("haproxy", "haproxy"),
];

/// The folder of the built programs: `target/debug` or `target/release`.
#[must_use]
pub fn folder() -> PathBuf {
    let executable = env::current_exe().expect("the path of this executable");
    let folder = executable.parent().unwrap_or(Path::new("/"));
    // Cargo puts test executables one level deeper.
    let above = folder.parent().filter(|_| folder.ends_with("deps"));
    above.unwrap_or(folder).to_owned()
}

/// One of the workspace's own programs.
#[track_caller]
#[must_use]
pub fn ours(name: &str) -> PathBuf {
    let program = folder().join(name);
    assert!(program.is_file(), "{} is not built: cargo build --workspace --bins", program.display());
    program
}

/// One of the system's programs.
#[track_caller]
#[must_use]
pub fn of_the_system(name: &str) -> PathBuf {
    let found = env::split_paths(&path()).map(|folder| folder.join(name)).find(|file| file.is_file());
    let package = PACKAGES.iter().find(|(program, _)| *program == name).map_or(name, |(_, package)| package);
    found.unwrap_or_else(|| panic!("{name} is not installed: apt-get install {package}"))
}

/// nginx: the system's, or the program that `BG_TEST_NGINX` names.
#[track_caller]
#[must_use]
pub fn nginx() -> PathBuf {
    env::var_os("BG_TEST_NGINX").map_or_else(|| of_the_system("nginx"), PathBuf::from)
}

/// The PATH in a world: our programs first, and the administrator's folders even for a user
/// whose own PATH lacks them.
#[must_use]
pub fn path() -> OsString {
    let users = env::var_os("PATH").unwrap_or_default();
    let folders = [folder()].into_iter().chain(env::split_paths(&users)).chain(["/usr/sbin".into(), "/sbin".into()]);
    env::join_paths(folders).expect("a target folder without a colon in its name")
}
