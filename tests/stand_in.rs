//! The stand-in: the live process dies, and visitors are answered by the release before.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use bg_tests::{KeepAlive, World, http, process, until};
use nix::sys::signal::Signal;

use super::share::{seen_by, shared_site};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// Two releases by the printed site: set2 is live, and set1 may stand in for it. The front is the page of nginx's own.
fn two_releases() -> (World, String) {
    let (world, url) = shared_site(World::new().serving());
    world.run("bg-switch", &["--to", "set1"]).success();
    world.deploy(&["--version-text", "1.1"]).success();
    (world, url)
}

fn kill(world: &World, slot: &str) {
    let pid = world.pid(slot);
    process::signal(pid, Signal::SIGKILL);
    process::gone(pid);
}

/// Has cron start the live slot again, and waits until it listens.
fn start_again(world: &World, slot: &str) {
    kill(world, slot);
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "it listens", || world.listens(slot));
}

/// What a visitor gets at a path.
fn visit(url: &str, path: &str) -> (u16, String) {
    let answer = http::get(&format!("{url}{path}")).expect("an answer");
    (answer.status, answer.body)
}

/// Whether nginx would ask the other slot for this one.
fn is_backed(world: &World, slot: &str) -> bool {
    world.dir().join("backed/visitors").join(slot).exists()
}

#[test]
fn no_get_is_lost_when_the_live_process_is_killed_under_load_nor_a_post_that_was_not_sent() {
    let (world, url) = two_releases();
    let visitors = |method, path: &str| KeepAlive::start(method, &format!("{url}{path}"), 8);
    let (gets, posts) = (visitors("GET", "/version"), visitors("POST", "/echo"));
    until(SOON, "visitors come", || gets.sent() > 200 && posts.sent() > 200);
    kill(&world, "set2");
    let (before, posted) = (gets.sent(), posts.sent());
    until(SOON, "visitors go on", || gets.sent() > before + 1000 && posts.sent() > posted + 1000);
    // A process that ends closes its connections one after the other, and nginx has at most one for each visitor: who has
    // lost a request may lose the next one by another of them.
    let lost = posts.stop();
    assert!(lost.len() <= 16, "only what each connection of nginx's had in flight: {lost:?}");
    let posts = visitors("POST", "/echo");
    assert_eq!(visit(&url, "/version").1, "1.0");
    world.run("bg-launch", &["--live"]).success().said("set2 is live and down; set1 stands in for it");
    until(SOON, "the stand-in ends", || visit(&url, "/version").1 == "1.1");
    assert_eq!((gets.stop(), posts.stop()), (Vec::new(), Vec::new()));
    world.run("bg-probe", &["--slot", "live"]).success().never_said("stands in").never_printed("stand_in");
}

/// In the place of the live release: takes one connection, says so much, and closes it.
fn cut(world: &World, method: &str, url: &str, said: &'static str) -> (u16, String) {
    let mut listener = None;
    until(SOON, "the port of the release that was killed is free", || {
        listener = TcpListener::bind(("127.0.0.1", world.port("set2"))).ok();
        listener.is_some()
    });
    let listener = listener.expect("a listener");
    let live = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("nginx");
        let _ = stream.read(&mut [0; 4096]).expect("a request");
        stream.write_all(said.as_bytes()).expect("nginx reads");
    });
    let answer = http::request(method, &format!("{url}/version"), &[], b"").expect("an answer");
    live.join().expect("a thread of ours");
    (answer.status, answer.body)
}

#[test]
fn what_may_have_been_done_or_was_answered_in_part_is_not_asked_of_the_other_slot() {
    let (world, url) = two_releases();
    kill(&world, "set2");
    assert_eq!(cut(&world, "GET", &url, ""), (200, "1.0".to_owned()));
    for (method, said) in [("POST", ""), ("PATCH", ""), ("GET", "HTTP/1.1 200 OK\r\nContent-")] {
        assert_eq!(cut(&world, method, &url, said).0, 502, "{method} {said:?}");
    }
    assert_eq!(
        http::request("POST", &format!("{url}/echo"), &[], b"a").expect("an answer").status,
        200,
        "nothing was sent"
    );
    let as_one_of_set2 = [("X-Bg-Visitor", "set2")];
    assert_eq!(http::request("GET", &url, &as_one_of_set2, b"").expect("an answer").status, 502);
}

