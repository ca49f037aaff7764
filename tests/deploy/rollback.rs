use super::{SOON, audit, limit, pid_in, serving};
use bg_tests::{World, process, until};
use nix::sys::signal::Signal;
use predicates::prelude::*;
use predicates::str::contains;
use std::time::{Duration, Instant};

#[test]
fn the_release_before_answers_again_within_a_second_and_nothing_is_launched() {
    let world = serving();
    world.deploy_fake(&["--version-text", "1.1"]).success();
    let before = pid_in(&world, "set1");
    let mut best = SOON;
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2"), ("1.0", "set1")] {
        let began = Instant::now();
        let rollback = world.cmd("bg-deploy").arg("--rollback").assert().success();
        best = best.min(began.elapsed());
        rollback.stderr(contains(format!("runs already in {slot}")));
        assert_eq!(world.get("/version").body, version);
    }
    assert_eq!(pid_in(&world, "set1"), before);
    assert!(best < limit(Duration::from_secs(1)), "{best:?}");
    assert_eq!(audit(&world).len(), 5);
}

#[test]
fn a_release_whose_process_is_gone_is_started_again_first() {
    let world = serving();
    world.deploy_fake(&["--version-text", "1.1"]).success();
    let before = pid_in(&world, "set1");
    process::signal(before, Signal::SIGKILL);
    until(SOON, "1.0 is gone", || !process::alive(before));
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!(world.get("/version").body, "1.0");
    assert_ne!(pid_in(&world, "set1"), before);
}

#[test]
fn right_after_hand_made_scripts_the_slot_they_left_is_taken_as_it_is() {
    let world = World::new();
    world.start_fake("set1", &["--version-text", "by hand"]);
    world.deploy_fake(&["--version-text", "1.0"]).success();
    world.cmd("bg-deploy").arg("--rollback").assert().success().stderr(contains("not as bg-launch started it"));
    assert_eq!(world.get("/version").body, "by hand");
}

#[test]
fn there_may_be_nothing_to_go_back_to() {
    let world = serving();
    let refused = world.cmd("bg-deploy").arg("--rollback").assert().code(1);
    refused.stderr(contains("set2 holds no release").and(contains("in set1, as before")));
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_release_before_that_is_not_well_is_not_gone_back_to() {
    let world = serving();
    world.deploy_fake(&["--version-text", "1.1"]).success();
    let world = world.env("BG_HEALTH_TIMEOUT", "1s");
    let before = pid_in(&world, "set1");
    process::signal(before, Signal::SIGSTOP);
    world.cmd("bg-deploy").arg("--rollback").assert().code(4);
    assert_eq!(world.get("/version").body, "1.1");
    assert!(process::alive(before), "what this run did not launch, it does not stop");
}

#[test]
fn it_goes_back_further_than_one() {
    let world = serving();
    for version in ["1.1", "1.2"] {
        world.deploy_fake(&["--version-text", version]).success();
    }
    let oldest = audit(&world)[0]["launch"]["release"].as_str().expect("a name").to_owned();
    let back = ["--rollback", "--to", &oldest];
    world.cmd("bg-deploy").args(back).assert().success();
    assert_eq!(world.get("/version").body, "1.0");
    assert_eq!(world.get_slot("set1", "/version").expect("what served is up").body, "1.2");
}

#[test]
fn a_release_that_is_not_there_is_said_with_those_that_are() {
    let world = serving();
    let there = audit(&world)[0]["launch"]["release"].as_str().expect("a name").to_owned();
    let refused = world.cmd("bg-deploy").args(["--rollback", "--to", "1999"]).assert().code(2);
    refused.stderr(contains("no release begins with \"1999\"").and(contains(there)));
    for words in [&["--to", "2026"][..], &["--to", "2026", "app.jar"]] {
        world.cmd("bg-deploy").args(words).assert().code(2).stdout("");
    }
    assert_eq!(world.get("/version").body, "1.0");
}
