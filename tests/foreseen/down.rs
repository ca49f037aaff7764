use super::{two_releases, two_releases_by_link};
use bg_tests::{World, process, until};
use nix::sys::signal::Signal;
use std::time::Duration;

fn is_gone(world: &World, slot: &str) {
    process::signal(world.pid(slot), Signal::SIGKILL);
    until(Duration::from_secs(5), "it is gone", || !world.listens(slot));
}

#[test]
fn a_live_slot_that_is_down_fails_the_check_and_is_started_by_its_advice() {
    for world in [two_releases(), two_releases().env("BG_FRONT", "-")] {
        is_gone(&world, "set2");
        let run = world.run("bg-deploy", &["--check"]).exit(1).printed("nothing listens on its port");
        run.printed("start it again: bg-launch --live");
        world.run_line("bg-launch --live").success();
        until(Duration::from_secs(5), "it serves", || world.get("/version").body == "1.1");
        world.run("bg-deploy", &["--check", "--", "fake-app"]).success();
    }
}

#[test]
fn a_fix_is_deployed_to_a_site_whose_live_release_is_down_or_ill() {
    let world = two_releases_by_link();
    is_gone(&world, "set2");
    world.deploy(&["--version-text", "1.2"]).success();
    assert_eq!((world.get("/version").body.as_str(), world.live().as_deref()), ("1.2", Some("set1")));

    // Both are down, as after a reboot.
    is_gone(&world, "set1");
    world.run("bg-deploy", &["--check"]).exit(1).printed("bg-launch --live");
    world.deploy(&["--version-text", "1.3"]).success();
    assert_eq!(world.get("/version").body, "1.3");
}

#[test]
fn a_site_that_answers_502_fails_the_check_and_may_be_gone_back_from() {
    let world = two_releases();
    is_gone(&world, "set2");
    world.run("bg-deploy", &["--check"]).exit(1).printed("names no slot (502)").printed("bg-launch --live");
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}
