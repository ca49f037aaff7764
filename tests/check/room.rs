//! What a launch needs: java or a command, a whole artifact, a folder, a disk, a port, memory.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};

use bg_tests::{Run, World};

use super::{ORDINARY, as_ordinary, check, ordinary, says};

#[test]
fn a_missing_java_fails_unless_a_command_is_given() {
    let world = World::new();
    let nowhere = world.make_dir("empty");
    let mut launch = world.cmd("bg-launch");
    launch.env("PATH", &nowhere).arg("--check");
    let refused = launch.ran().exit(1);
    refused.printed("fail    java is not on this machine's PATH").printed("apt install default-jre-headless");
    // The refusal of a deploy: a command in it is as it is typed.
    let mut deploy = world.cmd("bg-deploy");
    let jar = bg_tests::jar::sample_jar("1.0");
    deploy.env("PATH", &nowhere).env("JAVA_HOME", "").arg(jar);
    deploy.ran().exit(1).said(". Install it: ").said(" install default-jre-headless; or give a COMMAND");
    launch.args(["--"]).args(world.fake_app(&[]));
    launch.ran().success().printed("the command's program is /");
}

#[test]
fn a_java_that_does_not_run_fails() {
    let world = World::new();
    world.script("java", "exit 3");
    let mut launch = world.cmd("bg-launch");
    launch.env("PATH", world.folder()).arg("--check").ran().exit(1).printed("-version says no version");
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
    world.make_dir(world.dir());
    world.chmod(world.dir(), 0o777);
    says(
        &world,
        "bg-launch",
        1,
        "is writable by others, who could then choose what runs: take that from them: chmod go-w /",
    );
}

#[test]
fn what_root_has_left_in_a_folder_fails_for_its_owner_who_is_told_to_take_that_alone() {
    let world = World::new();
    let (dir, releases, slot) = (world.dir(), world.dir().join("releases"), world.dir().join("slots/set1"));
    world.make_dir(&releases);
    world.make_dir(slot.join("work"));
    for users in [&dir, &dir.join("slots"), &slot] {
        chown(users, Some(ORDINARY), None).unwrap();
    }
    let seen = ordinary(&world, "bg-launch");
    let line = seen.lines().find(|line| line.contains("belongs to root")).unwrap_or_else(|| panic!("{seen}"));
    let wrong = format!("fail    {} belongs to root, and uid {ORDINARY} may not write it", releases.display());
    let remedy = format!("chown -h {ORDINARY} {}", releases.display());
    assert_eq!(line, format!("{wrong}: take it over: sudo {remedy}"));
    world.run_line(&remedy).success();
    let (seen, code) = as_ordinary(&world, "bg-launch");
    assert_eq!(code, 0, "{seen}");
    // What a release owns is not among what a deploy needs.
    assert_eq!(fs::metadata(slot.join("work")).unwrap().uid(), 0);
    says(&world, "bg-launch", 1, "but this is root: deploy as that user: sudo -u '#12345' -E bg-launch --check");
}

#[test]
fn a_folder_that_can_not_be_entered_fails() {
    let world = World::new();
    let closed = world.make_dir("closed");
    world.chmod(&closed, 0o700);
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
    let release = world.make_dir(world.dir().join("releases/20260101T000000Z-1a2b3c4d"));
    File::create(release.join("app.jar")).unwrap().set_len(4 << 40).unwrap();
    says(
        &world,
        "bg-launch",
        1,
        "less than a release takes (4398047 MB); the releases that no slot uses have 0 MB: remove what",
    );
}

#[test]
fn a_port_held_by_a_stranger_fails() {
    let world = World::new().both_running();
    says(&world, "bg-launch", 1, &format!("fail    port {} of set2 is held by pid", world.port("set2")));
    says(&world, "bg-launch", 1, "; or let bg-launch take it over: bg-launch --adopt --check");
}

#[test]
fn a_live_release_that_is_not_healthy_by_these_settings_is_a_warning() {
    let world = World::new().env("BG_HEALTH_PATH", "/nowhere").set1_running();
    says(&world, "bg-health", 0, "warn    set1 answers 404");
}
