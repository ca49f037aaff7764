use super::{SOON, audit, limit, pid_in, said, serving, spawn};
use bg_tests::{World, http, process, until};
use nix::sys::signal::Signal;
use predicates::prelude::*;
use predicates::str::contains;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Starts a deploy with these flags, and waits until nginx has moved and the watch begun.
fn watched(world: &World, flags: &[&str]) -> Child {
    let words = [&["bg-deploy", "--watch", "60s"], flags, &["--", "fake-app", "--version-text", "1.1"]].concat();
    let deploy = spawn(world, &words);
    until(SOON, "it is watched", || said(world).contains("watch"));
    deploy
}

#[test]
fn a_release_that_stays_well_is_left_alone_and_not_talked_about() {
    let world = serving();
    let deploy = world.cmd("bg-deploy").args(["--watch", "1s", "--", "fake-app"]).assert().success();
    deploy.stderr(contains("watch   set2 stayed well in ").and(contains("UP after").count(1)));
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_release_that_goes_bad_is_taken_back_within_a_second() {
    let world = serving();
    let mut deploy = spawn(&world, &["bg-deploy", "--watch", "30s", "--", "fake-app", "--bad-after-ms", "5000"]);
    until(SOON, "it is switched to", || world.live().as_deref() == Some("set2"));
    until(SOON, "it goes bad", || world.get_slot("set2", "/health").is_ok_and(|answer| answer.status == 500));
    let bad = Instant::now();
    until(SOON, "the old one serves again", || world.get("/version").body == "1.0");
    let took = bad.elapsed();
    assert_eq!(deploy.wait().expect("a child of ours").code(), Some(9), "{}", said(&world));
    assert!(took < limit(Duration::from_secs(1)), "{took:?}");
    assert!(said(&world).contains("set1 is serving again; set2 still runs, its log is "), "{}", said(&world));
    let line = audit(&world).pop().expect("a line");
    assert_eq!((&line["deploy"]["failed"], &line["deploy"]["exit"]), (&"watch".into(), &9.into()));
}

#[test]
fn a_release_that_dies_after_the_switch_is_taken_back() {
    let world = serving();
    let mut deploy = watched(&world, &[]);
    process::signal(pid_in(&world, "set2"), Signal::SIGKILL);
    assert_eq!(deploy.wait().expect("a child of ours").code(), Some(9), "{}", said(&world));
    assert_eq!(world.get("/version").body, "1.0");
    for words in ["connection refused; it ended or was killed", "set1 is serving again; set2 has ended, its log is "] {
        assert!(said(&world).contains(words), "{}", said(&world));
    }
}

#[test]
fn no_request_is_lost_but_those_that_the_bad_release_answered_badly() {
    for world in [World::new(), World::new().link_form()] {
        world.deploy_fake(&["--version-text", "1.0"]).success();
        let (url, over) = (world.nginx.front_url("/version"), Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&over);
        let visitor = thread::spawn(move || {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let answer = http::get(&url).map_or_else(|e| e.to_string(), |a| format!("{} {}", a.status, a.body));
                if answers.last() != Some(&answer) {
                    answers.push(answer);
                }
            }
            answers
        });
        let bad = ["--watch", "30s", "--", "fake-app", "--version-text", "1.1", "--fail-after-ms", "2500"];
        world.cmd("bg-deploy").args(bad).assert().code(9);
        assert_eq!(world.get("/version").body, "1.0");
        over.store(true, Ordering::Relaxed);
        let mut answers = visitor.join().expect("no panic");
        // While nginx reloads, both releases answer in turn.
        answers.sort();
        answers.dedup();
        assert_eq!(answers, ["200 1.0", "200 1.1", r#"500 {"error":"Internal Server Error"}"#]);
    }
}

#[test]
fn where_the_old_slot_is_no_better_the_new_one_stays() {
    let world = serving();
    let mut deploy = watched(&world, &["--health-check-timeout", "500ms"]);
    process::signal(pid_in(&world, "set1"), Signal::SIGSTOP);
    process::signal(pid_in(&world, "set2"), Signal::SIGSTOP);
    assert_eq!(deploy.wait().expect("a child of ours").code(), Some(4), "{}", said(&world));
    let words = "set1 is no better: set2 is left serving. Both slots need a person";
    assert!(said(&world).contains(words), "{}", said(&world));
    assert!(world.nginx.read_upstream().contains(&world.port("set2").to_string()));
}

#[test]
fn with_no_slot_to_go_back_to_it_stays_too() {
    let world = World::new();
    let mut deploy = watched(&world, &[]);
    process::signal(pid_in(&world, "set1"), Signal::SIGKILL);
    assert_eq!(deploy.wait().expect("a child of ours").code(), Some(4), "{}", said(&world));
    assert!(said(&world).contains("there is no slot to go back to"), "{}", said(&world));
}

#[test]
fn a_health_that_can_not_be_asked_is_not_a_pass() {
    let world = serving();
    // From when it serves, nobody gets an answer: the watch has no data.
    let mut deploy =
        spawn(&world, &["bg-deploy", "--watch", "2s", "--health-check-timeout", "300ms", "--", "fake-app"]);
    until(SOON, "it is watched", || said(&world).contains("watch"));
    let pid = pid_in(&world, "set2");
    process::signal(pid, Signal::SIGSTOP);
    let code = deploy.wait().expect("a child of ours").code();
    process::signal(pid, Signal::SIGCONT);
    assert_eq!(code, Some(9), "{}", said(&world));
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_front_that_stops_naming_the_slot_is_bad_too() {
    let world = serving();
    let mut deploy = watched(&world, &["--probe-by", "file"]);
    world.nginx.stop();
    let code = deploy.wait().expect("a child of ours").code();
    assert_ne!(code, Some(0), "{}", said(&world));
    assert!(said(&world).contains("set2 went bad within the watch"), "{}", said(&world));
}

#[test]
fn a_signal_ends_the_watch_and_what_serves_goes_on() {
    let world = serving();
    let mut deploy = watched(&world, &[]);
    process::signal(deploy.id(), Signal::SIGTERM);
    assert_eq!(deploy.wait().expect("a child of ours").code(), Some(128 + 15), "{}", said(&world));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert_eq!(audit(&world)[1]["deploy"]["exit"], 143);
}
