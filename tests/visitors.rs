//! A watch that sees the visitors: what nginx has answered them decides, and nothing that anybody else says.

use bg_tests::{Ran, World, http, process, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::share::{shared_site, site_with};

const SOON: Duration = Duration::from_secs(20);

/// A server in the printed site that can be watched, with a release of these flags live in set1, and its URL.
fn serving(flags: &[&str]) -> (World, String) {
    let world = World::new();
    world.deploy(flags).success();
    site_with(world, "watch")
}

/// Visitors of all numbers, who ask one after the other until they are told to go.
struct Crowd {
    is_over: Arc<AtomicBool>,
    asks: JoinHandle<u32>,
}

impl Crowd {
    fn of(url: &str) -> Crowd {
        let is_over = Arc::<AtomicBool>::default();
        let (over, url) = (Arc::clone(&is_over), format!("{url}/version"));
        let asks = std::thread::spawn(move || {
            let mut asked = 0;
            for number in (1..=100).cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                let _ = http::request("GET", &url, &[("X-Bg-Visitor", &number.to_string())], b"");
                asked += 1;
            }
            asked
        });
        Crowd { is_over, asks }
    }

    fn leave(self) -> u32 {
        self.is_over.store(true, Ordering::Relaxed);
        self.asks.join().expect("no panic")
    }
}

/// A deploy with visitors all the time.
fn deploy_among_visitors(world: &World, url: &str, flags: &[&str], release: &[&str]) -> Ran {
    let crowd = Crowd::of(url);
    let ran = world.run("bg-deploy", &[flags, &["--", "fake-app", "--version-text", "1.1"], release].concat());
    assert!(crowd.leave() > 100);
    ran
}

fn last_watch(world: &World) -> Value {
    world.history().pop().expect("a line")["watch"]["visitors"].clone()
}

#[test]
fn a_release_that_fails_one_in_five_and_says_it_is_well_is_taken_back() {
    let (world, url) = serving(&["--version-text", "1.0"]);
    let flags = ["--watch", "30s", "--health-watch-errors", "1%"];
    let ran = deploy_among_visitors(&world, &url, &flags, &["--fail-every", "5"]).exit(9);
    ran.said("bg-health: set2 went bad within the watch, after ")
        .said(" answers of set2 were 5xx (")
        .said("set1 is serving again");
    assert_eq!(http::get(&format!("{url}/version")).expect("an answer").body, "1.0");
    let visitors = last_watch(&world);
    let set2 = &visitors["slots"]["set2"];
    let (answers, errors) = (set2["answers"].as_u64().expect("a count"), set2["errors"].as_u64().expect("a count"));
    assert!(answers >= 50 && errors * 6 >= answers, "{visitors}");
    assert_eq!((&visitors["proven"], &visitors["went_bad"]), (&true.into(), &true.into()));
    assert!(visitors["said"].as_str().expect("words").contains(" answers of set2 were 5xx"), "{visitors}");
}

#[test]
fn a_release_that_is_only_slow_is_taken_back() {
    let (world, url) = serving(&["--version-text", "1.0"]);
    let flags = ["--watch", "30s", "--health-watch-p95", "50ms", "--health-watch-requests", "20"];
    let ran = deploy_among_visitors(&world, &url, &flags, &["--page-ms", "100"]).exit(9);
    ran.said("went bad within the watch").said("95 % of ").said(" answers of set2 began within 1");
    assert_eq!(http::get(&format!("{url}/version")).expect("an answer").body, "1.0");
}

#[test]
fn a_release_that_keeps_the_limits_stays_and_the_record_says_by_how_many_answers() {
    let (world, url) = serving(&["--version-text", "1.0"]);
    let flags = ["--watch", "2s", "--health-watch-errors", "1%", "--health-watch-p95", "500ms"];
    let ran = deploy_among_visitors(&world, &url, &flags, &[]).success();
    ran.said("looks; 0 of ").never_said("not proven");
    let visitors = last_watch(&world);
    assert!(visitors["slots"]["set2"]["answers"].as_u64() >= Some(50), "{visitors}");
    assert_eq!((&visitors["proven"], &visitors["went_bad"]), (&true.into(), &false.into()));
}

