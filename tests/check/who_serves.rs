//! Whom the witnesses name, and whether a deploy runs already.

use std::time::Duration;

use bg_tests::{World, until};
use nix::sys::signal::Signal;

use super::says;

#[test]
fn a_front_that_answers_nothing_fails() {
    let world = World::new();
    world.nginx.stop();
    let start = format!("(connection refused): start nginx: {}; or let --front be a URL", world.nginx.command_line());
    says(&world, "bg-probe", 1, &start);
}

#[test]
fn a_front_that_names_no_slot_fails() {
    let world = World::new();
    world.start_fake("set1", &["--profile", "real"]);
    says(&world, "bg-probe", 1, "fail    no switch could be seen, for http://127.0.0.1:");
    says(
        &world,
        "bg-probe",
        1,
        "names no slot (200 \"real\"). Nothing was touched: let --front be a page, through nginx",
    );
}

#[test]
fn a_file_that_is_missing_or_strange_fails() {
    let world = World::new();
    world.nginx.write_upstream("# nothing\n");
    says(&world, "bg-probe", 1, "has no line `set $service_url ...;`");
    world.remove(world.nginx.upstream_file());
    says(&world, "bg-probe", 1, "service-url.inc is not there. Nothing was touched: have the site include it");
}

#[test]
fn a_file_whose_address_is_no_slots_fails() {
    let world = World::new();
    world.nginx.write_upstream("set $service_url http://127.0.0.1:;\n");
    says(&world, "bg-probe", 1, "names http://127.0.0.1:, which is neither slot");
}

#[test]
fn witnesses_that_disagree_fail() {
    let world = World::new().set1_running();
    world.edit_upstream("set2");
    says(&world, "bg-probe", 1, "fail    nginx and its file disagree");
    says(&world, "bg-probe", 1, ": go on serving set1 with: bg-switch --to set1");
    says(&world, "bg-launch", 1, "it can't be told which slot is idle: see why: bg-probe --check");
}

#[test]
fn a_deploy_that_runs_is_named_and_not_disturbed() {
    let world = World::new();
    let words = ["--health-timeout", "60s", "--", "fake-app", "--boot-503-ms", "60000"];
    let deploy = world.start("bg-deploy", &words);
    until(Duration::from_secs(20), "the deploy has launched", || world.listens("set1"));

    says(&world, "bg-probe", 0, &format!("(pid {}) of ", deploy.id()));
    says(&world, "bg-probe", 0, ": wait until it is done, or let the next one wait with --wait 5m");

    deploy.signal(Signal::SIGKILL);
    assert_eq!(deploy.end().code(), None);
}

#[test]
fn a_release_from_the_future_is_a_warning() {
    let world = World::new();
    world.make_dir(world.dir().join("releases/29991231T000000Z-1a2b3c4d"));
    says(&world, "bg-probe", 0, "but release 29991231T000000Z-1a2b3c4d is from later: set the clock");
}
