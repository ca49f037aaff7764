//! Switches that were cut short: nginx and its file may disagree, and it is known why.

use std::fs;

use bg_tests::World;
use serde_json::json;

use super::{Said, refusal};

#[test]
fn a_switch_that_was_cut_short_does_not_stop_the_next_deploy() {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    fs::create_dir_all(world.dir()).expect("a folder of ours");
    let note = format!(r#"{{"from":"set1","to":"set2","before":{:?}}}"#, world.nginx.read_upstream());
    fs::write(world.dir().join("switching.json"), note).expect("a folder of ours");
    world.nginx.write_upstream(&format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
    let said = Said::by(&world, &[]);
    said.is(Some("set1"), "set2", &json!({"by": "front", "points_at": "set2"}));
    assert!(said.stderr.contains("an earlier switch to set2 was cut short; nginx serves set1"), "{}", said.stderr);
}

#[test]
fn a_switch_that_was_cut_short_is_for_a_person_where_no_front_names_a_slot() {
    let world = World::new().env("BG_FRONT", "-");
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    fs::create_dir_all(world.dir()).expect("a folder of ours");
    let note = format!(r#"{{"from":"set1","to":"set2","before":{:?}}}"#, world.nginx.read_upstream());
    fs::write(world.dir().join("switching.json"), note).expect("a folder of ours");
    world.point_at("set2");
    let refused = refusal(&world, &[], 7);
    assert!(refused.contains("bg-switch --to set1; or: bg-switch --to set2"), "{refused}");
    world.cmd("bg-launch").args(["--slot", "set1", "--stop", "--adopt"]).assert().code(7);

    world.cmd("bg-switch").args(["--to", "set1"]).assert().success();
    Said::by(&world, &[]).is(Some("set1"), "set2", &json!({"by": "file", "points_at": "set1"}));
    assert_eq!(world.live().as_deref(), Some("set1"));
}
