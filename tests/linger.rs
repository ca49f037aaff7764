//! Staying: who was in the old slot stays there for a while after a deploy, and is moved in the end.

use std::fs;
use std::time::Duration;

use bg_tests::{KeepAlive, Ran, World, http, is_full, process, until};
use nix::sys::signal::Signal;

use crate::share::{SOON, shared_site, site_with, switch};

/// A browser: it keeps the cookies that it is given.
#[derive(Default)]
struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// Asks for a page; the answer's body.
    fn get(&mut self, url: &str, page: &str) -> String {
        let line = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let answer = http::request("GET", &format!("{url}{page}"), &[("Cookie", &line)], b"").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        for (_, set) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = set.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        answer.body
    }

    /// The release that it sees, and how often that has seen it.
    fn session(&mut self, url: &str) -> String {
        self.get(url, "/session")
    }
}

/// A site by which visitors may stay, in which 1.0 serves and one has logged in.
fn logged_in() -> (World, String, Browser) {
    let (world, url) = site_with(World::new().serving(), "sticky");
    let mut browser = Browser::default();
    for count in 1..=3 {
        assert_eq!(browser.session(&url), format!("1.0 {count}"));
    }
    (world, url, browser)
}

fn deploy(world: &World, version: &str, flags: &[&str]) -> Ran {
    let app = world.fake_app(&["--version-text", version]);
    let app: Vec<&str> = app.iter().map(String::as_str).collect();
    world.run("bg-deploy", &[flags, &["--"], &app].concat())
}

/// The process that is to move them in the end.
fn attending(world: &World) -> Vec<u32> {
    let waits = |pid: &u32| process::alive(*pid) && process::command_line(*pid).iter().any(|word| word == "--attend");
    world.processes().into_iter().filter(waits).collect()
}

fn route(world: &World) -> String {
    let target = fs::read_link(world.dir().join("live")).expect("a link");
    target.file_name().expect("a name").to_string_lossy().into_owned()
}

fn log(world: &World) -> String {
    fs::read_to_string(world.dir().join("linger.log")).unwrap_or_default()
}

#[test]
fn a_session_outlives_a_deploy_and_ends_with_the_old_release_when_the_time_is_up() {
    let (world, url, mut browser) = logged_in();
    let traffic = KeepAlive::start("GET", &format!("{url}/profile"), 4);
    let run = deploy(&world, "1.1", &["--linger", "4s"]).success();
    let run = run.said("who was in set1 before stays there until 2").said("none of them has come for 5m");
    assert_eq!(run.record()["lingers"]["slot"], "set1");
    assert_eq!((browser.session(&url), Browser::default().session(&url)), ("1.0 4".into(), "1.1 1".into()));
    let probe = world.run("bg-probe", &[]).success().said("stays there until");
    assert_eq!((&probe.record()["lingers"]["slot"], &probe.record()["live"]), (&"set1".into(), &"set2".into()));
    assert!(world.run("bg-probe", &["--format", "table"]).success().stdout().contains(" stays "));
    world.run("bg-switch", &["--check"]).success();
    assert_eq!(attending(&world).len(), 1);

    let mut count = 4;
    until(SOON, "all are moved", || {
        let seen = browser.session(&url);
        count += 1;
        assert!(seen == format!("1.0 {count}") || seen == "1.1 1", "{seen} after {count}");
        seen == "1.1 1"
    });
    until(SOON, "nobody waits any more", || attending(&world).is_empty());
    assert_eq!((browser.session(&url), route(&world)), ("1.1 2".into(), "set2".into()));
    assert!(log(&world).contains("who stayed with set1 was moved to set2: the time is up"), "{}", log(&world));
    assert_eq!(world.names(world.dir().join("routes")).iter().filter(|name| name.contains('+')).count(), 0);
    world.run("bg-probe", &[]).success().never_printed("lingers").never_said("stays");
    assert_eq!(traffic.stop(), Vec::<String>::new());
}

#[test]
fn the_old_release_is_stopped_after_the_last_has_left_it() {
    let (world, url, mut browser) = logged_in();
    let old = world.pid("set1");
    deploy(&world, "1.1", &["--linger", "4s", "--stop-old", "now"]).success();
    let mut count = 3;
    until(SOON, "all are moved", || {
        let seen = browser.session(&url);
        count += 1;
        assert!(seen == format!("1.0 {count}") || seen == "1.1 1", "{seen} after {count}");
        seen == "1.1 1"
    });
    assert!(count > 5, "it has stayed for a while");
    until(SOON, "the old release is stopped", || !process::alive(old));
}

#[test]
fn a_stop_of_the_old_release_is_refused_while_somebody_stays_and_the_advice_ends_that() {
    let (world, url, mut browser) = logged_in();
    deploy(&world, "1.1", &["--linger", "10m"]).success();
    let stop = || world.run("bg-launch", &["--slot", "set1", "--stop"]);
    stop().exit(7).said("set1 still serves").said("have all of them moved now with: bg-switch --linger 0");
    assert_eq!(browser.session(&url), "1.0 4");
    let run = world.run("bg-switch", &["--linger", "0"]).success().said("who stayed with set1 was moved to set2");
    run.never_printed("lingers");
    assert_eq!(browser.session(&url), "1.1 1");
    until(SOON, "nobody waits any more", || attending(&world).is_empty());
    stop().success();
    world.run("bg-switch", &["--linger", "0"]).success().said("nothing was changed");
}

