//! What goes wrong, is interrupted or killed is undone, and the old slot goes on serving.

use bg_tests::{Traffic, World, until};
use nix::sys::signal::Signal;

use super::{SOON, a_busy_port, assert_untouched, wrapper};

#[test]
fn switch_goes_back_when_the_reload_never_takes_place() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let _busy = a_busy_port(&world);
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let refused = world.run("bg-switch", &["--to", "set2", "--verify-timeout", "3s"]).exit(5).printed_nothing();
    refused.said("bind() to 127.0.0.1:").said("set1 is serving, seen at the front");
    let counts = traffic.stop();
    assert_eq!((counts.failed, counts.answers.len()), (0, 1), "{counts}");
    assert_untouched(&world, &before);
}

#[test]
fn switch_goes_back_when_nginx_refuses_another_file() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    world.nginx.add_to_http("broken", "server { listen 127.0.0.1:1 oops; }\n");
    let refused = world.switch("set2").exit(5).printed_nothing();
    refused.said("configuration: [emerg] invalid parameter \"oops\"").said("set1 is serving");
    assert_untouched(&world, &before);
}

#[test]
fn switch_writes_nothing_when_nginx_does_not_run() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    world.nginx.stop();
    let refused = world.switch("set2").exit(5).printed_nothing();
    refused.said("names no slot (connection refused). Nothing was touched. Start nginx");
    assert_eq!(world.nginx.read_upstream(), before);
    world.nginx.start();
    assert_untouched(&world, &before);
}

#[test]
fn switch_goes_back_when_the_slot_answers_as_another() {
    let world = World::new().set1_running();
    world.start_fake("set2", &["--other-profile", "real"]);
    let before = world.nginx.read_upstream();
    let refused = world.run("bg-switch", &["--to", "set2", "--verify-timeout", "1s"]).exit(5);
    refused.said("within 1.0s: the front answered 200 \"real\"");
    assert_untouched(&world, &before);
}

#[test]
fn switch_goes_back_on_a_signal() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let _busy = a_busy_port(&world);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let refusals = world.nginx.error_log().matches("bind() to").count();
        let switch = world.start("bg-switch", &["--to", "set2", "--verify-timeout", "60s"]);
        let tried = || world.nginx.error_log().matches("bind() to").count() > refusals;
        until(SOON, "nginx tries the new configuration", tried);
        assert_ne!(world.nginx.read_upstream(), before);
        switch.signal(signal);
        switch.end().exit(5).said("a signal interrupted the switch to set2");
        assert_untouched(&world, &before);
    }
}

#[test]
fn a_switch_killed_before_the_reload_is_finished_by_the_same_command() {
    let world = World::new().both_running();
    let deadly = wrapper(&world, "ngx", "[ \"$last\" = -t ] && kill -9 $PPID");
    kill_half_way(&world, &deadly);
    assert_eq!(world.live().as_deref(), Some("set1"), "nginx has read nothing");
    assert!(world.nginx.read_upstream().contains(&world.port("set2").to_string()), "but the file has changed");

    let run = world.run("bg-probe", &["--format", "name"]).success();
    run.printed_only("set2\n").said("an earlier switch to set2 was cut short; nginx serves set1");
    world.switch("set2").success().said("an earlier switch to set2 was cut short");
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(!world.is_half_switched());
}

#[test]
fn a_switch_killed_after_the_reload_can_be_taken_back() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let nginx = world.nginx.command_line();
    let deadly = wrapper(&world, "ngx", &format!("[ \"$last\" = reload ] && {nginx} \"$@\" && kill -9 $PPID"));
    kill_half_way(&world, &deadly);
    // Whoever comes next: also a deploy, whose bg-launch has no nginx to ask.
    world.run_line("bg-launch --slot idle --adopt -- fake-app </dev/null | bg-health").success();
    world.run("bg-probe", &["--slot", "live", "--format", "name"]).success().printed_only("set2\n");
    assert_eq!(world.live().as_deref(), Some("set2"));
    world.switch("set1").success();
    assert_untouched(&world, &before);
    world.switch("set2").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_switch_killed_on_its_way_back_is_settled_by_what_nginx_serves() {
    let world = World::new().both_running();
    world.make_dir(world.dir());
    // nginx has moved, and the file is back already.
    world.switch("set2").success();
    let line = |slot: &str| world.upstream_line(slot);
    world.nginx.write_upstream(&line("set1"));
    let note = format!(r#"{{"from":"set1","to":"set2","before":{:?}}}"#, line("set1"));
    world.write(world.dir().join("switching.json"), note);
    world.run("bg-probe", &["--format", "name"]).success().printed_only("set1\n").said("nginx serves set2");
    world.run_line("bg-launch --slot idle --adopt -- fake-app </dev/null | bg-health").success();
    assert_eq!(world.nginx.read_upstream(), line("set2"));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(!world.is_half_switched());
}

fn kill_half_way(world: &World, nginx: &str) {
    let killed = world.run("bg-switch", &["--to", "set2", "--nginx", nginx]);
    assert_eq!(killed.code(), None, "it was killed: {killed}");
    assert!(world.is_half_switched());
}

#[test]
fn switch_settles_a_front_and_file_that_disagree() {
    let world = World::new().both_running();
    let line = |slot: &str| world.upstream_line(slot);
    world.nginx.write_upstream(&line("set2"));
    world.run("bg-probe", &[]).exit(7);
    world.nginx.add_to_http("broken", "oops;\n");
    // What goes back is what nginx serves, not what the file said.
    world.switch("set2").exit(5).said("set1 is serving");
    assert_untouched(&world, &line("set1"));

    world.nginx.add_to_http("broken", "");
    world.nginx.write_upstream(&line("set2"));
    world.switch("set1").success();
    assert_untouched(&world, &line("set1"));
}
