use super::{pid_in, serving};
use bg_tests::{World, process};
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The release that a slot holds.
fn held(world: &World, slot: &str) -> Option<String> {
    let target = fs::read_link(world.dir().join("slots").join(slot).join("current")).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}

#[test]
fn after_a_failed_deploy_a_rollback_goes_back_to_the_release_before_that() {
    let world = serving();
    world.deploy_fake(&["--version-text", "1.1"]).success();
    let before = held(&world, "set1").expect("1.0");
    let world = world.env("BG_HEALTH_TIMEOUT", "1s");
    let failed = world.deploy_fake(&["--down"]).code(4);
    failed.stderr(contains(format!("idle      release {before} in set1 again")));
    assert_eq!(held(&world, "set1"), Some(before));
    assert!(!process::alive(pid_in(&world, "set1")));

    let world = world.env("BG_HEALTH_TIMEOUT", "20s");
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_slot_that_held_nothing_holds_nothing_again_and_the_failed_release_stays_on_disk() {
    let world = serving().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy_fake(&["--down"]).code(4).stderr(contains("was stopped; its log is kept"));
    assert_eq!(held(&world, "set2"), None);
    assert_eq!(fs::read_dir(world.dir().join("releases")).expect("releases").count(), 2);
    world.cmd("bg-deploy").arg("--rollback").assert().code(1).stderr(contains("set2 holds no release"));
}

#[test]
fn many_failures_later_it_is_still_there() {
    let world = serving().env("BG_LAUNCH_KEEP", "1").env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy_fake(&["--version-text", "1.1"]).success();
    for _ in 0..3 {
        world.deploy_fake(&["--crash-at-boot"]).code(8);
    }
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn what_the_kernel_will_not_run_does_not_stay_in_the_slot() {
    let world = serving();
    world.deploy_fake(&["--version-text", "1.1"]).success();
    let before = held(&world, "set1");
    let program = world.folder().join("no-program");
    fs::write(&program, "no program\n").expect("a folder of ours");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a file of ours");
    let failed = world.cmd("bg-deploy").arg("--").arg(&program).assert().code(1);
    failed.stderr(contains("Exec format error").and(contains("in set2, as before")));
    assert_eq!(held(&world, "set1"), before);
}

#[test]
fn a_release_that_was_left_running_is_what_the_slot_holds() {
    let world = serving().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy_fake(&["--version-text", "1.1"]).success();
    let before = held(&world, "set1");
    world.cmd("bg-deploy").args(["--keep-failed", "--", "fake-app", "--down"]).assert().code(4);
    assert_ne!(held(&world, "set1"), before);
    assert!(process::alive(pid_in(&world, "set1")));
}

#[test]
fn an_old_record_undoes_nothing() {
    let world = serving();
    let first = world.cmd("bg-deploy").args(["--", "fake-app", "--version-text", "1.1"]).assert().success();
    let record = first.get_output().stdout.clone();
    world.deploy_fake(&["--version-text", "1.2"]).success();
    world.deploy_fake(&["--version-text", "1.3"]).success();
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    let now = held(&world, "set2");
    world.cmd("bg-launch").arg("--stop").write_stdin(record).assert().success();
    assert_eq!(held(&world, "set2"), now);
}
