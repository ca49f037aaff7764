//! Another application's site: a settings file that was copied, and changed by half.

use std::path::{Path, PathBuf};

use assert_cmd::assert::Assert;
use bg_tests::{World, process};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

/// One of our programs with the settings of the first application, but for its name and folder.
#[track_caller]
fn copied(world: &World, app: &str, dir: &Path, program: &str, words: &[&str]) -> Assert {
    world.cmd(program).env("BG_APP", app).env("BG_DIR", dir).args(words).assert()
}

fn second_folder(world: &World) -> PathBuf {
    world.folder().join("second")
}

/// The pid of what was launched last in a slot.
#[track_caller]
fn pid(world: &World, slot: &str) -> u32 {
    let file = world.dir().join("slots").join(slot).join("process.json");
    let launched: Value = serde_json::from_slice(&std::fs::read(file).expect("a launch")).expect("JSON");
    launched["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid")
}

#[test]
fn a_second_application_with_the_first_ones_site_is_refused() {
    let world = World::new();
    world.deploy_fake(&["--version-text", "first"]).success();
    let (dir, app) = (second_folder(&world), pid(&world, "set1"));
    // Another name, and the same name from another folder.
    for name in ["shop", "web"] {
        let served = format!("set1 is served by pid {app} (");
        let whose = || contains(served.clone()).and(contains("launched as web")).and(contains("Nothing was touched"));
        copied(&world, name, &dir, "bg-deploy", &["--", "fake-app", "--version-text", "second"])
            .code(7)
            .stderr(whose());
        copied(&world, name, &dir, "bg-probe", &[]).code(7).stdout("").stderr(whose());
        let check = copied(&world, name, &dir, "bg-deploy", &["--check", "--", "fake-app"]);
        check.code(1).stdout(contains(format!("fail    {served}")));
        for words in [&["--slot", "set2", "--", "fake-app"][..], &["--slot", "set2", "--stop"]] {
            copied(&world, name, &dir, "bg-launch", words).code(7).stderr(whose());
        }
    }
    assert_eq!(world.get("/version").body, "first");
    assert!(process::alive(app) && !world.listens("set2"));
}

#[test]
fn a_way_back_that_another_folder_has_launched_is_neither_taken_over_nor_switched_to() {
    let world = World::new();
    world.deploy_fake(&["--version-text", "1.0"]).success();
    world.deploy_fake(&["--version-text", "1.1"]).success();
    let (dir, back) = (second_folder(&world), pid(&world, "set1"));
    copied(&world, "shop", &dir, "bg-switch", &["--to", "set1"])
        .code(7)
        .stderr(contains(format!("set1 is served by pid {back} (")));
    // What serves was started by hand, so that only the idle slot is somebody's.
    let (live, set2) = (pid(&world, "set2"), world.port("set2"));
    process::signal(live, nix::sys::signal::Signal::SIGKILL);
    bg_tests::until(super::SOON, "it has ended", || !world.listens("set2"));
    world.start_fake("set2", &["--version-text", "by-hand"]);
    let said = "bg-launch started for web from another folder. Nothing was touched";
    copied(&world, "shop", &dir, "bg-deploy", &["--launch-adopt", "--", "fake-app"]).code(7).stderr(contains(said));
    copied(&world, "shop", &dir, "bg-launch", &["--slot", "set1", "--adopt", "--stop"]).code(7).stderr(contains(said));
    assert!(process::alive(back), "{set2}");
    assert_eq!(world.get("/version").body, "by-hand");
}

#[test]
fn a_link_of_another_folder_is_another_applications() {
    let world = World::new().link_form();
    // Started by hand, it carries no marks: the link alone says whose site it is.
    world.start_fake("set1", &[]);
    let dir = second_folder(&world);
    let looks = format!("looks at {}", world.dir().join("live").display());
    copied(&world, "web", &dir, "bg-deploy", &["--", "fake-app"]).code(7).stderr(contains(&looks));
    let check = copied(&world, "web", &dir, "bg-probe", &["--check"]).code(1);
    check.stdout(contains("fail    the upstream file").and(contains(&looks)));
    assert!(!world.listens("set2"));

    // By another way to the same folder it is the same.
    std::fs::create_dir_all(world.dir()).expect("a folder of ours");
    let same = world.folder().join("same");
    std::os::unix::fs::symlink(world.dir(), &same).expect("a folder of ours");
    copied(&world, "web", &same, "bg-probe", &[]).success();
}

#[test]
fn what_a_release_starts_beside_its_session_is_its_own() {
    let world = World::new();
    let serve = "setsid fake-app --fork-server & exec sleep 600";
    world.cmd("bg-deploy").args(["--", "sh", "-c", serve]).assert().success();
    world.deploy_fake(&[]).success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}
