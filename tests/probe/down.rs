//! Slots that are down, or not up yet: what nginx is set to serve is not to be stopped.

use bg_tests::{World, process, until};
use nix::sys::signal::Signal;
use serde_json::json;

use super::{SOON, Said, refusal};

#[test]
fn a_slot_whose_process_runs_is_live_before_it_listens() {
    let world = World::new();
    world.run("bg-launch", &["--slot", "set1", "--", "fake-app", "--boot-ms", "60000"]).success();
    let said = Said::by(&world, &[]);
    said.is(Some("set1"), "set2", &json!({"by": "file", "points_at": "set1", "front_said": "502"}));
    assert!(said.stderr.contains("set1 is live but nothing listens on its port"), "{}", said.stderr);
    world.run("bg-launch", &["--slot", "set1", "--stop"]).exit(7);
}

#[test]
fn other_ports_in_the_settings_do_not_make_the_live_slot_idle() {
    let world = World::new();
    world.deploy(&[]).success();
    let others = format!("set1={},set2={}", world.free_port(), world.free_port());
    let world = world.env("BG_SLOTS", &others);
    for front in [world.nginx.front_url("/profile"), "-".to_owned()] {
        let stop = ["--slot", "set1", "--stop", "--front", &front];
        world.run("bg-launch", &stop).exit(7);
        assert_eq!(world.get("/profile").body, "set1", "{front}");
    }
    assert!(refusal(&world, &["--front", "-"], 7).contains("Give the same --slots as when it was launched"));
}

#[test]
fn where_both_are_down_the_idle_one_is_the_one_nginx_is_not_set_to_serve() {
    let world = World::new();
    world.deploy(&["--version-text", "1.0"]).success();
    world.deploy(&["--version-text", "1.1"]).success();
    world.rollback().success();
    world.processes().into_iter().for_each(|pid| process::signal(pid, Signal::SIGKILL));
    until(SOON, "both are down", || !world.listens("set1") && !world.listens("set2"));
    world.nginx.stop();
    world.nginx.start();
    Said::by(&world, &[]).is(None, "set2", &json!({"by": "ports", "points_at": "set1", "front_said": "502"}));
    // The one that crashed is not what anybody goes back to.
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.1");
}
