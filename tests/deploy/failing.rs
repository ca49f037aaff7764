use super::{SOON, audit, pid_in, serving};
use bg_tests::{World, process, programs, until};
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_release_that_is_never_healthy_is_stopped_and_its_log_kept() {
    let world = serving().env("BG_HEALTH_TIMEOUT", "1s");
    let before = world.nginx.read_upstream();
    let failed = world.deploy_fake(&["--down"]).code(4);
    failed.stdout("").stderr(contains("the deploy failed at health, exit 4").and(contains("in set1, as before")));
    assert!(!process::alive(pid_in(&world, "set2")));
    let log = fs::read_to_string(world.dir().join("slots/set2/logs/app.log")).expect("its log");
    assert!(log.contains("Started fake-app"), "{log}");
    assert_eq!(world.nginx.read_upstream(), before);
    assert_eq!(world.get("/version").body, "1.0");
    let line = &audit(&world)[1]["deploy"];
    assert_eq!((&line["failed"], &line["exit"]), (&"health".into(), &4.into()));
}

#[test]
fn keep_failed_leaves_it_running_for_a_look() {
    let world = serving().env("BG_HEALTH_TIMEOUT", "1s").env("BG_DEPLOY_KEEP_FAILED", "1");
    world.deploy_fake(&["--down"]).code(4).stderr(contains("was left running, as --keep-failed says"));
    assert!(process::alive(pid_in(&world, "set2")));
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn at_a_cold_start_what_never_listens_is_stopped() {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy_fake(&["--boot-ms", "600000"]).code(4).stderr(contains("was stopped; its log is kept"));
    assert!(!process::alive(pid_in(&world, "set1")));
    world.deploy_fake(&["--version-text", "1.1"]).success();
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn at_a_cold_start_nginx_may_serve_the_failed_release_and_then_it_is_not_stopped() {
    // The file points at set1 from the start, and so nginx does as soon as something answers there.
    let world = World::new().env("BG_HEALTH_TIMEOUT", "5s");
    world.deploy_fake(&["--down"]).code(4).stderr(contains("was not stopped: bg-launch says why"));
    assert_eq!(world.live().as_deref(), Some("set1"));
    world.deploy_fake(&["--version-text", "1.1"]).success();
    assert_eq!(world.get("/version").body, "1.1");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_release_that_crashes_is_exit_8() {
    let world = serving();
    world.deploy_fake(&["--crash-at-boot"]).code(8).stdout("").stderr(contains("exited before it was healthy"));
    assert_eq!(audit(&world)[1]["deploy"]["exit"], 8);
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_launch_that_the_system_refuses_is_exit_1() {
    let world = serving();
    let failed = world.cmd("bg-deploy").args(["--", "/nowhere/app"]).assert().code(1);
    failed.stderr(contains("the deploy failed at launch, exit 1").and(contains("in set1, as before")));
    assert_eq!(audit(&world)[1]["deploy"]["failed"], "launch");
}

#[test]
fn witnesses_that_disagree_are_exit_7() {
    let world = serving();
    let text = world.nginx.read_upstream();
    let text = text.replace(&world.port("set1").to_string(), &world.port("set2").to_string());
    world.nginx.write_upstream(&text);
    world.deploy_fake(&[]).code(7).stderr(contains("bg-deploy: the deploy failed at probe, exit 7"));
    assert_eq!(world.nginx.read_upstream(), text);
    assert!(!world.dir().join("slots/set2").exists());
    let line = &audit(&world)[1];
    assert_eq!((&line["app"], &line["deploy"]["exit"]), (&"web".into(), &7.into()));
}

#[test]
fn where_nginx_refuses_the_healthy_release_waits_for_one_more_command() {
    let world = serving();
    world.nginx.add_to_http("broken", "this is no directive;\n");
    let failed = world.deploy_fake(&["--version-text", "1.1"]).code(5);
    failed.stderr(
        contains("in set2 is healthy and runs on").and(contains("when the cause is gone: bg-deploy --rollback")),
    );
    assert_eq!(world.get("/version").body, "1.0");
    assert_eq!(world.get_slot("set2", "/version").expect("1.1 runs on").body, "1.1");

    world.nginx.add_to_http("broken", "");
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_stage_that_is_killed_ends_the_deploy_with_its_signal() {
    let world = serving();
    let folder = world.folder().join("programs");
    fs::create_dir(&folder).expect("a folder of ours");
    for program in ["bg-deploy", "bg-probe", "bg-launch", "bg-switch"] {
        fs::copy(programs::ours(program), folder.join(program)).expect("a folder of ours");
    }
    let health = folder.join("bg-health");
    fs::write(&health, "#!/bin/sh\nkill -KILL $$\n").expect("a folder of ours");
    fs::set_permissions(&health, fs::Permissions::from_mode(0o755)).expect("a file of ours");
    let deploy = world.command(&folder.join("bg-deploy")).args(["--", "fake-app"]).output().expect("a program of ours");
    assert_eq!(deploy.status.code(), Some(128 + 9), "{}", String::from_utf8_lossy(&deploy.stderr));
    let killed = pid_in(&world, "set2");
    until(SOON, "the unproven release is stopped", || !process::alive(killed));
    assert_eq!(audit(&world)[1]["deploy"]["exit"], 137);
}
