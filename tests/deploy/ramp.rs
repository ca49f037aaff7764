use bg_tests::{KeepAlive, World, http, until};
use nix::sys::signal::Signal;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::SOON;
use crate::share::{numbers, shared_site};

/// A server with version 1.0 live in set1, in the printed site, and its URL.
fn serving() -> (World, String) {
    shared_site(World::new().serving())
}

#[test]
fn a_ramp_goes_up_step_by_step_and_loses_nobody() {
    let (world, url) = serving();
    let visitors = KeepAlive::start("GET", &format!("{url}/version"), 8);
    let words = ["--ramp", "1=300ms,10=300ms,50=300ms", "--", "fake-app", "--version-text", "1.1"];
    let deploy = world.run("bg-deploy", &words).success();
    assert_eq!(visitors.stop(), Vec::<String>::new());
    for share in ["1", "10", "50"] {
        assert!(deploy.stderr().contains(&format!("set2 has {share} % of the visitors")), "{deploy}");
    }
    assert_eq!(numbers(&url, "set2").len(), 100);
    let line = world.history().pop().expect("a line");
    let steps: Vec<&String> = line["deploy"]["stages"].as_object().expect("the steps").keys().collect();
    let expected =
        ["probe", "launch", "health", "share-1", "watch-1", "share-10", "watch-10", "share-50", "watch-50", "switch"];
    assert_eq!(steps, expected);
    assert_eq!(
        (&line["shares"], &line["live"], &line["switch"]["to"]),
        (&serde_json::Value::Null, &"set1".into(), &"set2".into())
    );
    // The next one goes the other way.
    world.run("bg-deploy", &words).success();
    assert_eq!(numbers(&url, "set1").len(), 100);
}

