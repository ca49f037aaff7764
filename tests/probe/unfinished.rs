//! Switches that were cut short: nginx and its file may disagree, and it is known why.

use bg_tests::World;
use serde_json::json;

use super::{Said, refusal};

#[test]
fn a_switch_that_was_cut_short_does_not_stop_the_next_deploy() {
    let world = World::new().both_running();
    let note = format!(r#"{{"from":"set1","to":"set2","before":{:?}}}"#, world.nginx.read_upstream());
    world.write(world.dir().join("switching.json"), note);
    world.edit_upstream("set2");
    let said = Said::by(&world, &[]);
    said.is(Some("set1"), "set2", &json!({"by": "front", "points_at": "set2"}));
    assert!(said.stderr.contains("an earlier switch to set2 was cut short; nginx serves set1"), "{}", said.stderr);
}

#[test]
fn a_switch_that_was_cut_short_is_for_a_person_where_no_front_names_a_slot() {
    let world = World::new().env("BG_FRONT", "-").both_running();
    let note = format!(r#"{{"from":"set1","to":"set2","before":{:?}}}"#, world.nginx.read_upstream());
    world.write(world.dir().join("switching.json"), note);
    world.point_at("set2");
    let refused = refusal(&world, &[], 7);
    assert!(refused.contains("bg-switch --to set1; or: bg-switch --to set2"), "{refused}");
    world.run("bg-launch", &["--slot", "set1", "--stop", "--adopt"]).exit(7);

    world.switch("set1").success();
    Said::by(&world, &[]).is(Some("set1"), "set2", &json!({"by": "file", "points_at": "set1"}));
    assert_eq!(world.live().as_deref(), Some("set1"));
}
