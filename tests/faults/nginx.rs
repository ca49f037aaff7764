use super::{SOON, assert_as_before};
use bg_tests::{Running, World, until};
use std::net::TcpListener;

const BROKEN: &str = "this is no directive;\n";

/// Starts a deploy of a release that takes its time to boot, and waits until it is launched.
fn slow_deploy(world: &World) -> Running {
    let deploy = world.start("bg-deploy", &["--", "fake-app", "--version-text", "1.1", "--boot-ms", "1500"]);
    until(SOON, "it is launched", || world.is_launched("set2"));
    deploy
}

#[test]
fn an_nginx_that_ends_meanwhile_is_not_switched_and_comes_back_as_it_was() {
    for world in [World::new(), World::new().link_form()] {
        let world = world.env("BG_SWITCH_VERIFY_TIMEOUT", "1s").serving();
        let deploy = slow_deploy(&world);
        world.nginx.stop();
        deploy.end().exit(5).said("names no slot (connection refused). Nothing was touched. Start nginx");
        assert!(world.listens("set2"), "the healthy release waits");
        world.nginx.start();
        assert_as_before(&world, "nginx is back");
        world.switch("set2").success();
        assert_eq!(world.get("/version").body, "1.1");
    }
}

#[test]
fn an_nginx_that_is_restarted_in_the_middle_is_switched_all_the_same() {
    for world in [World::new(), World::new().link_form()] {
        let world = world.serving();
        let deploy = slow_deploy(&world);
        world.nginx.stop();
        world.nginx.start();
        deploy.end().exit(0).said("live ");
        assert_eq!(world.get("/version").body, "1.1");
    }
}

#[test]
fn a_configuration_that_is_broken_before_stops_the_reload_form_and_not_the_link() {
    let world = World::new().serving();
    world.nginx.add_to_http("other", BROKEN);
    world.deploy(&["--version-text", "1.1"]).exit(5).said("nginx -t refused the configuration");
    assert!(!world.listens("set2"), "it was known before anything was started");
    assert_as_before(&world, "broken before");

    let world = World::new().link_form().serving();
    world.nginx.add_to_http("other", BROKEN);
    world.deploy(&["--version-text", "1.1"]).success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_configuration_that_is_broken_meanwhile_is_found_in_time() {
    let world = World::new().serving();
    let deploy = slow_deploy(&world);
    world.nginx.add_to_http("other", BROKEN);
    deploy.end().exit(5).said("nginx -t refused the configuration");
    assert_as_before(&world, "broken meanwhile");
    world.nginx.add_to_http("other", "");
    world.switch("set2").success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_configuration_that_is_broken_after_the_test_is_undone() {
    let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "1s").serving();
    // Between `nginx -t` and the reload somebody saves a broken file.
    let other = world.path("nginx/http.d/other.conf");
    let lines = format!(
        "{} \"$@\"\nstatus=$?\n[ \"$1\" = -t ] && echo '{}' >{}\nexit $status",
        world.nginx.command_line(),
        BROKEN.trim_end(),
        other.display()
    );
    let nginx = world.script("nginx-and-somebody", &lines);
    world.run("bg-deploy", &["--nginx", &nginx, "--", "fake-app"]).exit(5).said("is as it was");
    world.nginx.add_to_http("other", "");
    assert_as_before(&world, "broken after");
    world.deploy(&["--version-text", "1.2"]).success();
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn a_reload_that_silently_does_not_apply_is_seen_and_undone() {
    // nginx tries a port that is taken for 2.5 s, and then says that it gives up.
    let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "60s").serving();
    let taken = TcpListener::bind(("127.0.0.1", world.free_port())).expect("a free port");
    let listen = taken.local_addr().expect("its address");
    world.nginx.add_to_http("other", &format!("server {{ listen {listen}; return 204; }}\n"));
    world.deploy(&["--version-text", "1.1"]).exit(5).said("the front still answered set1").said("bind() to");
    assert_as_before(&world, "silent");
    drop(taken);
    world.switch("set2").success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn an_nginx_that_is_still_reading_when_the_time_is_up_is_waited_for_by_the_next_run() {
    let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "500ms").serving();
    let taken = TcpListener::bind(("127.0.0.1", world.free_port())).expect("a free port");
    let listen = taken.local_addr().expect("its address");
    world.nginx.add_to_http("other", &format!("server {{ listen {listen}; return 204; }}\n"));
    let refused = world.deploy(&["--version-text", "1.1"]).exit(5);
    refused.said("set1 is serving, and nginx may still be reading its configuration");
    assert!(world.is_half_switched());
    drop(taken);
    // What is stopped now must be what nginx does not turn to any more.
    let run = world.deploy(&["--version-text", "1.2"]).success();
    run.said("an earlier switch to set2 was cut short; nginx serves set1");
    assert_eq!(world.get("/version").body, "1.2");
    assert!(!world.is_half_switched());
}

#[test]
fn a_front_that_is_slower_than_the_timeouts_names_no_slot() {
    let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "5s").env("BG_HEALTH_CHECK_TIMEOUT", "10s");
    // 2 s is what a front may take for one answer.
    let world = world.serving();
    let slow = ["--", "fake-app", "--hold-ms", "2500"];
    world.run("bg-deploy", &slow).exit(5).said("the front did not answer (no answer in time)");
    assert_as_before(&world, "slow");

    let world = world.env("BG_PROBE_TIMEOUT", "100ms");
    world.run("bg-launch", &["--slot", "set2", "--", "fake-app", "--hold-ms", "600"]).success();
    until(SOON, "it listens", || world.listens("set2"));
    world.run("bg-switch", &["--to", "set2", "--verify-timeout", "20s"]).success();
    // The file knows what the front is too slow to say.
    let run = world.run("bg-probe", &["--slot", "live", "--format", "name"]).success();
    run.printed_only("set2\n").said("no answer in time");
    world.run("bg-deploy", &["--", "fake-app", "--version-text", "1.2"]).success();
    assert_eq!(world.get("/version").body, "1.2");
}