#[test]
fn a_bad_release_meets_only_its_share_and_loses_it_at_once() {
    let (world, url) = serving();
    let deploy = world.start(
        "bg-deploy",
        &["--ramp", "10=30s,50=30s", "--", "fake-app", "--version-text", "1.1", "--fail-after-ms", "3000"],
    );
    until(SOON, "a share is out", || deploy.stderr().contains("set2 has 10 %"));
    let met = numbers(&url, "set2");
    assert_eq!(met.len(), 10);
    // All the others, all the time, and none of them meets it.
    let others: Vec<u8> = (1..=100).filter(|number| !met.contains(number)).collect();
    let (over, visited) = (AtomicBool::new(false), AtomicU32::new(0));
    let visit = || {
        for number in others.iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
            let number = number.to_string();
            let answer = http::request("GET", &format!("{url}/version"), &[("X-Bg-Visitor", &number)], b"");
            let answer = answer.expect("an answer");
            assert_eq!((answer.status, answer.body.as_str()), (200, "1.0"), "visitor {number}");
            visited.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut deploy = deploy;
    thread::scope(|scope| {
        scope.spawn(visit);
        until(SOON, "it is over", || deploy.has_ended());
        over.store(true, Ordering::Relaxed);
    });
    assert!(visited.load(Ordering::Relaxed) > 100);
    let ended = deploy.end().exit(9);
    let ended = ended.said("the release went bad at watch-10; its visitors are taken back").said("-> set1 by link");
    ended.said("the deploy failed at watch-10, exit 9").said("was stopped").said("set1, as before");
    assert_eq!(numbers(&url, "set1").len(), 100);
    assert!(!world.listens("set2"));
    let line = world.history().pop().expect("a line");
    assert_eq!((&line["deploy"]["failed"], &line["deploy"]["exit"]), (&"watch-10".into(), &9.into()));
}

#[test]
fn a_signal_in_a_ramp_takes_the_share_back() {
    let (world, url) = serving();
    let deploy = world.start("bg-deploy", &["--ramp", "10=60s", "--", "fake-app"]);
    until(SOON, "it is watched", || deploy.stderr().contains("looking after set2"));
    deploy.signal(Signal::SIGTERM);
    deploy.end().exit(128 + 15).said("-> set1 by link");
    assert_eq!(numbers(&url, "set1").len(), 100);
    world.deploy(&["--version-text", "1.1"]).success();
}

#[test]
fn a_ramp_in_which_nginx_goes_down_leaves_the_new_release_without_visitors_when_nginx_is_back() {
    let (world, url) = serving();
    let world = world.env("BG_SWITCH_VERIFY_TIMEOUT", "200ms");
    let deploy = world.start("bg-deploy", &["--ramp", "30=60s", "--", "fake-app", "--version-text", "1.1"]);
    until(SOON, "it is watched", || deploy.stderr().contains("looking after set2"));
    world.nginx.stop();
    let ended = deploy.end().exit(5).said("The link leads everybody to set1 all the same, and stays so");
    let ended = ended.said("in set2 runs on, for nginx was not seen to take its visitors back");
    let ended = ended.said("serving   not known: ").said("in set1; to look: bg-probe --format table");
    let ended = ended.never_said("as before").never_said("as it was").never_said("could not be taken back");
    world.nginx.start();
    assert_eq!(numbers(&url, "set1").len(), 100);
    let line = world.history().pop().expect("a line");
    assert_eq!((&line["deploy"]["failed"], &line["deploy"]["exit"]), (&"watch-30".into(), &5.into()));
    assert!(world.listens("set2"), "it may have had visitors");
    world.run_line(ended.advice("left it, stop it: ")).success();
    world.rollback().exit(7).said("and its watch has taken them back to what is live now. Nothing was touched");
    world.deploy(&["--version-text", "1.2"]).success();
}

#[test]
fn a_driver_that_is_killed_in_a_ramp_leaves_a_share_that_the_next_deploy_names() {
    let (world, url) = serving();
    let deploy = world.start("bg-deploy", &["--ramp", "10=5s", "--", "fake-app"]);
    until(SOON, "it is watched", || deploy.stderr().contains("looking after set2"));
    deploy.signal(Signal::SIGKILL);
    let _ = deploy.end();
    world
        .run("bg-deploy", &["--wait", "20s", "--", "fake-app"])
        .exit(7)
        .said("or take its share back with: bg-switch --share 0");
    world.run("bg-switch", &["--share", "0"]).success();
    assert_eq!(numbers(&url, "set1").len(), 100);
    world.deploy(&["--version-text", "1.1"]).success();
}

#[test]
fn a_hook_before_the_switch_runs_once_before_the_first_share() {
    let (world, url) = serving();
    let hook = world.script("hook", &format!("echo ran >>{}", world.word("ran")));
    let words = ["--ramp", "10=200ms", "--before-switch", &hook, "--", "fake-app"];
    world.run("bg-deploy", &words).success();
    assert_eq!(world.read("ran"), "ran\n");
    let hook = world.script("hook2", "exit 1");
    world.run("bg-deploy", &["--ramp", "10=200ms", "--before-switch", &hook, "--", "fake-app"]).exit(4);
    assert_eq!(numbers(&url, "set2").len(), 100);
}

#[test]
fn a_rollback_moves_everybody_at_once_whatever_the_ramp() {
    let (world, url) = serving();
    let world = world.env("BG_DEPLOY_RAMP", "10=200ms");
    world.deploy(&["--version-text", "1.1"]).success().said("set2 has 10 %");
    world.rollback().success().never_said("10 %");
    assert_eq!(numbers(&url, "set1").len(), 100);
}

#[test]
fn a_dry_run_of_a_ramp_is_a_pipeline_that_works() {
    let (world, url) = serving();
    let dry = world.run("bg-deploy", &["--ramp", "10=200ms,50=200ms", "--dry-run", "--", "fake-app"]).success();
    let pipeline = dry.stdout();
    assert!(pipeline.contains(" '--share=10' | bg-health '--watch=200ms' | bg-switch "), "{pipeline}");
    assert!(pipeline.contains(" || bg-switch ") && pipeline.trim_end().ends_with(" '--share=0'"), "{pipeline}");
    world.run_line(&pipeline).success();
    assert_eq!(numbers(&url, "set2").len(), 100);
}

#[test]
fn a_ramp_that_does_not_go_up_is_refused() {
    let world = World::new();
    for bad in ["10", "0=1s", "100=1s", "10=1s,5=1s", "10=soon"] {
        world.run("bg-deploy", &["--ramp", bad, "--", "fake-app"]).exit(2);
    }
}
