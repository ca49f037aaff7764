//! A release is told by a signal that it is not live any more, and by another that it is again.

use std::time::Duration;

use bg_tests::{World, process, until};

const SOON: Duration = Duration::from_secs(20);

/// Deploys an application that writes each signal it hears into this file.
#[track_caller]
fn deploy(world: &World, file: &str) -> bg_tests::Ran {
    world.deploy(&["--tell-signals", &world.word(file)]).success()
}

/// Waits until these are the signals that were heard.
#[track_caller]
fn heard(world: &World, file: &str, signals: &str) {
    let text = || std::fs::read_to_string(world.path(file)).unwrap_or_default();
    until(SOON, &format!("{file} has heard {signals:?}"), || text() == signals);
}

#[test]
fn the_old_release_is_quieted_after_a_switch_and_undone_by_a_rollback() {
    let world = World::new().env("BG_SWITCH_QUIET_OLD", "TSTP").env("BG_SWITCH_QUIET_NEW", "sigusr2");
    let first = deploy(&world, "one").never_said("quiet   ");
    assert!(first.record()["switch"]["quiet_old"].is_null());
    let second = deploy(&world, "two").said(format!("quiet   set1 was told TSTP, pid {}", world.pid("set1")));
    assert_eq!(second.record()["switch"]["quiet_old"], "TSTP");
    assert_eq!(world.process("set1")["quieted"], "TSTP");
    heard(&world, "one", "SIGTSTP\n");
    let back =
        world.rollback().success().said("quiet   set2 was told TSTP").said("quiet   set1 was told USR2").record();
    assert_eq!((&back["switch"]["quiet_old"], &back["switch"]["quiet_new"]), (&"TSTP".into(), &"USR2".into()));
    heard(&world, "one", "SIGTSTP\nSIGUSR2\n");
    heard(&world, "two", "SIGTSTP\n");
    assert!(world.process("set1")["quieted"].is_null());
    // A switch that was killed after it had written that down, and before it told: the next one tells.
    world.switch("set1").success().said("set1 serves already").said("set2 was told TSTP");
    heard(&world, "two", "SIGTSTP\nSIGTSTP\n");
    assert!(process::alive(world.pid("set1")) && process::alive(world.pid("set2")));
}

#[test]
fn a_release_without_a_handler_is_not_told_and_lives() {
    let world = World::new().serving();
    let old = world.pid("set1");
    let deploy = world.run("bg-deploy", &["--switch-quiet-old", "USR1", "--", "fake-app"]).success();
    deploy.said("warning: set1 was not told USR1, for nothing there has a handler for it");
    assert!(process::alive(old) && world.process("set1")["quieted"].is_null());
}

#[test]
fn what_a_leader_without_a_handler_has_started_is_told_in_its_place() {
    let world = World::new();
    let line = format!("fake-app --tell-signals {} & wait", world.word("one"));
    world.run("bg-deploy", &["--", "sh", "-c", &line]).success();
    let leader = world.pid("set1");
    world.run("bg-deploy", &["--switch-quiet-old", "USR1", "--", "fake-app"]).success().said("set1 was told USR1");
    heard(&world, "one", "SIGUSR1\n");
    assert!(process::alive(leader));
}

#[test]
fn a_quieted_release_that_serves_again_without_being_told_is_a_warning() {
    let world = World::new();
    deploy(&world, "one");
    world.run("bg-deploy", &["--switch-quiet-old", "TSTP", "--", "fake-app"]).success();
    world.rollback().success().said("warning: set1 serves, and an earlier switch has quieted its release by TSTP");
}

#[test]
fn a_failed_switch_and_a_share_quiet_nobody() {
    let world = World::new().env("BG_SWITCH_QUIET_OLD", "TSTP").env("BG_HEALTH_TIMEOUT", "1s");
    deploy(&world, "one");
    world.deploy(&["--down"]).exit(4);
    assert!(!world.path("one").exists() && world.process("set1")["quieted"].is_null());
    for wrong in ["KILL", "STOP", "TERM", "nonsense"] {
        world.run("bg-switch", &["--to", "set1", "--quiet-old", wrong]).exit(2).said("--quiet-old");
    }
}
