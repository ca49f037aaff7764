//! The old process: drained, stopped, and known by more than its number.

use super::{SOON, facts, launch, launch_fake, pid, text};
use bg_tests::{World, process, until};
use nix::sys::signal::Signal;
use std::thread::JoinHandle;

#[test]
fn the_old_process_is_gone_before_the_new_one_starts() {
    let world = World::new();
    let old = pid(&launch_fake(&world, &["--version-text", "old"]));
    let launched = launch(&world, &["--", "fake-app", "--version-text", "new"]).success();
    assert!(!process::alive(old));
    launched.said(format!("stopped pid {old} in set2 "));
    until(SOON, "the new one answers", || world.get_slot("set2", "/version").is_ok_and(|answer| answer.body == "new"));
}

#[test]
fn stop_stops_and_starts_nothing() {
    let world = World::new();
    launch(&world, &["--stop"]).success().printed_nothing().said("nothing runs in set2");
    let old = pid(&launch_fake(&world, &[]));
    launch(&world, &["--stop"]).success().printed_nothing().said(format!("stopped pid {old} in set2"));
    assert!(!process::alive(old) && !world.listens("set2"));
}

#[test]
fn stop_kills_what_ignores_term_and_says_so() {
    let world = World::new();
    let old = pid(&launch_fake(&world, &["--ignore-term"]));
    let stopped = launch(&world, &["--stop", "--stop-timeout", "300ms"]).success();
    assert!(!process::alive(old));
    stopped.said(format!("killed pid {old}, which SIGTERM had not ended within 0.3s in set2"));
}

#[test]
fn stop_waits_for_a_request_that_ends_in_time() {
    let world = World::new();
    let old = pid(&launch_fake(&world, &[]));
    let visitor = visit(&world, "/slow?ms=1500");
    launch(&world, &["--stop", "--drain", "0s"]).success().said(format!("stopped pid {old} "));
    assert_eq!(visitor.join().expect("no panic").as_deref(), Some("slow"));
}

#[test]
fn connections_that_are_cut_are_counted() {
    let world = World::new();
    launch_fake(&world, &["--hang"]);
    let visitors = [visit(&world, "/"), visit(&world, "/")];
    until(SOON, "both are connected", || process::connections(world.port("set2")) == 2);
    launch(&world, &["--stop", "--drain", "100ms"]).success().said("; 2 connections were cut");
    assert!(visitors.into_iter().all(|visitor| visitor.join().expect("no panic").is_none()));
}

#[test]
fn a_line_says_what_is_waited_for_while_a_slot_is_drained_and_a_process_does_not_end() {
    let world = World::new();
    let old = pid(&launch_fake(&world, &["--hang", "--ignore-term"]));
    let _visitors = [visit(&world, "/"), visit(&world, "/")];
    let slow = ["--drain", "1600ms", "--stop-timeout", "1700ms"];
    let stopped = launch(&world, &[&["--stop"], slow.as_slice()].concat()).success();
    let port = world.port("set2");
    stopped
        .said(format!("launch  waiting for 2 connections on {port}, up to 0.6s\n"))
        .said(format!("launch  pid {old} has not ended after SIGTERM; SIGKILL in 0."));
    launch_fake(&world, &["--ignore-term"]);
    launch(&world, &[&["--stop", "-q"], slow.as_slice()].concat()).success().said_nothing();
    // What is soon done needs no word.
    launch_fake(&world, &[]);
    launch(&world, &["--stop"]).success().never_said("waiting").never_said("has not ended");
}

#[test]
fn a_request_in_flight_is_waited_for() {
    let world = World::new();
    // Killed at once when it is told to end, so that only draining can save the request.
    let old = pid(&launch_fake(&world, &["--ignore-term"]));
    let visitor = visit(&world, "/slow?ms=1500");
    let launched = launch(&world, &["--drain", "60s", "--stop-timeout", "0s", "--", "fake-app"]).success();
    assert_eq!(visitor.join().expect("no panic").as_deref(), Some("slow"));
    assert!(!process::alive(old));
    launched.never_said("cut");
}

