use bg_tests::{World, process};

#[test]
fn after_a_failed_deploy_a_rollback_goes_back_to_the_release_before_that() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.held("set1").expect("1.0");
    let world = world.env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy(&["--down"]).exit(4).said(format!("idle      release {before} in set1 again"));
    assert_eq!(world.held("set1"), Some(before));
    assert!(!process::alive(world.pid("set1")));

    let world = world.env("BG_HEALTH_TIMEOUT", "20s");
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_slot_that_held_nothing_holds_nothing_again_and_the_failed_release_stays_on_disk() {
    let world = World::new().serving().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy(&["--down"]).exit(4).said("was stopped; its log is kept");
    assert_eq!(world.held("set2"), None);
    assert_eq!(world.releases().len(), 2);
    world.rollback().exit(1).said("set2 holds no release");
}

#[test]
fn rollback_works_after_many_failed_deploys() {
    let world = World::new().serving().env("BG_LAUNCH_KEEP", "1").env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy(&["--version-text", "1.1"]).success();
    for _ in 0..3 {
        world.deploy(&["--crash-at-boot"]).exit(8);
    }
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_slot_keeps_its_release_when_the_kernel_will_not_run_the_next() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.held("set1");
    let program = world.executable("no-program", "no program\n");
    world.run("bg-deploy", &["--", &program]).exit(1).said("Exec format error").said("in set2, as before");
    assert_eq!(world.held("set1"), before);
}

#[test]
fn a_slot_holds_the_failed_release_that_keep_failed_left_running() {
    let world = World::new().serving().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.held("set1");
    world.run("bg-deploy", &["--keep-failed", "--", "fake-app", "--down"]).exit(4);
    assert_ne!(world.held("set1"), before);
    assert!(process::alive(world.pid("set1")));
}

#[test]
fn launch_stop_undoes_nothing_by_an_old_record() {
    let world = World::new().serving();
    let record = world.deploy(&["--version-text", "1.1"]).success().stdout();
    world.deploy(&["--version-text", "1.2"]).success();
    world.deploy(&["--version-text", "1.3"]).success();
    world.rollback().success();
    let now = world.held("set2");
    world.pipe(record, "bg-launch", &["--stop"]).success();
    assert_eq!(world.held("set2"), now);
}
