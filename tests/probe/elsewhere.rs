//! Live is what answers, not what listens on 127.0.0.1.

use super::Said;
use crate::probe::SOON;
use bg_tests::{Run, World, process, until};
use serde_json::json;

/// A world whose live application, in set1, was started by hand and listens at this address alone.
#[track_caller]
fn at(address: &str, in_nginx: &str) -> (World, u32) {
    let world = World::new();
    let group = |slot: &str, host: &str| format!("upstream web_{slot} {{ server {host}:{}; }}\n", world.port(slot));
    world.nginx.add_to_http("groups", &(group("set1", in_nginx) + &group("set2", "127.0.0.1")));
    world.nginx.write_upstream("set $service_url http://web_set1;\n");
    world.nginx.reload();
    let app = world.spawn_fake("set1", &["--address", address]);
    until(SOON, "it answers through nginx", || world.live().as_deref() == Some("set1"));
    (world, app)
}

#[test]
fn a_live_slot_at_another_address_is_live() {
    for (address, in_nginx) in [("::1", "[::1]"), ("127.0.0.2", "127.0.0.2")] {
        let (world, app) = at(address, in_nginx);
        let said = Said::by(&world, &[]);
        said.is(Some("set1"), "set2", &json!({"by": "front", "points_at": "set1"}));
        assert!(!said.stderr.contains("warning"), "{}", said.stderr);
        let table = world.run("bg-probe", &["--format", "table"]).success();
        let table = table.stdout();
        let line = table.lines().find(|line| line.starts_with("set1")).expect("a line a slot");
        assert!(line.contains(" live ") && line.contains(" yes ") && line.contains(&app.to_string()), "{table}");
    }
}

#[test]
fn a_live_slot_at_another_address_is_not_taken_over() {
    let (world, app) = at("::1", "[::1]");
    let stop = world.run("bg-launch", &["--slot", "set1", "--adopt", "--stop"]);
    stop.exit(7).said("set1 is live");
    world.run("bg-deploy", &["--launch-adopt", "--dry-run", "--", "fake-app"]).success();
    // The front is silent: what the file names is what may be serving.
    let silent = ["--front", "-", "--launch-adopt", "--", "fake-app", "--down"];
    let deploy = world.cmd("bg-deploy").args(["--health-timeout", "1s"]).args(silent).ran();
    deploy.exit(4).said("this deploy is for set2");
    assert!(process::alive(app));
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn a_front_that_an_application_answers_counts_wherever_that_runs() {
    let world = World::new();
    let far = world.free_port();
    // In a container of its own, say: nothing here has the slot's port.
    let app = world.spawn_fake("set1", &["--listen-port", &far.to_string()]);
    world.nginx.add_to_http("groups", &format!("upstream web_set1 {{ server 127.0.0.1:{far}; }}\n"));
    world.nginx.write_upstream("set $service_url http://web_set1;\n");
    world.nginx.reload();
    until(SOON, "it answers through nginx", || world.live().as_deref() == Some("set1"));
    let said = Said::by(&world, &[]);
    said.is(Some("set1"), "set2", &json!({"by": "front", "points_at": "set1"}));
    assert!(process::alive(app));
}
