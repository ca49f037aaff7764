//! Launched by root, run as somebody else.
//!
//! Only root can start anything as another user. Who runs the tests as somebody else sees what they get.

use super::{SOON, kill};
use bg_tests::{Ran, Run, World, process, programs, until};
use nix::unistd::{User, chown, geteuid};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

const WARNING: &str = "the application runs as root; with --user NAME it runs as another user";

#[test]
fn the_application_is_that_user_in_every_respect() {
    let Some(world) = world_of_root() else { return };
    launch(&world, &["--user", "nobody"]).success().never_said(WARNING);
    let (app, nobody) = (world.pid("set2"), nobody());
    let status = fs::read_to_string(format!("/proc/{app}/status")).expect("it runs");
    let of = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).expect("proc_pid_status(5)").to_owned();
    let four = |id: u32| [id; 4].map(|id| format!("\t{id}")).concat();
    assert_eq!(of("Uid:"), four(nobody.uid.as_raw()));
    assert_eq!(of("Gid:"), four(nobody.gid.as_raw()));
    assert_eq!(of("Groups:").trim(), nobody.gid.to_string(), "none of root's groups");
    assert_eq!(of("CapEff:").trim(), "0".repeat(16));
    let environ = world.get_slot("set2", "/env").expect("it listens").body;
    for variable in ["USER=nobody", "LOGNAME=nobody", &format!("HOME={}", nobody.dir.display())] {
        assert!(environ.lines().any(|line| line == variable), "{variable} in {environ}");
    }
}

#[test]
fn the_application_owns_its_log_and_work_folder_alone() {
    let Some(world) = world_of_root() else { return };
    launch(&world, &["--user", "nobody"]).success();
    let (slot, nobody) = (world.dir().join("slots/set2"), nobody().uid.as_raw());
    let work = fs::read_link(format!("/proc/{}/cwd", world.pid("set2"))).expect("it runs");
    assert_eq!(work, slot.join("work"));
    let log = slot.join("logs/app.log").canonicalize().expect("a log");
    let mut owned = owned_by(&world.dir(), nobody);
    owned.sort_unstable();
    assert_eq!(owned, [log.display().to_string(), work.display().to_string()]);
    let process = fs::metadata(slot.join("process.json")).expect("it is written down");
    assert_eq!(process.mode() & 0o007, 0, "it may not even read whom we take it for");
}

#[test]
fn launch_current_starts_the_application_as_the_same_user() {
    let Some(world) = world_of_root() else { return };
    launch(&world, &["--user", "nobody"]).success();
    kill(&world, "set2");
    world.run("bg-launch", &["--slot", "set2", "--current"]).success().never_said(WARNING);
    let app = world.pid("set2");
    assert_eq!(fs::metadata(format!("/proc/{app}")).expect("it runs").uid(), nobody().uid.as_raw());
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    assert!(!process::alive(app));
}

#[test]
fn a_release_from_the_shelf_runs_as_that_user_too() {
    let Some(world) = world_of_root() else { return };
    launch(&world, &["--user", "nobody"]).success();
    let release = world.held("set2").expect("a release");
    launch(&world, &["--user", "nobody"]).success();
    world.run("bg-launch", &["--slot", "set2", "--release", &release]).success().never_said(WARNING);
    let owner = |world: &World| fs::metadata(format!("/proc/{}", world.pid("set2"))).expect("it runs").uid();
    assert_eq!(owner(&world), nobody().uid.as_raw());
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    world.run("bg-launch", &["--slot", "set2", "--user", "root", "--release", &release]).success();
    assert_eq!(owner(&world), 0, "what is said counts more");
}

#[test]
fn a_release_runs_as_its_own_user_again_whoever_ran_in_its_slot_since() {
    let Some(world) = world_of_root() else { return };
    launch(&world, &["--user", "nobody"]).success();
    let release = world.held("set2").expect("a release");
    launch(&world, &["--user", "root"]).success();
    world.run("bg-launch", &["--slot", "set2", "--release", &release]).success();
    let owner = fs::metadata(format!("/proc/{}", world.pid("set2"))).expect("it runs").uid();
    assert_eq!((owner, world.process("set2")["user"].as_str()), (nobody().uid.as_raw(), Some("nobody")));
}