#[test]
fn a_rollback_finds_those_who_stayed_where_they_were() {
    let (world, url, mut browser) = logged_in();
    deploy(&world, "1.1", &["--linger", "10m"]).success();
    assert_eq!(browser.session(&url), "1.0 4");
    world.rollback().success();
    assert_eq!((browser.session(&url), route(&world)), ("1.0 5".into(), "set1".into()));
    assert!(Browser::default().session(&url).starts_with("1.0 "));
    until(SOON, "nobody waits any more", || attending(&world).is_empty());
}

#[test]
fn a_second_deploy_moves_those_first_who_stay_and_says_so() {
    let (world, url, mut browser) = logged_in();
    deploy(&world, "1.1", &["--linger", "10m"]).success();
    let mut second = Browser::default();
    assert_eq!((browser.session(&url), second.session(&url)), ("1.0 4".into(), "1.1 1".into()));
    let run = deploy(&world, "1.2", &["--linger", "10m"]).success();
    run.said("who stayed with set1 was moved to set2, for this release comes there");
    // Who came to 1.1 stays with that, and so does who was moved there, had it asked meanwhile.
    assert_eq!((second.session(&url), Browser::default().session(&url)), ("1.1 2".into(), "1.2 1".into()));
    until(SOON, "one process waits", || attending(&world).len() == 1);
    // One that is refused before it touches the slot sends nobody away.
    world.run("bg-deploy", &["nothing.jar"]).exit(1);
    assert_eq!(second.session(&url), "1.1 3");
    world.run("bg-switch", &["--linger", "0"]).success();
}

#[test]
fn a_release_in_which_some_stay_is_said_to_be_stopped_when_they_have_left() {
    let (world, ..) = logged_in();
    let run = deploy(&world, "1.1", &["--linger", "10m", "--stop-old", "now"]).success();
    let run =
        run.said("in set1 will be stopped once nobody stays there any more, which is at 2").never_said("stopped now");
    let until = run.record()["lingers"]["until"].as_str().expect("a time").to_owned();
    run.said(format!("{until} at the latest, unless it is live by then"));
    let stop = world.run("bg-launch", &["--slot", "set1", "--stop", "--after", "1h"]).success();
    stop.said("will be stopped in 1h, but not while anybody stays there, which is until 2");
    world.run("bg-switch", &["--linger", "0"]).success();
}

#[test]
fn a_share_a_switch_back_and_a_conversion_say_what_became_of_those_who_stayed() {
    let (world, ..) = logged_in();
    deploy(&world, "1.1", &["--linger", "10m"]).success();
    let run = switch(&world, &["--to", "set1", "--share", "20"]).success().said("set1 has 20 % of the visitors");
    run.said(
        "who stayed with set1 goes by the share as everybody does: 20 of a hundred are in set1, the others were moved",
    );
    switch(&world, &["--to", "set1"]).success().never_said("who stayed");
    switch(&world, &["--to", "set2", "--linger", "10m"]).success().said("who was in set1 before stays there");
    switch(&world, &["--to", "set1"]).success().said("who stayed with set1 is there still, and so is everybody now");
    switch(&world, &["--to", "set2", "--linger", "10m"]).success().said("who was in set1 before stays there");
    let run = world.run("bg-switch", &["--convert", "reload"]).success().said("set2 serves as before");
    run.said("who stayed with set1 was moved to set2");
    world.run("bg-switch", &["--convert", "link"]).success().never_said("who stayed");
}

#[test]
fn where_the_process_was_killed_the_next_who_holds_the_lock_moves_them() {
    let (world, url, mut browser) = logged_in();
    deploy(&world, "1.1", &["--linger", "10m"]).success();
    world.run("bg-launch", &["--live"]).success().said_nothing();
    assert_eq!(browser.session(&url), "1.0 4", "it attends to it");
    let [pid] = attending(&world)[..] else { panic!("one process") };
    process::signal(pid, Signal::SIGKILL);
    process::gone(pid);
    assert_eq!(browser.session(&url), "1.0 5", "a kill alone changes nothing");
    world.run("bg-launch", &["--live"]).success().said("the process that was to end it is gone");
    assert_eq!((browser.session(&url), route(&world)), ("1.1 1".into(), "set2".into()));
}