#[test]
fn a_child_that_serves_is_stopped_with_its_parent() {
    let world = World::new();
    let parent = pid(&launch_fake(&world, &["--fork-server"]));
    let child = child_of(parent);
    launch(&world, &["--stop"]).success();
    assert!(!process::alive(parent) && !process::alive(child) && !world.listens("set2"));
}

#[test]
fn a_child_in_a_group_of_its_own_is_stopped_too() {
    let world = World::new();
    // timeout(1) makes itself the leader of a group.
    let launched = launch(&world, &["--", "sh", "-c", "timeout 600 fake-app & wait"]).success();
    let parent = pid(&facts(&launched));
    until(SOON, "it listens", || world.listens("set2"));
    let child = child_of(parent);
    assert_ne!(process::family(child).map(|(_, group, _)| group), Some(parent));
    launch(&world, &["--stop"]).success().said(format!("stopped pid {parent} "));
    assert!(!process::alive(parent) && !process::alive(child) && !world.listens("set2"));
}

#[test]
fn a_child_that_outlives_its_parent_is_stopped_by_the_next_launch() {
    let world = World::new();
    let parent = pid(&launch_fake(&world, &["--fork-server"]));
    let child = child_of(parent);
    process::signal(parent, Signal::SIGKILL);
    until(SOON, "the parent is gone", || !process::alive(parent));
    assert!(process::alive(child) && world.listens("set2"));

    let next = pid(&launch_fake(&world, &[]));
    assert!(!process::alive(child));
    assert!(process::alive(next));
}

#[test]
fn an_orphan_in_a_group_of_its_own_is_told_to_end_and_only_once() {
    let world = World::new();
    let told = world.path("told");
    let orphan =
        format!("trap 'echo told >>{}; sleep 0.3; exit' TERM; echo up; while :; do sleep 0.05; done", told.display());
    let orphan = world.script("orphan", &orphan);
    // The one that started it has ended, so it is in nobody's list of children.
    let leader = world.script("leader", &format!("sh -c 'perl -e \"setpgrp; exec @ARGV\" {orphan} &'\nexec fake-app"));
    let launched = facts(&launch(&world, &["--", &leader]).success());
    until(SOON, "both are up", || world.listens("set2") && world.read(text(&launched, "log")).contains("up"));
    let stopped = launch(&world, &["--stop"]).success().said("stopped pid ");
    assert_eq!(world.read(&told), "told\n", "{stopped}");
    assert!(world.processes().is_empty());
}

/// A request to set2, in flight when this returns; what comes back.
#[track_caller]
fn visit(world: &World, path: &str) -> JoinHandle<Option<String>> {
    world.visit(&format!("http://127.0.0.1:{}{path}", world.port("set2")), "set2")
}

#[track_caller]
fn child_of(parent: u32) -> u32 {
    let [child] = process::children(parent)[..] else { panic!("one child") };
    child
}

#[test]
fn two_that_wait_to_stop_a_slot_do_not_write_over_each_other() {
    let world = World::new();
    let app = pid(&launch_fake(&world, &[]));
    let waiting = || world.processes().into_iter().filter(|pid| *pid != app).collect::<Vec<_>>();
    launch(&world, &["--stop", "--after", "100s"]).success();
    let first = waiting();
    launch(&world, &["--stop", "--after", "99s"]).success();
    until(SOON, "the first is called off", || first.iter().all(|pid| !process::alive(*pid)));
    process::signal(app, Signal::SIGKILL);
    until(SOON, "the last has ended", || waiting().is_empty());
    let log = world.read(world.dir().join("slots/set2/stop.log"));
    let [began, ended] = log.lines().collect::<Vec<_>>()[..] else { panic!("two lines of one process: {log}") };
    assert!(began.contains(&format!("to stop pid {app} in set2 1m 39s after ")), "{log}");
    assert!(ended.ends_with(&format!("pid {app} is not there any more; nothing was stopped")), "{log}");
}
