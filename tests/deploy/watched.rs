use super::{SOON, limit};
use bg_tests::{Running, World, http, process, until};
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Starts a deploy with these flags, and waits until nginx has moved and the watch begun.
fn watched(world: &World, flags: &[&str]) -> Running {
    let words = [&["--watch", "60s"], flags, &["--", "fake-app", "--version-text", "1.1"]].concat();
    let deploy = world.start("bg-deploy", &words);
    until(SOON, "it is watched", || deploy.stderr().contains("watch"));
    deploy
}

#[test]
fn watch_reports_in_one_line_when_the_release_stays_well() {
    let world = World::new().serving();
    let deploy = world.run("bg-deploy", &["--watch", "1s", "--", "fake-app"]).success();
    let deploy = deploy.said("watch   set2 stayed well in ");
    assert_eq!(deploy.stderr().matches("UP after").count(), 1, "{deploy}");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_driver_that_is_killed_in_its_watch_leaves_a_line_of_the_switch() {
    let world = World::new().serving();
    let deploy = watched(&world, &[]);
    // What watches would hold the lock until it is done.
    let all = [vec![deploy.id()], process::children(deploy.id())].concat();
    for pid in all {
        process::signal(pid, Signal::SIGKILL);
    }
    deploy.end();
    assert_eq!(world.live().as_deref(), Some("set2"));
    let line = world.history().pop().expect("a line");
    assert_eq!((&line["slot"], &line["deploy"]["exit"]), (&"set2".into(), &serde_json::Value::Null));
    assert_eq!(line["switch"]["to"], "set2");
    let table = world.run("bg-probe", &["--history", "1"]).success().stdout();
    assert!(table.contains("  no end  deploy  set1 -> set2  "), "{table}");
    // The next one leaves it as it is, and has a line of its own.
    world.run("bg-deploy", &["--wait", "20s", "--rollback"]).success();
    let lines = world.history();
    assert_eq!((lines.len(), &lines[1]), (3, &line));
    assert_eq!(lines[2]["deploy"]["exit"], 0);
}

#[test]
fn a_watch_that_ends_is_one_line_of_the_history() {
    let world = World::new().serving();
    let record = world.run("bg-deploy", &["--watch", "100ms", "--", "fake-app"]).success().record();
    let lines = world.history();
    assert_eq!((lines.len(), &lines[1], &record["deploy"]["exit"]), (2, &record, &0.into()));
}

#[test]
fn watch_goes_back_within_a_second_when_the_release_goes_bad() {
    let world = World::new().serving();
    let deploy = world.start("bg-deploy", &["--watch", "30s", "--", "fake-app", "--bad-after-ms", "5000"]);
    until(SOON, "it is switched to", || world.live().as_deref() == Some("set2"));
    until(SOON, "it goes bad", || world.get_slot("set2", "/health").is_ok_and(|answer| answer.status == 500));
    let bad = Instant::now();
    until(SOON, "the old one serves again", || world.get("/version").body == "1.0");
    let took = bad.elapsed();
    let ended = deploy.end().exit(9);
    assert!(took < limit(Duration::from_secs(1)), "{took:?}");
    ended.said("set1 is serving again; set2 still runs, its log: /");
    let line = world.history().pop().expect("a line");
    assert_eq!((&line["deploy"]["failed"], &line["deploy"]["exit"]), (&"watch".into(), &9.into()));
}

#[test]
fn a_rollback_does_not_go_back_to_what_a_watch_has_taken_the_visitors_from() {
    let world = World::new().serving();
    let bad = ["--watch", "20s", "--", "fake-app", "--version-text", "1.1", "--bad-after-ms", "700"];
    world.run("bg-deploy", &bad).exit(9);
    let release = world.held("set2").expect("a release");
    let refused = world.rollback().exit(7).said("went bad when it had the visitors (20");
    assert_eq!(world.get("/version").body, "1.0");
    assert_eq!(refused.advice("all the same: "), format!("bg-deploy --rollback --to {release}"));
    // A deploy of another one ends that.
    world.deploy(&["--version-text", "1.2"]).success();
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn watch_goes_back_when_the_release_dies() {
    let world = World::new().serving();
    let deploy = watched(&world, &[]);
    process::signal(world.pid("set2"), Signal::SIGKILL);
    let ended = deploy.end().exit(9).said("connection refused; it ended, or somebody ended it");
    ended.said("set1 is serving again; set2 has ended, its log: /");
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn watch_loses_no_request_but_those_that_the_bad_release_failed() {
    for world in [World::new(), World::new().link_form()] {
        let world = world.serving();
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
        world.run("bg-deploy", &bad).exit(9);
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
fn watch_leaves_the_new_release_serving_when_the_old_is_no_better() {
    let world = World::new().serving();
    let deploy = watched(&world, &["--health-check-timeout", "500ms"]);
    process::signal(world.pid("set1"), Signal::SIGSTOP);
    process::signal(world.pid("set2"), Signal::SIGSTOP);
    deploy.end().exit(4).said("set1 is no better: nginx is set to serve set2. Both slots need a person");
    assert!(world.nginx.read_upstream().contains(&world.port("set2").to_string()));
}

#[test]
fn watch_does_not_say_that_a_slot_serves_when_nginx_is_down() {
    let world = World::new().link_form().serving();
    let deploy = watched(&world, &[]);
    world.nginx.stop();
    let ended = deploy.end().exit(5).said("nginx could not be moved back to set1 (see the message of bg-probe)");
    let ended = ended.said(": it is left set to set2. ").never_said("left serving");
    world.nginx.start();
    world.run_line(ended.advice("To go back once that can be done: ")).success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn watch_exits_4_when_there_is_no_slot_to_go_back_to() {
    let world = World::new();
    let deploy = watched(&world, &[]);
    process::signal(world.pid("set1"), Signal::SIGKILL);
    deploy.end().exit(4).said("there is no slot to go back to");
}

#[test]
fn watch_exits_4_and_tells_how_to_go_back_to_a_release_that_was_down_before() {
    let world = World::new().serving();
    process::signal(world.pid("set1"), Signal::SIGKILL);
    until(SOON, "it is down", || !world.listens("set1"));
    let deploy = watched(&world, &[]);
    process::signal(world.pid("set2"), Signal::SIGKILL);
    let failed =
        deploy.end().exit(4).said("set2 went bad within the watch, and set1 was down before; nothing is serving. ");
    failed.said("To start set1 again and go back to it: bg-deploy --rollback\n");
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn watch_goes_back_when_nobody_answers() {
    let world = World::new().serving();
    // From when it serves, nobody gets an answer: the watch has no data.
    let deploy = world.start("bg-deploy", &["--watch", "2s", "--health-check-timeout", "300ms", "--", "fake-app"]);
    until(SOON, "it is watched", || deploy.stderr().contains("watch"));
    let pid = world.pid("set2");
    process::signal(pid, Signal::SIGSTOP);
    let ended = deploy.end();
    process::signal(pid, Signal::SIGCONT);
    ended.exit(9);
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn watch_fails_when_nginx_stops() {
    let world = World::new().serving();
    let deploy = watched(&world, &["--probe-by", "file"]);
    world.nginx.stop();
    let ended = deploy.end().said("set2 went bad within the watch");
    assert_ne!(ended.code(), Some(0), "{ended}");
}

#[test]
fn a_signal_ends_the_watch_and_what_serves_goes_on() {
    let world = World::new().serving();
    let deploy = watched(&world, &[]);
    deploy.signal(Signal::SIGTERM);
    deploy.end().exit(128 + 15);
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert_eq!(world.history()[1]["deploy"]["exit"], 143);
}