#[test]
fn in_a_ramp_what_the_old_release_has_as_well_is_not_the_new_ones() {
    let (world, url) = serving(&["--version-text", "1.0", "--fail-every", "5"]);
    let flags = ["--ramp", "50=2s", "--health-watch-errors", "1%"];
    deploy_among_visitors(&world, &url, &flags, &["--fail-every", "5"]).success().said(", of set1 ");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn in_a_ramp_a_release_that_is_worse_than_the_old_one_loses_its_visitors() {
    let (world, url) = serving(&["--version-text", "1.0", "--fail-every", "20"]);
    let flags = ["--ramp", "20=30s", "--health-watch-errors", "2%"];
    let ran = deploy_among_visitors(&world, &url, &flags, &["--fail-every", "3"]).exit(9);
    ran.said(" answers of set2 were 5xx (").said("the release went bad at watch-20; its visitors are taken back");
    let visitors = last_watch(&world);
    assert!(visitors["slots"]["set1"]["answers"].as_u64() >= Some(50), "{visitors}");
}

#[test]
fn too_few_visitors_prove_nothing_and_what_follows_is_the_operators_choice() {
    let (world, _) = serving(&["--version-text", "1.0"]);
    let flags = ["--watch", "500ms", "--health-watch-errors", "1%"];
    let words = |more: &[&'static str]| [&flags[..], more, &["--", "fake-app"]].concat();
    let ran = world.run("bg-deploy", &words(&[])).success();
    ran.said("not proven: 0 answers of set2 to visitors were seen, of 50 needed; set2 is kept");
    assert_eq!((&last_watch(&world)["proven"], &last_watch(&world)["went_bad"]), (&false.into(), &false.into()));
    let ran = world.run("bg-deploy", &words(&["--health-watch-quiet", "back"])).exit(9);
    ran.said("set1 was not proven to be well within the watch, after ")
        .said("set1 was not proven to be well within the watch; going back to set2")
        .said("set2 is serving again");
    assert_eq!((&last_watch(&world)["proven"], &last_watch(&world)["went_bad"]), (&false.into(), &true.into()));
    let ramp = ["--ramp", "10=300ms", "--health-watch-errors", "1%", "--health-watch-quiet", "back", "--", "fake-app"];
    let ran = world.run("bg-deploy", &ramp).exit(9).never_said("went bad");
    ran.said("the release was not proven to be well at watch-10; its visitors are taken back")
        .said("in set2, as before");
    // What ends it is its health then, whatever was seen of the visitors.
    let flags = ["--watch", "60s", "--health-watch-errors", "1%", "--health-watch-quiet", "back", "--", "fake-app"];
    let deploy = world.start("bg-deploy", &flags);
    until(SOON, "it is watched", || deploy.stderr().contains("looking after set1"));
    process::signal(world.pid("set1"), Signal::SIGKILL);
    deploy.end().exit(9).said("set1 went bad within the watch; going back to set2");
    assert_eq!((&last_watch(&world)["proven"], &last_watch(&world)["went_bad"]), (&false.into(), &false.into()));
}

#[test]
fn a_site_that_says_nothing_is_known_before_a_deploy_that_could_not_stay() {
    let (world, _) = shared_site(World::new().serving());
    let flags = ["--watch", "300ms", "--health-watch-errors", "1%"];
    let words = |more: &[&'static str]| [&flags[..], more, &["--", "fake-app"]].concat();
    let ran = world.run("bg-deploy", &words(&["--health-watch-quiet", "back"])).exit(1);
    ran.said("--print-site --with watch").said("nothing was touched");
    assert_eq!(world.live().as_deref(), Some("set1"));
    world.run("bg-deploy", &words(&[])).success().said("not proven: nothing is known of the visitors of set2");
}

#[test]
fn a_watch_that_is_killed_leaves_nginx_silent_and_the_next_one_hears_it() {
    let (world, url) = serving(&["--version-text", "1.0"]);
    let watch = world.start("bg-health", &["--slot", "live", "--watch", "60s", "--watch-errors", "1%"]);
    let gate = world.dir().join("watch/gate");
    until(SOON, "nginx is heard", || gate.exists());
    let crowd = Crowd::of(&url);
    std::thread::sleep(Duration::from_millis(300));
    process::signal(watch.id(), Signal::SIGKILL);
    let _ = watch.end();
    assert!(gate.is_symlink() && !gate.exists(), "the gate goes with the process");
    std::thread::sleep(Duration::from_millis(200));
    let before = world.nginx.error_log().matches("[error]").count();
    std::thread::sleep(Duration::from_millis(500));
    let after = world.nginx.error_log().matches("[error]").count();
    assert_eq!(before, after, "{}", world.nginx.error_log());
    let words = ["--slot", "live", "--watch", "1s", "--watch-errors", "1%"];
    let record = world.run("bg-health", &words).success().never_said("not proven").record();
    assert!(record["watch"]["visitors"]["slots"]["set1"]["answers"].as_u64() >= Some(50), "{record}");
    crowd.leave();
    assert_eq!(world.names(world.dir().join("watch")), Vec::<String>::new());
}

#[test]
fn what_other_processes_say_is_not_nginxs_word() {
    let (world, url) = serving(&["--version-text", "1.0"]);
    let words = ["--slot", "live", "--watch", "2s", "--watch-errors", "1%", "--watch-quiet", "back"];
    let watch = world.start("bg-health", &words);
    let (gate, socket) = (world.dir().join("watch/gate"), world.dir().join("watch/socket"));
    until(SOON, "nginx is heard", || gate.exists());
    let line = format!("127.0.0.1:{}|500|0.001|0.001|500|7|1|\n", world.port("set1"));
    // Whoever may be another user is one: a stranger, and the user of nginx's own workers.
    let is_root = nix::unistd::geteuid().is_root();
    for user in [65533, 65534] {
        let mut logger = Command::new("logger");
        logger.args(["-t", "bg", "-u"]).arg(&socket).stdin(Stdio::piped());
        if is_root {
            logger.uid(user);
        }
        let mut logger = logger.spawn().expect("logger");
        let mut stdin = logger.stdin.take().expect("a pipe");
        for _ in 0..200 {
            stdin.write_all(line.as_bytes()).expect("it reads");
        }
        drop(stdin);
        logger.wait().expect("it ends");
    }
    let crowd = Crowd::of(&url);
    let record = watch.end().success().record();
    crowd.leave();
    let set1 = &record["watch"]["visitors"]["slots"]["set1"];
    assert_eq!(set1["errors"], 0, "{record}");
    assert!(set1["answers"].as_u64() >= Some(50), "{record}");
}

#[test]
fn nginx_is_heard_again_after_a_reload_and_after_an_upgrade_of_its_binary() {
    let (world, url) = serving(&["--version-text", "1.0"]);
    for is_upgrade in [false, true] {
        let watch = world.start("bg-health", &["-v", "--slot", "live", "--watch", "4s", "--watch-errors", "1%"]);
        // It listens before it looks.
        until(SOON, "nginx is heard", || watch.stderr().contains("200 "));
        if is_upgrade {
            let old = world.nginx.upgrade();
            world.nginx.stop_workers_of(old);
        } else {
            world.nginx.reload();
        }
        let crowd = Crowd::of(&url);
        let record = watch.end().success().record();
        crowd.leave();
        let answers = record["watch"]["visitors"]["slots"]["set1"]["answers"].as_u64();
        assert!(answers >= Some(50), "upgrade: {is_upgrade}: {record}");
    }
}

#[test]
fn a_second_watch_of_visitors_leaves_the_first_its_own() {
    let (world, _) = serving(&["--version-text", "1.0"]);
    let words = ["--slot", "live", "--watch", "60s", "--watch-errors", "1%"];
    let _watch = world.start("bg-health", &words);
    until(SOON, "nginx is heard", || world.dir().join("watch/gate").exists());
    let words = ["--slot", "live", "--watch", "200ms", "--watch-errors", "1%"];
    world.run("bg-health", &words).success().said("another watch of web is under way");
    assert!(world.dir().join("watch/gate").exists());
}

#[test]
fn a_part_of_the_answers_is_a_percentage() {
    let world = World::new();
    for bad in ["101%", "-1", "many", ""] {
        world.run("bg-health", &["--watch", "1s", "--watch-errors", bad]).exit(2);
    }
    world.run("bg-deploy", &["--health-watch-errors", "101%", "--", "fake-app"]).exit(2).said("nothing was touched");
}

#[test]
fn a_site_that_is_watched_has_the_logs_of_the_others_as_well() {
    let world = World::new();
    let log = world.path("visitors.log");
    let conf = std::fs::read_to_string(world.nginx.conf()).expect("nginx's configuration");
    let line = format!("access_log {} combined;", log.display());
    std::fs::write(world.nginx.conf(), conf.replace("access_log off;", &line)).expect("a folder of ours");
    world.start_fake("set1", &[]);
    let (_world, url) = site_with(world, "watch");
    http::get(&format!("{url}/version?seen=1")).expect("an answer");
    until(SOON, "it is written", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("/version?seen=1")));
}

#[test]
fn a_folder_whose_path_is_too_long_for_a_socket_is_refused() {
    let world = World::new();
    let words = ["--print-site", "--with", "watch", "--dir", &format!("/{}", "a".repeat(100))];
    world.run("bg-switch", &words).exit(2).said("is too long for a socket").said("Choose a shorter --dir");
}
