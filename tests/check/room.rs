//! What a launch needs: java or a command, a whole artifact, a folder, a disk, a port, memory.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use bg_tests::World;
use predicates::prelude::*;
use predicates::str::contains;

use super::{ORDINARY, as_ordinary, check, ordinary, says};

#[test]
fn a_missing_java_fails_unless_a_command_is_given() {
    let world = World::new();
    let nowhere = world.folder().join("empty");
    fs::create_dir(&nowhere).unwrap();
    let mut launch = world.cmd("bg-launch");
    launch.env("PATH", &nowhere).arg("--check");
    launch.assert().code(1).stdout(
        contains("fail    java is not on this machine's PATH").and(contains("apt install default-jre-headless")),
    );
    launch.args(["--"]).args(world.fake_app(&[]));
    launch.assert().success().stdout(contains("the command's program is /"));
}

#[test]
fn a_java_that_does_not_run_fails() {
    let world = World::new();
    let java = world.folder().join("java");
    fs::write(&java, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&java, Permissions::from_mode(0o755)).unwrap();
    let mut launch = world.cmd("bg-launch");
    launch.env("PATH", world.folder()).arg("--check").assert().code(1).stdout(contains("-version says no version"));
}

#[test]
fn an_artifact_that_is_not_whole_fails() {
    let world = World::new();
    let jar = bg_tests::jar::truncated();
    let jar = jar.to_str().unwrap();
    let (text, code) = check(&world, "bg-deploy", &[jar]);
    assert!(code == 1 && text.contains("not a whole jar") && text.contains(": build or copy it again"), "{text}");
}

#[test]
fn a_folder_that_others_may_write_fails() {
    let world = World::new();
    fs::create_dir(world.dir()).unwrap();
    fs::set_permissions(world.dir(), Permissions::from_mode(0o777)).unwrap();
    says(&world, "bg-launch", 1, "is writable by others, who could then choose what runs: chmod go-w it");
}

#[test]
fn what_root_has_left_in_a_folder_fails_for_its_owner_who_is_told_to_take_that_alone() {
    let world = World::new();
    let (dir, releases, slot) = (world.dir(), world.dir().join("releases"), world.dir().join("slots/set1"));
    fs::create_dir_all(&releases).unwrap();
    fs::create_dir_all(slot.join("work")).unwrap();
    for users in [&dir, &dir.join("slots"), &slot] {
        chown(users, Some(ORDINARY), None).unwrap();
    }
    let seen = ordinary(&world, "bg-launch");
    let line = seen.lines().find(|line| line.contains("belongs to root")).unwrap_or_else(|| panic!("{seen}"));
    let wrong = format!("fail    {} belongs to root, and uid {ORDINARY} may not write it", releases.display());
    let remedy = format!("chown -h {ORDINARY} {}", releases.display());
    assert_eq!(line, format!("{wrong}: sudo {remedy}"));
    world.shell(&remedy).assert().success();
    let (seen, code) = as_ordinary(&world, "bg-launch");
    assert_eq!(code, 0, "{seen}");
    // What a release owns is not among what a deploy needs.
    assert_eq!(fs::metadata(slot.join("work")).unwrap().uid(), 0);
    says(&world, "bg-launch", 1, "but this is root: deploy as that user: sudo -u '#12345' -E bg-launch --check");
}

#[test]
fn a_folder_that_can_not_be_entered_fails() {
    let world = World::new();
    let closed = world.folder().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let world = world.env("BG_DIR", closed.join("web").to_str().unwrap());
    let seen = ordinary(&world, "bg-launch");
    assert!(
        seen.contains("can't be looked at: Permission denied") && seen.contains("or run this as its owner"),
        "{seen}"
    );
}

#[test]
fn a_folder_that_can_not_be_made_fails() {
    let world = World::new();
    let seen = ordinary(&world, "bg-launch");
    assert!(seen.contains("is not there, and uid 12345 may not make it in"), "{seen}");
}

#[test]
fn a_disk_too_small_for_one_more_release_fails() {
    let world = World::new();
    let release = world.dir().join("releases/20260101T000000Z-1a2b3c4d");
    fs::create_dir_all(&release).unwrap();
    File::create(release.join("app.jar")).unwrap().set_len(4 << 40).unwrap();
    says(&world, "bg-launch", 1, "less than a release takes (4398046 MB): make room");
}

#[test]
fn a_port_held_by_a_stranger_fails() {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    says(&world, "bg-launch", 1, &format!("fail    port {} of set2 is held by pid", world.port("set2")));
    says(&world, "bg-launch", 1, ": stop it, or let bg-launch take it over with --adopt");
}

#[test]
fn a_live_release_that_is_not_healthy_by_these_settings_is_a_warning() {
    let world = World::new().env("BG_HEALTH_PATH", "/nowhere");
    world.start_fake("set1", &[]);
    says(&world, "bg-health", 0, "warn    set1 answers 404");
}