#[test]
fn whoever_asks_says_that_one_slot_is_down_and_the_other_stands_in_by_either_front() {
    let (world, url) = two_releases();
    kill(&world, "set2");
    let profile = format!("{url}/profile");
    // The site of the scripts has the other front: it can't stand in there, and its words are as they were.
    let words = "set2 is live and down; set1 stands in for it";
    for front in [format!("{url}/_bg/slot"), profile, "-".to_owned()] {
        let flags = ["--front", front.as_str()];
        let run = |program: &str, words: &[&str]| world.run(program, &[words, &flags].concat());
        let record = run("bg-probe", &["--slot", "live"]).success().said(words);
        record.printed("\"live\":\"set2\"").printed("\"stand_in\":\"set1\"").printed("\"by\":\"file\"");
        let table = run("bg-probe", &["--format", "table"]).success().said(words).stdout();
        assert!(table.contains(" live ") && table.contains(" stands in "), "{table}");
        let once = run("bg-health", &["--slot", "live", "--once"]).exit(4);
        once.said("bg-health: set2 is not healthy: connection refused; set1 stands in for it; nothing runs");
        let check = run("bg-probe", &["--check"]).exit(1).stdout();
        assert!(check.contains(words) && check.contains(" --live"), "{check}");
    }
}

#[test]
fn what_stands_in_is_touched_by_nothing_and_going_back_to_it_is_one_switch() {
    let (world, url) = two_releases();
    kill(&world, "set2");
    let pid = world.pid("set1");
    let held = |slot: &str| format!("release {}", world.held(slot).expect("a release"));
    let newest = world.process("set2")["release"].as_str().expect("a release").to_owned();
    for words in [&["--stop"][..], &["--", "fake-app"], &["--release", &newest]] {
        let run = world.run("bg-launch", &[&["--slot", "set1"], words].concat()).exit(7);
        run.said("set2 is live and down; set1 stands in for it: nothing in set1 may be touched")
            .said("bg-switch --to set1");
    }
    let check = world.run("bg-launch", &["--check", "--", "fake-app"]).exit(1);
    check.printed("fail    set2 is live and down; set1 stands in for it: nothing in set1 may be touched: start set2");
    world
        .deploy(&["--version-text", "1.2"])
        .exit(7)
        .said("stands in for it")
        .said("the deploy was refused, exit 7; nothing was touched")
        .said(format!("  serving   {} in set1, which stands in for {} in set2: that ", held("set1"), held("set2")))
        .never_said("as before");
    let wait = world.run("bg-health", &["--slot", "live", "--timeout", "200ms"]).exit(4);
    wait.said("  serving   release ").said(" in set1, which stands in for release ").never_said("this very slot");
    assert_eq!((world.pid("set1"), visit(&url, "/version").1.as_str()), (pid, "1.0"));
    world.rollback().success();
    assert_eq!(world.run("bg-probe", &["--slot", "live", "--format", "name"]).stdout(), "set1\n");
    assert!(!is_backed(&world, "set1"), "who was left for an older release stands in for nobody");
    world.deploy(&["--version-text", "1.2"]).success();
    assert_eq!(visit(&url, "/version").1, "1.2");
}

#[test]
fn a_slot_that_is_touched_stands_in_no_more_also_where_its_release_never_becomes_healthy() {
    for words in [
        &["--slot", "set1", "--stop"][..],
        &["--slot", "set1", "--", "fake-app", "--down"],
        &["--slot", "set1", "--current"],
    ] {
        let (world, url) = two_releases();
        assert!(is_backed(&world, "set2"));
        if words.contains(&"--current") {
            kill(&world, "set1");
        }
        world.run("bg-launch", words).success();
        assert!(!is_backed(&world, "set2"), "{words:?}");
        kill(&world, "set2");
        assert_eq!(visit(&url, "/profile").0, 502, "{words:?}");
        let table = world.run("bg-probe", &["--format", "table"]).success().never_said("stands in").stdout();
        assert!(!table.contains("stands in"), "{table}");
    }
}

#[test]
fn a_release_that_boots_does_not_stand_in_when_the_live_one_dies_meanwhile() {
    let (world, url) = two_releases();
    let deploy = world.start("bg-deploy", &["--", "fake-app", "--boot-503-ms", "4000"]);
    until(SOON, "it boots", || deploy.stderr().contains("launch  release") && world.listens("set1"));
    kill(&world, "set2");
    assert_eq!(visit(&url, "/profile").0, 502);
    assert_eq!(visit(&url, "/_bg/slot").1.trim(), "set2");
    deploy.end().success();
    assert_eq!(visit(&url, "/profile"), (200, "set1".to_owned()));
}

