use super::{SOON, prepare};
use bg_tests::{Ran, Run, World, process, until};
use nix::sys::signal::Signal;

/// A site where 1.1 serves in set2, and 1.0 did so before in set1.
fn world() -> World {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    world
}

/// A deploy that fails at its health.
#[track_caller]
fn fail(world: &World) -> Ran {
    let failing = world.fake_app(&["--crash-at-boot"]);
    world.cmd("bg-deploy").arg("--").args(failing).ran().exit(8)
}

/// A rollback to this release is refused, for nobody ever saw it.
#[track_caller]
fn refuses(world: &World, unseen: &str) {
    let refused = world.rollback().exit(7).said(format!("no visitor has ever been in release {unseen} in set1"));
    refused.said(format!("bg-deploy --rollback --to {unseen}"));
    assert_eq!(world.get("/version").body, "1.1");
}

fn end(world: &World, slot: &str) {
    let pid = world.pid(slot);
    process::signal(pid, Signal::SIGKILL);
    until(SOON, "it is gone", || !process::alive(pid));
}

#[test]
fn rollback_refuses_what_was_never_live_after_a_deploy_in_its_slot_has_failed() {
    let world = world();
    let kill = world.script("kill", "kill -KILL $PPID");
    let app = world.fake_app(&["--version-text", "1.2"]);
    let killed = world.cmd("bg-deploy").args(["--before-switch", &kill, "--"]).args(app).ran();
    assert_eq!(killed.signal(), Some(9), "{killed}");
    let unseen = world.held("set1").expect("1.2");
    refuses(&world, &unseen);
    for _ in 0..2 {
        let failed = fail(&world).never_said("for --rollback to start");
        failed.said(format!("release {unseen} in set1 again, in which no visitor has ever been"));
        refuses(&world, &unseen);
    }
    // It may be wanted all the same, and then it is one to go back to.
    world.run("bg-deploy", &["--rollback", "--to", &unseen]).success();
    assert_eq!(world.get("/version").body, "1.2");
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.1");
    fail(&world).said("for --rollback to start");
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn rollback_refuses_what_was_never_live_and_was_started_again_before_the_next_one_was_prepared() {
    let world = world();
    prepare(&world, "1.2").success();
    let unseen = world.held("set1").expect("1.2");
    end(&world, "set1");
    world.run("bg-launch", &["--slot", "set1", "--current"]).success();
    prepare(&world, "1.3").success();
    refuses(&world, &unseen);
    world.run("bg-deploy", &["--abandon"]).success();
    refuses(&world, &unseen);
    // Nor does it help that its process is started by its name.
    world.run("bg-launch", &["--slot", "set1", "--release", &unseen]).success();
    refuses(&world, &unseen);
}

#[test]
fn rollback_refuses_what_a_killed_launch_has_put_into_the_slot_and_not_started() {
    let world = world();
    let before = world.read(world.process_file("set1"));
    prepare(&world, "1.2").success();
    let unseen = world.held("set1").expect("1.2");
    end(&world, "set1");
    world.write(world.process_file("set1"), &before);
    refuses(&world, &unseen);
}

#[test]
fn what_tells_that_a_release_was_never_live_goes_with_the_first_visitor_or_with_the_release() {
    let world = world().env("BG_LAUNCH_KEEP", "1");
    let unserved = || world.names(world.dir().join("unserved"));
    assert_eq!(unserved(), [""; 0]);
    for _ in 0..3 {
        fail(&world);
        assert_eq!(unserved(), [world.process("set1")["release"].as_str().expect("a name")]);
    }
    prepare(&world, "1.2").success();
    assert_eq!(unserved(), [world.held("set1").expect("1.2")]);
    world.run("bg-deploy", &["--finish"]).success();
    assert_eq!(unserved(), [""; 0]);
}
