use super::{kept, prepare, told};
use crate::prepare::SOON;
use bg_tests::{Run, World, process, until};
use nix::sys::signal::Signal;

#[test]
fn rollback_goes_back_past_what_is_prepared_and_says_so() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    prepare(&world, "1.2").success();
    let prepared = world.held("set1").expect("a release");
    let back = world.rollback().success().never_said("forward to");
    back.said(format!("it has taken the place of release {prepared}, which was prepared in set1"));
    assert_eq!(world.get("/version").body, "1.0");
    assert!(kept(&world).is_none());
    world.run("bg-deploy", &["--finish"]).exit(3).said("nothing is prepared");
}

#[test]
fn rollback_refuses_what_was_never_live_where_its_note_is_lost_and_goes_there_by_name() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let oldest = world.held("set1").expect("1.0");
    prepare(&world, "1.2").success();
    let prepared = world.held("set1").expect("a release");
    world.write(world.dir().join("prepared.json"), "");
    for _ in 0..2 {
        let refused = world.rollback().exit(7).said("no visitor has ever been in ");
        refused.said(format!("bg-deploy --rollback --to {prepared}"));
        assert_eq!(world.get("/version").body, "1.1");
        // Started again after a crash it is no other one.
        process::signal(world.pid("set1"), Signal::SIGKILL);
        until(SOON, "it is gone", || !process::alive(world.pid("set1")));
        world.run("bg-launch", &["--slot", "set1", "--current"]).success();
    }
    world.run("bg-deploy", &["--rollback", "--to", &prepared]).success();
    assert_eq!(world.get("/version").body, "1.2");
    world.rollback().success();
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.2");
    world.run("bg-deploy", &["--rollback", "--to", &oldest]).success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn rollback_goes_back_to_what_a_hand_has_moved_nginx_to() {
    let world = World::new().serving();
    let app = world.fake_app(&["--version-text", "1.1"]);
    world.cmd("bg-launch").args(["--slot", "set2", "--"]).args(app).ran().success();
    until(SOON, "it listens", || world.listens("set2"));
    world.edit_upstream("set2");
    world.nginx.reload();
    until(SOON, "nginx has moved", || world.get("/version").body == "1.1");
    world.deploy(&["--version-text", "1.2"]).success();
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn rollback_where_there_was_nothing_before_leaves_what_is_prepared() {
    let world = World::new().serving();
    prepare(&world, "1.1").success();
    let refused = world.rollback().exit(1).said("there is nothing to go back to: set2 held no release before ");
    refused.said("bg-deploy --finish");
    assert_eq!((world.get("/version").body.as_str(), kept(&world).is_some()), ("1.0", true));
    world.run("bg-deploy", &["--finish"]).success();
}

#[test]
fn a_deploy_takes_the_place_of_what_is_prepared_and_the_way_back_stays() {
    let world = World::new().serving().env("BG_LAUNCH_KEEP", "1");
    world.deploy(&["--version-text", "1.1"]).success();
    let oldest = world.held("set1").expect("1.0");
    prepare(&world, "1.2").success().never_said("has taken the place");
    let first = world.held("set1").expect("1.2");
    prepare(&world, "1.3")
        .success()
        .said(format!("it has taken the place of release {first}, which was prepared in set1"));
    let failing = world.fake_app(&["--crash-at-boot"]);
    world.cmd("bg-deploy").arg("--").args(failing).ran().exit(8).said("which was prepared in set1");
    assert_eq!(world.held("set1").as_ref(), Some(&oldest), "what was never live is nothing to go back to");
    assert!(kept(&world).is_none());
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_switch_by_hand_to_what_is_prepared_leaves_nothing_to_finish() {
    let world = World::new().serving();
    prepare(&world, "1.1").success();
    world.switch("set2").success();
    assert!(!world.run("bg-probe", &["--format", "table"]).stdout().contains("prepared"));
    world.run("bg-deploy", &["--finish"]).success().said("set2 serves already");
    world.run("bg-deploy", &["--abandon"]).success().said("nothing is prepared");
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn live_leaves_what_is_prepared_as_it_is() {
    let world = World::new().serving();
    prepare(&world, "1.1").success();
    let waits = world.pid("set2");
    world.run("bg-launch", &["--live"]).success().said_nothing();
    let serves = world.pid("set1");
    process::signal(serves, nix::sys::signal::Signal::SIGKILL);
    process::gone(serves);
    world.run("bg-launch", &["--live"]).success();
    assert_eq!(world.pid("set2"), waits);
    world.run("bg-deploy", &["--finish"]).success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_stop_of_the_old_release_that_waits_spares_what_is_prepared_in_its_place() {
    let world = World::new().serving();
    let app = world.fake_app(&["--version-text", "1.1"]);
    world.cmd("bg-deploy").args(["--stop-old", "after=1s", "--"]).args(app).ran().success();
    prepare(&world, "1.2").success();
    let waits = |pid: &u32| process::command_line(*pid).iter().any(|word| word == "--detached");
    until(SOON, "what waits to stop the old release has looked", || !world.processes().iter().any(waits));
    world.run("bg-deploy", &["--finish"]).success();
    assert_eq!(world.get("/version").body, "1.2");
    assert_eq!(told(&world).len(), 4);
}

#[test]
fn the_companion_stays_with_the_live_release_until_the_other_is_finished() {
    let world = World::new();
    let world = {
        let work = format!("fake-app --work {}", world.word("work"));
        world.env("BG_LAUNCH_COMPANION", &work).serving()
    };
    let of = || world.process("companion")["release"].as_str().map(str::to_owned);
    prepare(&world, "1.1").success();
    assert_eq!(of(), world.held("set1"));
    world.run("bg-deploy", &["--finish"]).success();
    assert_eq!(of(), world.held("set2"));
}

#[test]
fn what_is_prepared_before_any_release_is_live_is_told_to_be_reached() {
    let world = World::new();
    prepare(&world, "1.0").success().said("visitors reach it already: no slot was live");
    world.run("bg-deploy", &["--abandon"]).exit(7).said("set1 is live");
    assert_eq!(world.get("/version").body, "1.0");
    world.run("bg-deploy", &["--finish"]).success();
}

#[test]
fn what_is_finished_already_is_not_said_to_be_served_while_nginx_is_down() {
    for world in [World::new(), World::new().link_form()] {
        let world = world.serving();
        world.run("bg-deploy", &["--prepare", "--", "fake-app", "--version-text", "1.1"]).success();
        world.run("bg-deploy", &["--finish"]).success();
        world.nginx.stop();
        let world = world.env("BG_SWITCH_VERIFY_TIMEOUT", "100ms");
        let run = world.run("bg-deploy", &["--finish"]).exit(5).said("serving   not known: ");
        let run = run.said("; nginx is set to serve ").said("in set2; to look: bg-probe --format table");
        run.never_said("nginx serves it").never_said("set2 now").never_said("--rollback");
    }
}
