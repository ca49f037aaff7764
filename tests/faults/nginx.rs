use super::{SOON, assert_as_before, serving};
use bg_tests::{World, programs, until};
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Stdio};

const BROKEN: &str = "this is no directive;\n";

/// Starts a deploy of a release that takes its time to boot, and waits until it is launched.
fn slow_deploy(world: &World) -> Child {
    let said = fs::File::create(world.folder().join("said")).expect("a folder of ours");
    let mut command = world.command(&programs::ours("bg-deploy"));
    command.args(["--", "fake-app", "--version-text", "1.1", "--boot-ms", "1500"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    let deploy = command.spawn().expect("a program that was found before");
    until(SOON, "it is launched", || world.dir().join("slots/set2/process.json").exists());
    deploy
}

#[track_caller]
fn assert_ends(world: &World, mut deploy: Child, code: i32, says: &str) {
    let ended = deploy.wait().expect("a child of ours").code();
    let said = fs::read_to_string(world.folder().join("said")).expect("what it said");
    assert_eq!(ended, Some(code), "{said}");
    assert!(said.contains(says), "{said}");
}

#[test]
fn an_nginx_that_does_not_run_is_not_switched_and_comes_back_as_it_was() {
    for (world, says) in
        [(World::new(), "nginx could not be told to reload"), (World::new().link_form(), "does nginx run?")]
    {
        let world = serving(world.env("BG_SWITCH_VERIFY_TIMEOUT", "1s"));
        world.nginx.stop();
        let failed = world.deploy_fake(&["--version-text", "1.1"]).code(5);
        failed.stderr(contains(says).and(contains("bg-probe: warning: no slot is named at")));
        assert!(world.listens("set2"), "the healthy release waits");
        world.nginx.start();
        assert_as_before(&world, "nginx is back");
        world.cmd("bg-deploy").arg("--rollback").assert().success();
        assert_eq!(world.get("/version").body, "1.1");
    }
}

#[test]
fn an_nginx_that_is_restarted_in_the_middle_is_switched_all_the_same() {
    for world in [World::new(), World::new().link_form()] {
        let world = serving(world);
        let deploy = slow_deploy(&world);
        world.nginx.stop();
        world.nginx.start();
        assert_ends(&world, deploy, 0, "live ");
        assert_eq!(world.get("/version").body, "1.1");
    }
}

#[test]
fn a_configuration_that_is_broken_before_stops_the_reload_form_and_not_the_link() {
    let world = serving(World::new());
    world.nginx.add_to_http("other", BROKEN);
    world.deploy_fake(&["--version-text", "1.1"]).code(5).stderr(contains("nginx -t refused the configuration"));
    assert_as_before(&world, "broken before");

    let world = serving(World::new().link_form());
    world.nginx.add_to_http("other", BROKEN);
    world.deploy_fake(&["--version-text", "1.1"]).success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_configuration_that_is_broken_meanwhile_is_found_in_time() {
    let world = serving(World::new());
    let deploy = slow_deploy(&world);
    world.nginx.add_to_http("other", BROKEN);
    assert_ends(&world, deploy, 5, "nginx -t refused the configuration");
    assert_as_before(&world, "broken meanwhile");
    world.nginx.add_to_http("other", "");
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_configuration_that_is_broken_after_the_test_is_undone() {
    let world = serving(World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "1s"));
    // Between `nginx -t` and the reload somebody saves a broken file.
    let other = world.folder().join("nginx/http.d/other.conf");
    let lines = format!(
        "{} \"$@\"\nstatus=$?\n[ \"$1\" = -t ] && echo '{}' >{}\nexit $status",
        world.nginx.command_line(),
        BROKEN.trim_end(),
        other.display()
    );
    let nginx = world.script("nginx-and-somebody", &lines);
    let failed = world.cmd("bg-deploy").args(["--nginx", &nginx, "--", "fake-app"]).assert().code(5);
    failed.stderr(contains("is as it was"));
    world.nginx.add_to_http("other", "");
    assert_as_before(&world, "broken after");
    world.deploy_fake(&["--version-text", "1.2"]).success();
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn a_reload_that_silently_does_not_apply_is_seen_and_undone() {
    // nginx tries a port that is taken for 2.5 s, and then says that it gives up.
    let world = serving(World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "60s"));
    let taken = TcpListener::bind(("127.0.0.1", world.free_port())).expect("a free port");
    let listen = taken.local_addr().expect("its address");
    world.nginx.add_to_http("other", &format!("server {{ listen {listen}; return 204; }}\n"));
    let failed = world.deploy_fake(&["--version-text", "1.1"]).code(5);
    failed.stderr(contains("the front still answered set1").and(contains("bind() to")));
    assert_as_before(&world, "silent");
    drop(taken);
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn an_nginx_that_is_still_reading_when_the_time_is_up_is_waited_for_by_the_next_run() {
    let world = serving(World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "500ms"));
    let taken = TcpListener::bind(("127.0.0.1", world.free_port())).expect("a free port");
    let listen = taken.local_addr().expect("its address");
    world.nginx.add_to_http("other", &format!("server {{ listen {listen}; return 204; }}\n"));
    let failed = world.deploy_fake(&["--version-text", "1.1"]).code(5);
    failed.stderr(contains("set1 is serving, and nginx may still be reading its configuration"));
    assert!(world.dir().join("switching.json").exists());
    drop(taken);
    // What is stopped now must be what nginx does not turn to any more.
    let next = world.deploy_fake(&["--version-text", "1.2"]).success();
    next.stderr(contains("an earlier switch to set2 was cut short; nginx serves set1"));
    assert_eq!(world.get("/version").body, "1.2");
    assert!(!world.dir().join("switching.json").exists());
}

#[test]
fn a_front_that_is_slower_than_the_timeouts_names_no_slot() {
    let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "5s").env("BG_HEALTH_CHECK_TIMEOUT", "10s");
    // 2 s is what a front may take for one answer.
    let world = serving(world);
    let slow = ["--", "fake-app", "--hold-ms", "2500"];
    world.cmd("bg-deploy").args(slow).assert().code(5).stderr(contains("the front answered no answer in time"));
    assert_as_before(&world, "slow");

    let world = world.env("BG_PROBE_TIMEOUT", "100ms");
    world.cmd("bg-launch").args(["--slot", "set2", "--", "fake-app", "--hold-ms", "600"]).assert().success();
    until(SOON, "it listens", || world.listens("set2"));
    world.cmd("bg-switch").args(["--to", "set2", "--verify-timeout", "20s"]).assert().success();
    // The file knows what the front is too slow to say.
    let probe = world.cmd("bg-probe").args(["--slot", "live", "--format", "name"]).assert().success();
    probe.stdout("set2\n").stderr(contains("no answer in time"));
    world.cmd("bg-deploy").args(["--", "fake-app", "--version-text", "1.2"]).assert().success();
    assert_eq!(world.get("/version").body, "1.2");
}
