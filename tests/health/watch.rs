//! `bg-health --watch` in a bare pipeline: it looks, it says what it saw, and it moves nothing.

use super::server::Server;
use bg_tests::{World, process, programs, until};
use nix::sys::signal::Signal;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// A world in which a chain has put 1.0 into set1.
fn serving() -> World {
    let world = World::new();
    world.shell(&chain("--version-text 1.0")).assert().success();
    world
}

/// A deploy by hand of fake-app with these flags.
fn chain(flags: &str) -> String {
    format!("bg-probe | bg-launch -- fake-app {flags} | bg-health | bg-switch")
}

/// The record of a deploy by hand that is done, and the pid of its release.
fn deployed(world: &World, flags: &str) -> (String, u32) {
    let output = world.shell(&chain(flags)).assert().success().get_output().stdout.clone();
    let record: Value = serde_json::from_slice(&output).expect("a record");
    let pid = record["launch"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
    (String::from_utf8(output).expect("JSON"), pid)
}

/// Begins to watch what was deployed, and waits until it is looked at.
fn watching(world: &World, record: &str, flags: &[&str]) -> Child {
    let (given, out, said) = (file(world, "given"), file(world, "record"), file(world, "said"));
    fs::write(&given, record).expect("a folder of ours");
    let mut command = world.command(&programs::ours("bg-health"));
    command.arg("--watch=60s").args(flags).stdin(File::open(given).expect("a file of ours"));
    command.stdout(File::create(out).expect("a folder of ours"));
    let watch = command.stderr(File::create(&said).expect("a folder of ours")).spawn().expect("a program of ours");
    until(SOON, "it looks", || fs::read_to_string(&said).is_ok_and(|said| said.contains("watch ")));
    watch
}

fn file(world: &World, name: &str) -> std::path::PathBuf {
    world.folder().join(name)
}

/// Waits until the watch has ended; its exit code, and what it said. It must not have printed a record.
#[track_caller]
fn ended(world: &World, mut watch: Child) -> (Option<i32>, String) {
    let status = watch.wait().expect("a child of ours");
    assert_eq!(fs::read_to_string(file(world, "record")).expect("a file of ours"), "");
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    (code, fs::read_to_string(file(world, "said")).expect("a file of ours"))
}

#[test]
fn a_release_that_stays_well_is_on_the_record() {
    let world = serving();
    let line = format!("{} | bg-health --watch 1s", chain(""));
    let watched = world.shell(&line).assert().success().stderr(contains("watch   set2 stayed well in "));
    let record: Value = serde_json::from_slice(&watched.get_output().stdout).expect("one record");
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
    let script = world.shell(&line).assert().success();
    script.stderr(
        contains("set2 went bad within the watch, after ")
            .and(contains("500 {\"error\":\"Internal Server Error\"}; the application runs and fails at"))
            .and(contains(r#"x 200 {"status":"UP"} (0.0 to "#))
            .and(contains("\n  serving   set2, to which nginx is still set"))
            .and(contains("\n  now       move nginx back, unless bg-deploy does: bg-switch --to set1")),
    );
    assert_eq!(fs::read_to_string(file(&world, "record")).expect("the shell has made it"), "");
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_release_that_dies_ends_it_and_nginx_is_left_alone() {
    let world = serving();
    let (record, pid) = deployed(&world, "--version-text 1.1");
    let upstream = world.nginx.read_upstream();
    let watch = watching(&world, &record, &[]);
    process::signal(pid, Signal::SIGKILL);
    let (code, said) = ended(&world, watch);
    assert_eq!(code, Some(9), "{said}");
    assert!(said.contains("connection refused; it ended or was killed"), "{said}");
    assert_eq!(world.nginx.read_upstream(), upstream);
}

#[test]
fn a_front_that_somebody_else_has_moved_ends_it() {
    let world = serving();
    let (record, _) = deployed(&world, "--version-text 1.1");
    let watch = watching(&world, &record, &[]);
    world.cmd("bg-switch").args(["--to", "set1"]).assert().success();
    let (code, said) = ended(&world, watch);
    assert_eq!(code, Some(9), "{said}");
    assert!(said.contains(": nginx serves set1 by now\n"), "{said}");
    assert!(
        said.contains("\n  likely    somebody else has moved it\n  serving   set1, which nginx was moved to"),
        "{said}"
    );
    assert!(!said.contains("move nginx back"), "{said}");
}

#[test]
fn an_nginx_that_has_gone_ends_it() {
    let world = serving();
    let (record, _) = deployed(&world, "");
    let watch = watching(&world, &record, &[]);
    world.nginx.stop();
    let (code, said) = ended(&world, watch);
    assert_eq!(code, Some(9), "{said}");
    assert!(said.contains("nginx answered connection refused at http://"), "{said}");
    assert!(said.contains("nginx does not run any more: systemctl status nginx"), "{said}");
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
    let watch = world.cmd("bg-health").args(["--watch", "1s"]).write_stdin(record).assert().success();
    let record: Value = serde_json::from_slice(&watch.get_output().stdout).expect("one record");
    assert_eq!((&record["watch"]["bad"], &record["watch"]["evidence"]), (&1.into(), &"health".into()));
    assert!(server.asked("/actuator/health").len() >= 3);
}

#[test]
fn a_watch_that_has_seen_nothing_is_no_pass() {
    let world = serving();
    let (record, pid) = deployed(&world, "");
    process::signal(pid, Signal::SIGSTOP);
    let flags = ["--watch", "0s", "--check-timeout", "200ms"];
    let watch = world.cmd("bg-health").args(flags).write_stdin(record.clone()).assert().code(9).stdout("");
    watch.stderr(contains("the application hangs"));
    process::signal(pid, Signal::SIGCONT);
    let watch = world.cmd("bg-health").args(["--watch", "0s"]).write_stdin(record).assert().success();
    watch.stderr(contains("set2 stayed well in 1 looks"));
}

#[test]
fn a_record_that_was_not_switched_is_refused_with_what_to_do() {
    let world = serving();
    let line = "bg-probe | bg-launch -- fake-app | bg-health | bg-health --watch 1s";
    world.shell(line).assert().code(3).stdout("").stderr(contains(
        "the record has no \"switch\": put bg-switch before bg-health --watch, or name the slot with --slot",
    ));
    let (record, _) = deployed(&world, "");
    let other = record.replace(r#""to":"set2""#, r#""to":"set1""#);
    let watch = world.cmd("bg-health").args(["--watch", "1s"]).write_stdin(other).assert().code(3).stdout("");
    watch.stderr(contains("the record is of set2, but its \"switch\" went to set1"));
    let broken = world.shell("bg-switch --to set9 | bg-health --watch 1s").assert().code(3).stdout("");
    broken.stderr(contains("bg-health").not());
}

#[test]
fn a_slot_may_be_named_instead_of_a_record() {
    let world = serving();
    world.cmd("bg-health").args(["--slot", "live", "--watch", "300ms"]).assert().success();
    world.cmd("bg-health").args(["--slot", "idle", "--watch", "300ms"]).assert().code(2);
    world.start_fake("set2", &[]);
    let watch = world.cmd("bg-health").args(["--slot", "set2", "--watch", "300ms"]).assert().code(9).stdout("");
    watch.stderr(contains("nginx serves set1 by now"));
    world.cmd("bg-health").args(["--slot", "live", "--watch", "1s", "--once"]).assert().code(2);
}

#[test]
fn ctrl_c_ends_it_and_what_serves_goes_on() {
    let world = serving();
    let (record, _) = deployed(&world, "--version-text 1.1");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let watch = watching(&world, &record, &[]);
        process::signal(watch.id(), signal);
        let (code, said) = ended(&world, watch);
        assert_eq!(code, Some(128 + signal as i32), "{said}");
        assert_eq!(world.get("/version").body, "1.1");
    }
}