#[test]
fn a_live_release_that_was_started_again_stands_in_once_it_is_left() {
    let (world, url) = two_releases();
    start_again(&world, "set2");
    assert!(!is_backed(&world, "set1"), "it was not seen to be healthy since");
    world.deploy(&["--version-text", "1.2"]).success();
    kill(&world, "set1");
    assert_eq!(visit(&url, "/version").1, "1.1");
    start_again(&world, "set1");
    // The next release comes into the slot: nothing is left of what was fit there.
    world.deploy(&["--version-text", "1.3"]).success();
    world.run("bg-launch", &["--slot", "set1", "--", "fake-app", "--down"]).success();
    assert!(!is_backed(&world, "set2"));
    kill(&world, "set2");
    assert_eq!(visit(&url, "/profile").0, 502);
}

#[test]
fn a_slow_answer_is_no_reason_and_whoever_names_a_slot_is_told_the_truth() {
    let (world, url) = two_releases();
    let site = world.nginx.conf().with_file_name("http.d/site.conf");
    let patient = world.read(&site);
    world.write(&site, patient.replace("#proxy_read_timeout 10m;", "proxy_read_timeout 200ms;"));
    world.nginx.reload();
    let hung = world.pid("set2");
    process::signal(hung, Signal::SIGSTOP);
    let answer = visit(&url, "/version").0;
    process::signal(hung, Signal::SIGCONT);
    assert_eq!(answer, 504);
    kill(&world, "set2");
    assert_eq!(seen_by(&url, "7"), "set1");
    for asked in ["live", "set2"] {
        let headers = [("X-Bg-Visitor", asked)];
        let answer = http::request("GET", &format!("{url}/profile"), &headers, b"").expect("an answer");
        assert_eq!(answer.status, 502, "{asked}");
    }
}

#[test]
fn a_release_that_dies_in_its_watch_is_bad_although_the_one_before_stands_in() {
    let (world, url) = two_releases();
    let deploy = world.start("bg-deploy", &["--watch", "60s", "--", "fake-app", "--version-text", "1.2"]);
    until(SOON, "it is watched", || deploy.stderr().contains("watch"));
    let visitors = KeepAlive::start("GET", &format!("{url}/version"), 4);
    until(SOON, "visitors come", || visitors.sent() > 50);
    kill(&world, "set1");
    deploy.end().exit(9);
    assert_eq!(visitors.stop(), Vec::<String>::new());
    assert_eq!(visit(&url, "/version").1, "1.1");
    assert!(!is_backed(&world, "set2"), "what went bad stands in for nobody");
}

#[test]
fn a_front_that_may_not_say_who_it_is_names_the_stand_in_and_that_is_no_disagreement() {
    let (world, url) = two_releases();
    // As nginx sees who asks by the machine's own name, or through a proxy.
    let site = world.nginx.conf().with_file_name("http.d/site.conf");
    let printed = world.read(&site);
    let (kinds, here) = printed.split_once("geo $bg_is_here").expect("who may say so");
    let elsewhere = here.replacen("127.0.0.0/8     1;", "127.0.0.0/8     0;", 1);
    world.write(&site, format!("{kinds}geo $bg_is_here{elsewhere}"));
    world.nginx.reload();
    let run =
        |program: &str, words: &[&str]| world.run(program, &[words, &["--front", &format!("{url}/profile")]].concat());
    kill(&world, "set2");
    assert_eq!(seen_by(&url, "live"), "set1", "a visitor");
    let words = "set2 is live and down; set1 stands in for it";
    run("bg-probe", &["--slot", "live"]).success().said(words).printed("\"live\":\"set2\"");
    run("bg-launch", &["--live"]).success().said(words);
    until(SOON, "the stand-in ends", || visit(&url, "/profile").1 == "set2");
}

#[test]
fn in_the_reload_form_the_other_slot_stands_in_as_well() {
    let (world, url) = two_releases();
    world.run("bg-switch", &["--convert", "reload"]).success();
    kill(&world, "set2");
    assert_eq!(visit(&url, "/version").1, "1.0");
    world.run("bg-probe", &["--slot", "live"]).success().said("set1 stands in for it");
}

#[test]
fn where_the_site_is_an_older_one_nobody_is_said_to_stand_in() {
    let world = World::new().link_form().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    kill(&world, "set2");
    assert_eq!(world.get("/profile").status, 502);
    world.run("bg-probe", &["--slot", "live"]).success().never_said("stands in");
    world.deploy(&["--version-text", "1.2"]).success();
}
