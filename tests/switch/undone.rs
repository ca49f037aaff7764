//! What goes wrong, is interrupted or killed is undone, and the old slot goes on serving.

use std::fs;
use std::process::Stdio;

use bg_tests::{Traffic, World, process, programs, until};
use nix::sys::signal::Signal;

use super::{SOON, a_busy_port, assert_untouched, both_run, said, switch, wrapper};

#[test]
fn a_reload_that_never_takes_place_is_undone() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let _busy = a_busy_port(&world);
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let refused = world.cmd("bg-switch").args(["--to", "set2", "--verify-timeout", "3s"]).assert().code(5).stdout("");
    assert!(said(&refused).contains("bind() to 127.0.0.1:"), "nginx's own words: {}", said(&refused));
    assert!(said(&refused).contains("set1 is serving, seen at the front"), "{}", said(&refused));
    let counts = traffic.stop();
    assert_eq!((counts.failed, counts.answers.len()), (0, 1), "{counts}");
    assert_untouched(&world, &before);
}

#[test]
fn a_file_that_is_broken_elsewhere_is_not_our_downfall() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    world.nginx.add_to_http("broken", "server { listen 127.0.0.1:1 oops; }\n");
    let refused = switch(&world, "set2").code(5).stdout("");
    assert!(said(&refused).contains("configuration: [emerg] invalid parameter \"oops\""), "{}", said(&refused));
    assert!(said(&refused).contains("set1 is serving"), "{}", said(&refused));
    assert_untouched(&world, &before);
}

#[test]
fn without_a_running_nginx_nothing_changes() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    world.nginx.stop();
    let refused = switch(&world, "set2").code(5).stdout("");
    assert!(said(&refused).contains("does it run?"), "{}", said(&refused));
    assert!(said(&refused).contains("set1 was live before, but the front answered connection refused"));
    assert_eq!(world.nginx.read_upstream(), before);
    world.nginx.start();
    assert_untouched(&world, &before);
}

#[test]
fn a_slot_that_answers_as_another_is_refused() {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &["--other-profile", "real"]);
    let before = world.nginx.read_upstream();
    let refused = world.cmd("bg-switch").args(["--to", "set2", "--verify-timeout", "1s"]).assert().code(5);
    assert!(said(&refused).contains("within 1.0s: the front answered 200 \"real\""), "{}", said(&refused));
    assert_untouched(&world, &before);
}

#[test]
fn who_interrupts_it_is_back_where_he_was() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let _busy = a_busy_port(&world);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let refusals = world.nginx.error_log().matches("bind() to").count();
        let mut command = world.command(&programs::ours("bg-switch"));
        command.args(["--to", "set2", "--verify-timeout", "60s"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("bg-switch, which was found before");
        let tried = || world.nginx.error_log().matches("bind() to").count() > refusals;
        until(SOON, "nginx tries the new configuration", tried);
        assert_ne!(world.nginx.read_upstream(), before);
        process::signal(child.id(), signal);
        let output = child.wait_with_output().expect("a child of ours");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{signal}: {said}");
        assert!(said.contains("a signal interrupted the switch to set2"), "{said}");
        assert_untouched(&world, &before);
    }
}

#[test]
fn killed_before_the_reload_the_same_command_finishes() {
    let world = both_run();
    let deadly = wrapper(&world, "ngx", "[ \"$last\" = -t ] && kill -9 $PPID");
    kill_half_way(&world, &deadly);
    assert_eq!(world.live().as_deref(), Some("set1"), "nginx has read nothing");
    assert!(world.nginx.read_upstream().contains(&world.port("set2").to_string()), "but the file has changed");

    let probed = world.cmd("bg-probe").args(["--format", "name"]).assert().success().stdout("set2\n");
    assert!(said(&probed).contains("an earlier switch to set2 was cut short; nginx serves set1"), "{}", said(&probed));
    let finished = switch(&world, "set2").success();
    assert!(said(&finished).contains("an earlier switch to set2 was cut short"), "{}", said(&finished));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(!world.dir().join("switching.json").exists());
}

#[test]
fn killed_after_the_reload_the_way_back_is_open_too() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let nginx = world.nginx.command_line();
    let deadly = wrapper(&world, "ngx", &format!("[ \"$last\" = reload ] && {nginx} \"$@\" && kill -9 $PPID"));
    kill_half_way(&world, &deadly);
    // Whoever comes next: also a deploy, whose bg-launch has no nginx to ask.
    world.shell("bg-launch --slot idle --adopt -- fake-app </dev/null | bg-health").assert().success();
    world.cmd("bg-probe").args(["--slot", "live", "--format", "name"]).assert().success().stdout("set2\n");
    assert_eq!(world.live().as_deref(), Some("set2"));
    switch(&world, "set1").success();
    assert_untouched(&world, &before);
    switch(&world, "set2").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn killed_on_the_way_back_the_next_one_says_what_nginx_serves() {
    let world = both_run();
    fs::create_dir_all(world.dir()).expect("a folder of ours");
    // nginx has moved, and the file is back already.
    switch(&world, "set2").success();
    let line = |slot: &str| format!("set $service_url http://127.0.0.1:{};\n", world.port(slot));
    world.nginx.write_upstream(&line("set1"));
    let note = format!(r#"{{"from":"set1","to":"set2","before":{:?}}}"#, line("set1"));
    fs::write(world.dir().join("switching.json"), note).expect("a folder of ours");
    let probed = world.cmd("bg-probe").args(["--format", "name"]).assert().success().stdout("set1\n");
    assert!(said(&probed).contains("nginx serves set2"), "{}", said(&probed));
    world.shell("bg-launch --slot idle --adopt -- fake-app </dev/null | bg-health").assert().success();
    assert_eq!(world.nginx.read_upstream(), line("set2"));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(!world.dir().join("switching.json").exists());
}

fn kill_half_way(world: &World, nginx: &str) {
    let mut command = world.command(&programs::ours("bg-switch"));
    let status = command.args(["--to", "set2", "--nginx", nginx]).stdout(Stdio::null()).status();
    assert_eq!(status.expect("bg-switch, which was found before").code(), None, "it was killed");
    assert!(world.dir().join("switching.json").exists());
}

#[test]
fn an_edit_that_was_never_reloaded_is_settled_by_who_names_the_slot() {
    let world = both_run();
    let line = |slot: &str| format!("set $service_url http://127.0.0.1:{};\n", world.port(slot));
    world.nginx.write_upstream(&line("set2"));
    world.cmd("bg-probe").assert().code(7);
    world.nginx.add_to_http("broken", "oops;\n");
    // What goes back is what nginx serves, not what the file said.
    let refused = switch(&world, "set2").code(5);
    assert!(said(&refused).contains("set1 is serving"), "{}", said(&refused));
    assert_untouched(&world, &line("set1"));

    world.nginx.add_to_http("broken", "");
    world.nginx.write_upstream(&line("set2"));
    switch(&world, "set1").success();
    assert_untouched(&world, &line("set1"));
}
