//! What must not happen whoever tries it: words that become commands, links that lead elsewhere, users who meddle,
//! terminals that are written to, answers without an end.

/// Answers, logs and records without an end are cut.
mod endless;
/// Links and notes that somebody has planted.
mod planted;
/// Control characters on their way to a terminal.
mod terminal;
/// Root, the user who deploys, and the others.
mod users;
/// Facts that look like commands or like configuration.
mod words;

use bg_tests::{World, programs};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// The user that has no right to anything.
const NOBODY: u32 = 65534;

/// Two users take part in some tests, and only root may be both.
#[track_caller]
fn needs_root() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it works as two users");
}

fn give_to_nobody(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
}

/// `BG_DIR`, made for nobody.
fn nobodys_dir(world: &World) -> PathBuf {
    world.make_dir(world.dir());
    give_to_nobody(&world.dir());
    world.dir()
}

/// One of our programs as nobody runs it, from a folder where nobody can.
fn as_nobody(world: &World, program: &str) -> assert_cmd::Command {
    let folder = world.path("programs");
    if !folder.exists() {
        for program in ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy", "fake-app"] {
            world.copy(programs::ours(program), folder.join(program));
        }
    }
    let mut command: Command = world.command(&folder.join(program));
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).current_dir("/").uid(NOBODY).gid(NOBODY);
    let mut command = assert_cmd::Command::from_std(command);
    command.timeout(Duration::from_secs(120));
    command
}

/// A symbolic link that nobody has made.
fn nobodys_link(world: &World, path: &Path, target: &Path) {
    world.link(target, path);
    lchown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
}

/// Everything in a folder, and whose it is.
fn owners(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of ours").flatten() {
        let meta = fs::symlink_metadata(entry.path()).expect("it was just there");
        found.push((entry.path(), meta.uid()));
        if meta.is_dir() {
            found.extend(owners(&entry.path()));
        }
    }
    found
}