#[test]
fn where_the_time_is_up_and_nobody_ends_it_whoever_asks_hears_that_with_the_command_that_does() {
    let (world, url, mut browser) = logged_in();
    deploy(&world, "1.1", &["--linger", "2s"]).success().said("at the latest");
    let [pid] = attending(&world)[..] else { panic!("one process") };
    process::signal(pid, Signal::SIGKILL);
    process::gone(pid);
    let over = "who was in set1 before stays there still, though that was to end at 2";
    let end = ", and the process that was to end it is gone";
    until(SOON, "the time is up", || world.run("bg-probe", &[]).success().stderr().contains(over));
    for words in [&[][..], &["--format", "table"], &["--slot", "live", "--format", "name"]] {
        let run = world.run("bg-probe", words).success().said(over).said(end).never_said("at the latest");
        run.said(": move all of them with: bg-switch --linger 0\n");
    }
    for program in ["bg-probe", "bg-deploy"] {
        let check = world.run(program, &["--check"]).success().printed(format!("warn    {over}"));
        check.printed(": move all of them with: bg-switch --linger 0\n");
    }
    assert_eq!(browser.session(&url), "1.0 4");
    world.run_line("bg-switch --linger 0").success();
    assert_eq!(browser.session(&url), "1.1 1");
    world.run("bg-probe", &["--check"]).success().never_printed("stays");
}

#[test]
fn after_a_reboot_nobody_stays_with_a_release_that_is_down() {
    let (world, url, mut browser) = logged_in();
    deploy(&world, "1.1", &["--linger", "10m"]).success();
    for pid in [attending(&world)[0], world.pid("set1"), world.pid("set2")] {
        process::signal(pid, Signal::SIGKILL);
        process::gone(pid);
    }
    world.run("bg-launch", &["--live"]).success().said("who stayed with set1 was moved to set2");
    until(SOON, "it listens", || world.listens("set2"));
    assert_eq!((browser.session(&url), route(&world)), ("1.1 1".into(), "set2".into()));
    assert!(!world.listens("set1"));
}

#[test]
fn an_old_release_that_ends_by_itself_keeps_nobody() {
    let (world, url, mut browser) = logged_in();
    deploy(&world, "1.1", &["--linger", "10m"]).success();
    process::signal(world.pid("set1"), Signal::SIGKILL);
    until(SOON, "all are moved", || route(&world) == "set2");
    assert_eq!(browser.session(&url), "1.1 1");
    assert!(log(&world).contains("nothing listens in set1"), "{}", log(&world));
}

#[test]
fn nobody_can_stay_by_a_site_that_gives_no_cookies_and_that_is_known_before_anything_is_touched() {
    let refused = |world: &World, why: &str| {
        let run = deploy(world, "1.1", &["--linger", "10m"]).exit(1);
        run.said(why).said("nstall the site of bg-switch --print-site --with sticky").said("Nothing was touched");
        assert!(!world.is_launched("set2"));
        world.start_fake("set2", &[]);
        switch(world, &["--to", "set2", "--linger", "10m"]).exit(1).said("--with sticky");
        assert_eq!(world.live().as_deref(), Some("set1"));
    };
    refused(&World::new().serving(), "has nginx look for one slot");
    let (world, _) = shared_site(World::new().serving());
    refused(&world, "was printed without --with sticky");
}

#[test]
fn a_first_deploy_and_a_switch_to_the_live_slot_keep_nobody() {
    let (world, _) = site_with(World::new(), "sticky");
    deploy(&world, "1.0", &["--linger", "10m"]).success().said("nobody was in the other slot");
    assert!(attending(&world).is_empty());
    switch(&world, &["--to", "set1", "--linger", "10m"]).success().said("nobody was in the other slot");
    assert_eq!(route(&world), "set1");
}

#[test]
fn a_visitor_gets_a_number_and_a_slot_and_keeps_them() {
    let (world, url) = site_with(World::new().both_running(), "sticky");
    switch(&world, &["--to", "set2", "--share", "50"]).success();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let mut browser = Browser::default();
        let slot = browser.get(&url, "/profile");
        let names: Vec<&str> = browser.cookies.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["bg_visitor", "bg_web_slot"]);
        assert_eq!(browser.cookies[1].1, slot);
        let given = browser.cookies.clone();
        assert!((0..5).all(|_| browser.get(&url, "/profile") == slot), "one visitor, one slot");
        assert_eq!(browser.cookies, given, "and no new cookies");
        seen.insert(slot);
    }
    assert_eq!(seen.len(), 2);
}

/// What the kernel remembers of a connection that was closed it forgets after a minute.
#[test]
fn nobody_stays_when_none_has_come_for_so_long() {
    if !is_full() {
        return;
    }
    let (world, url, mut browser) = logged_in();
    deploy(&world, "1.1", &["--linger", "1h", "--switch-linger-idle", "3s"]).success();
    until(Duration::from_secs(90), "all are moved", || route(&world) == "set2");
    assert!(log(&world).contains("nobody has come for 3s"), "{}", log(&world));
    assert_eq!(browser.session(&url), "1.1 1");

    // Who comes every 20 seconds keeps it open, by short requests that no look would catch.
    let mut second = Browser::default();
    assert_eq!(second.session(&url), "1.1 1");
    deploy(&world, "1.2", &["--linger", "1h", "--switch-linger-idle", "3s"]).success();
    for count in 2..8 {
        assert_eq!(second.session(&url), format!("1.1 {count}"));
        std::thread::sleep(Duration::from_secs(20));
    }
    world.run("bg-switch", &["--linger", "0"]).success();
}