#[test]
fn launch_warns_root_once_unless_user_is_given() {
    let Some(world) = world_of_root() else { return };
    let launched = launch(&world, &[]).success();
    assert_eq!(launched.stderr().matches(WARNING).count(), 1, "{launched}");
    launch(&world, &["--user", "root"]).success().never_said(WARNING);
}

#[test]
fn a_user_that_is_not_there_is_refused_before_anything_is_stopped() {
    let world = World::new();
    let app = world.start_fake("set2", &[]);
    launch(&world, &["--user", "no-such-user"]).exit(2).printed_nothing().said("no user called \"no-such-user\"");
    assert!(process::alive(app));
    assert!(!world.dir().join("releases").exists());
}

#[test]
fn who_is_not_root_can_start_nothing_as_another_user() {
    let world = World::new();
    let dir = world.make_dir("nobodys");
    let mut launch = world.command(&world.copy_of("bg-launch"));
    launch.args(["--slot", "set2", "--user", "root", "--", "sleep", "600"]).env("BG_DIR", &dir);
    if geteuid().is_root() {
        chown(&dir, Some(nobody().uid), Some(nobody().gid)).expect("root may");
        launch.uid(nobody().uid.as_raw()).gid(nobody().gid.as_raw());
    }
    launch.ran().exit(2).said("only root can start the application as another user");
    assert!(!dir.join("releases").exists());
}

/// A world to launch in as root; where the tests run as somebody else there is none, and `--user` is refused.
fn world_of_root() -> Option<World> {
    let world = World::new();
    if geteuid().is_root() {
        return Some(world);
    }
    launch(&world, &["--user", "nobody"]).exit(2).said("only root");
    None
}

/// `bg-launch --slot set2` and these words. What it starts is a copy in the release, which any user can read.
#[track_caller]
fn launch(world: &World, words: &[&str]) -> Ran {
    let fake_app = programs::ours("fake-app").display().to_string();
    let words = [&["--slot", "set2"], words, &[&fake_app, "--", "{artifact}"]].concat();
    let launched = world.run("bg-launch", &words);
    if launched.code() == Some(0) {
        until(SOON, "it listens in set2", || world.listens("set2"));
    }
    launched
}

fn nobody() -> User {
    User::from_name("nobody").expect("a list of users").expect("nobody")
}

/// The files and folders below that belong to this user.
fn owned_by(folder: &Path, uid: u32) -> Vec<String> {
    let mut owned = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of ours").flatten() {
        let meta = entry.metadata().expect("it is there");
        if meta.uid() == uid {
            owned.push(entry.path().display().to_string());
        }
        if meta.is_dir() {
            owned.extend(owned_by(&entry.path(), uid));
        }
    }
    owned
}

#[test]
fn a_launch_as_another_user_that_is_refused_leaves_a_running_release_its_folder() {
    let Some(world) = world_of_root() else { return };
    launch(&world, &["--user", "nobody"]).success();
    let work = world.dir().join("slots/set2/work");
    let owner = || fs::metadata(&work).expect("a folder").uid();
    // No systemd runs this machine, or it can't be asked.
    let _ = world.script("systemctl", "exit 1");
    let path = format!("{}:{}", world.folder().display(), std::env::var("PATH").expect("a PATH"));
    let mut refused = world.cmd("bg-launch");
    refused.env("PATH", path).args(["--slot", "set2", "--user", "root", "--via", "systemd", "--", "/bin/true"]);
    refused.ran().exit(1);
    assert_eq!(owner(), nobody().uid.as_raw());
    launch(&world, &["--user", "root"]).success();
    assert_eq!(owner(), 0);
}
