//! `bg-health --watch` in a bare pipeline: it looks, it says what it saw, and it moves nothing.

use super::server::Server;
use bg_tests::{Running, World, process, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs::File;
use std::net::TcpListener;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// A world in which a chain has put 1.0 into set1.
fn serving() -> World {
    let world = World::new();
    world.run_line(chain("--version-text 1.0")).success();
    world
}

/// A deploy by hand of fake-app with these flags.
fn chain(flags: &str) -> String {
    format!("bg-probe | bg-launch -- fake-app {flags} | bg-health | bg-switch")
}

/// The record of a deploy by hand that is done, and the pid of its release.
fn deployed(world: &World, flags: &str) -> (String, u32) {
    let deployed = world.run_line(chain(flags)).success();
    (deployed.stdout(), world.pid("set2"))
}

/// Begins to watch what was deployed, and waits until it is looked at.
fn watching(world: &World, record: &str, flags: &[&str]) -> Running {
    let given = File::open(world.write("given", record)).expect("a file of ours");
    let watch = world.start_reading(given, "bg-health", &[&["--watch=60s"], flags].concat());
    until(SOON, "it looks", || watch.stderr().contains("watch "));
    watch
}

#[test]
fn a_release_that_stays_well_is_on_the_record() {
    let world = serving();
    let line = format!("{} | bg-health --watch 1s", chain(""));
    let record = world.run_line(&line).success().said("watch   set2 stayed well in ").record();
    assert_eq!(record["switch"]["to"], "set2");
    let watch = &record["watch"];
    assert!((3..=6).contains(&watch["looks"].as_u64().expect("a count")), "{watch}");
    assert!((1000..10_000).contains(&watch["took_ms"].as_u64().expect("a time")), "{watch}");
    assert_eq!((&watch["bad"], &watch["evidence"]), (&0.into(), &"front".into()));
}

#[test]
fn a_release_that_goes_bad_ends_it_and_the_script_decides() {
    let world = serving();
    let watched = format!("{} | bg-health --watch 30s >record", chain("--bad-after-ms 2000"));
    let folder = world.folder().display();
    let line = format!("cd {folder}; {watched}; [ $? -ne 9 ] || bg-switch --to set1 >/dev/null");
    let run = world.run_line(&line).success();
    let run = run.said("set2 went bad within the watch, after ").said(r#"x 200 {"status":"UP"} (0.0 to "#);
    let run = run.said("500 {\"error\":\"Internal Server Error\"}; the application runs and fails at");
    run.said("\n  serving   set2, to which nginx is still set")
        .said("\n  now       move nginx back: bg-switch --to set1");
    assert_eq!(world.read("record"), "");
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_release_that_dies_ends_it_and_nginx_is_left_alone() {
    let world = serving();
    let (record, pid) = deployed(&world, "--version-text 1.1");
    let upstream = world.nginx.read_upstream();
    let watch = watching(&world, &record, &[]);
    process::signal(pid, Signal::SIGKILL);
    watch.end().exit(9).printed_nothing().said("connection refused; it ended, or somebody ended it");
    assert_eq!(world.nginx.read_upstream(), upstream);
}

#[test]
fn a_front_that_somebody_else_has_moved_ends_it() {
    let world = serving();
    let (record, _) = deployed(&world, "--version-text 1.1");
    let watch = watching(&world, &record, &[]);
    world.switch("set1").success();
    let ended = watch.end().exit(9).printed_nothing();
    let ended = ended.said(": nginx serves set1 by now\n").never_said("move nginx back");
    ended.said("\n  likely    somebody else has moved it\n  serving   set1, which nginx was moved to");
}

#[test]
fn an_nginx_that_has_gone_ends_it() {
    let world = serving();
    let (record, _) = deployed(&world, "");
    let watch = watching(&world, &record, &[]);
    world.nginx.stop();
    let ended = watch.end().exit(9).printed_nothing();
    let ended = ended.said("nginx did not answer (connection refused) at http://");
    let ended = ended.said("  serving   nobody: nothing listens at http://").never_said("still set");
    ended.said(format!("nginx does not run any more; start it: {}", world.nginx.command_line()));
}

#[test]
fn one_bad_look_ends_nothing_and_is_counted() {
    let world = serving();
    let (record, pid) = deployed(&world, "");
    process::signal(pid, Signal::SIGKILL);
    // Its threads may hold the port for a moment longer than it is seen to live.
    until(SOON, "its port is free", || TcpListener::bind(("127.0.0.1", world.port("set2"))).is_ok());
    // In its place, and without a front that could name it.
    let server = Server::answering(world.port("set2"), |_, before| {
        if before == 1 { (500, "once".into()) } else { (200, r#"{"status":"UP"}"#.into()) }
    });
    let (front, launch) = (record.find("\"front\":").expect("a front"), record.find("\"launch\":").expect("a launch"));
    let after = |from: usize, next: &str| from + record[from..].find(next).expect("a key behind it");
    let record = format!(
        "{}\"front\":null,{}{}",
        &record[..front],
        &record[after(front, "\"upstream_file\"")..launch],
        &record[after(launch, "\"health\"")..]
    );
    let watch = world.pipe(record, "bg-health", &["--watch", "1s"]).success();
    let record: Value = watch.record();
    assert_eq!((&record["watch"]["bad"], &record["watch"]["evidence"]), (&1.into(), &"health".into()));
    assert!(server.asked("/actuator/health").len() >= 3);
}

#[test]
fn a_watch_that_has_seen_nothing_is_no_pass() {
    let world = serving();
    let (record, pid) = deployed(&world, "");
    process::signal(pid, Signal::SIGSTOP);
    let flags = ["--watch", "0s", "--check-timeout", "200ms"];
    world.pipe(record.clone(), "bg-health", &flags).exit(9).printed_nothing().said("the application hangs");
    process::signal(pid, Signal::SIGCONT);
    let run = world.pipe(record, "bg-health", &["--watch", "0s"]).success();
    run.said("set2 stayed well in 1 looks");
}

#[test]
fn a_record_that_was_not_switched_is_refused_with_what_to_do() {
    let world = serving();
    let line = "bg-probe | bg-launch -- fake-app | bg-health | bg-health --watch 1s";
    let refused = world.run_line(line).exit(3).printed_nothing();
    refused.said("the record has no \"switch\": put bg-switch before bg-health --watch, or name the slot with --slot");
    let (record, _) = deployed(&world, "");
    let other = record.replace(r#""to":"set2""#, r#""to":"set1""#);
    let refused = world.pipe(other, "bg-health", &["--watch", "1s"]).exit(3).printed_nothing();
    refused.said("the record is of set2, but its \"switch\" went to set1");
    world.run_line("bg-switch --to set9 | bg-health --watch 1s").exit(3).printed_nothing().never_said("bg-health");
}

#[test]
fn a_record_of_a_release_that_its_slot_holds_no_longer_is_refused_however_its_health_is_asked_for() {
    let world = serving();
    let (record, _) = deployed(&world, "--version-text 1.1");
    for _ in 0..2 {
        world.run_line(chain("--version-text 1.2")).success();
    }
    for words in [&["--watch", "500ms"][..], &["--once"], &[]] {
        let refused = world.pipe(record.as_str(), "bg-health", words).exit(7).printed_nothing();
        refused.said("the record is no longer true: set2 has release ").never_said("looking after");
    }
}

#[test]
fn a_slot_may_be_named_instead_of_a_record() {
    let world = serving();
    world.run("bg-health", &["--slot", "live", "--watch", "300ms"]).success();
    world.run("bg-health", &["--slot", "idle", "--watch", "300ms"]).exit(2);
    world.start_fake("set2", &[]);
    let watch = world.run("bg-health", &["--slot", "set2", "--watch", "300ms"]).exit(9).printed_nothing();
    watch.said("nginx serves set1 by now");
    world.run("bg-health", &["--slot", "live", "--watch", "1s", "--once"]).exit(2);
}

#[test]
fn ctrl_c_ends_it_and_what_serves_goes_on() {
    let world = serving();
    let (record, _) = deployed(&world, "--version-text 1.1");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let watch = watching(&world, &record, &[]);
        watch.signal(signal);
        let ended = watch.end().printed_nothing();
        let code = ended.code().or_else(|| Some(128 + ended.signal()?));
        assert_eq!(code, Some(128 + signal as i32), "{ended}");
        assert_eq!(world.get("/version").body, "1.1");
    }
}
