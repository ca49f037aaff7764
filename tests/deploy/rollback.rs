use super::{SOON, limit};
use bg_tests::{World, process, until};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

#[test]
fn the_release_before_answers_again_within_a_second_and_nothing_is_launched() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.pid("set1");
    let mut best = SOON;
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2"), ("1.0", "set1")] {
        let began = Instant::now();
        let rollback = world.rollback().success();
        best = best.min(began.elapsed());
        rollback.said(format!("runs already in {slot}"));
        assert_eq!(world.get("/version").body, version);
    }
    assert_eq!(world.pid("set1"), before);
    assert!(best < limit(Duration::from_secs(1)), "{best:?}");
    assert_eq!(world.history().len(), 5);
}

#[test]
fn a_release_whose_process_is_gone_is_started_again_first() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.pid("set1");
    process::signal(before, Signal::SIGKILL);
    until(SOON, "1.0 is gone", || !process::alive(before));
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
    assert_ne!(world.pid("set1"), before);
}

#[test]
fn right_after_hand_made_scripts_the_slot_they_left_is_taken_as_it_is() {
    let world = World::new();
    world.start_fake("set1", &["--version-text", "by hand"]);
    world.deploy(&["--version-text", "1.0"]).success();
    world.rollback().success().said("not as bg-launch started it");
    assert_eq!(world.get("/version").body, "by hand");
}

#[test]
fn there_may_be_nothing_to_go_back_to() {
    let world = World::new().serving();
    world.rollback().exit(1).said("set2 holds no release").said("in set1, as before");
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_release_before_that_is_not_well_is_not_gone_back_to() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let world = world.env("BG_HEALTH_TIMEOUT", "1s");
    let before = world.pid("set1");
    process::signal(before, Signal::SIGSTOP);
    world.rollback().exit(4);
    assert_eq!(world.get("/version").body, "1.1");
    assert!(process::alive(before), "what this run did not launch, it does not stop");
}

#[test]
fn it_goes_back_further_than_one() {
    let world = World::new().serving();
    for version in ["1.1", "1.2"] {
        world.deploy(&["--version-text", version]).success();
    }
    let oldest = world.history()[0]["launch"]["release"].as_str().expect("a name").to_owned();
    let back = ["--rollback", "--to", &oldest];
    world.run("bg-deploy", &back).success();
    assert_eq!(world.get("/version").body, "1.0");
    assert_eq!(world.get_slot("set1", "/version").expect("what served is up").body, "1.2");
}

#[test]
fn a_release_that_is_not_there_is_said_with_those_that_are() {
    let world = World::new().serving();
    let there = world.history()[0]["launch"]["release"].as_str().expect("a name").to_owned();
    world.run("bg-deploy", &["--rollback", "--to", "1999"]).exit(2).said("no release begins with \"1999\"").said(there);
    for words in [&["--to", "2026"][..], &["--to", "2026", "app.jar"]] {
        world.run("bg-deploy", words).exit(2).printed_nothing();
    }
    assert_eq!(world.get("/version").body, "1.0");
}
