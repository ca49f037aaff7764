//! A rate limit on the site (`limit_req`): a question that it refuses says nothing, for or against, and few are asked.

use std::fs;
use std::time::Duration;

use assert_cmd::assert::Assert;
use bg_tests::{World, http, programs, until};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

const SOON: Duration = Duration::from_secs(20);

/// Limits the site to that rate, for each visitor or for all together (`key`).
fn limited(world: World, key: &str, rate: &str, burst: &str) -> World {
    world.nginx.add_to_http("limit", &format!("limit_req_zone {key} zone=app:1m rate={rate};\n"));
    world.nginx.add_to_location("limit", &format!("limit_req zone=app {burst};\n"));
    world.nginx.reload();
    world
}

fn said(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// Both slots run, and nginx serves set1.
fn both_run() -> World {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    world
}

/// The slot that serves, asked until the limit lets the question through.
#[track_caller]
fn serves(world: &World, slot: &str) {
    until(SOON, &format!("{slot} serves"), || {
        let answer = world.get("/profile");
        assert!(answer.status != 200 || answer.body == slot, "{}", answer.body);
        answer.status == 200
    });
}

/// How many questions nginx has refused.
fn refusals(world: &World) -> usize {
    world.nginx.error_log().matches("limiting requests").count()
}

#[test]
fn deploys_go_through_where_every_visitor_has_a_rate() {
    for world in [World::new(), World::new().link_form()] {
        let world = limited(world, "$binary_remote_addr", "10r/s", "burst=20 nodelay");
        for slot in ["set1", "set2", "set1", "set2"] {
            world.deploy_fake(&[]).success();
            serves(&world, slot);
        }
        assert!(refusals(&world) < 60, "{} were refused", refusals(&world));
    }
}

/// How many questions of ours nginx has answered since.
fn log_of_questions(world: &World) -> impl Fn() -> usize {
    let log = world.folder().join("asked.log");
    world.nginx.add_to_http("log", "log_format asked $http_user_agent;\n");
    world.nginx.add_to_location("log", &format!("access_log {} asked;\n", log.display()));
    world.nginx.reload();
    move || fs::read_to_string(&log).expect("a log of nginx's").lines().filter(|agent| agent.starts_with("bg/")).count()
}

#[test]
fn a_switch_asks_the_front_no_more_than_it_must() {
    for world in [both_run(), both_run().link_form()] {
        let asked = log_of_questions(&world);
        world.cmd("bg-switch").args(["--to", "set2"]).assert().success();
        // Which slot serves, and then five times.
        assert_eq!(asked(), 6);
    }
}

#[test]
fn a_proof_that_does_not_come_asks_some_twenty_times_a_second() {
    for world in [World::new(), World::new().link_form()] {
        world.start_fake("set1", &[]);
        world.start_fake("set2", &["--other-profile", "real"]);
        let asked = log_of_questions(&world);
        world.cmd("bg-switch").args(["--to", "set2", "--verify-timeout", "2s"]).assert().code(5);
        // The proof's, and those by which it is seen that all is as before.
        assert!((30..=70).contains(&asked()), "{} questions", asked());
    }
}

#[test]
fn what_refuses_is_named_with_the_page_that_is_not_limited() {
    for world in [both_run(), both_run().link_form()] {
        let world = limited(world, "$binary_remote_addr", "1r/m", "burst=1 nodelay");
        let switch = world.cmd("bg-switch").args(["--to", "set2", "--verify-timeout", "1s"]).assert().code(5);
        assert!(said(&switch).contains("limit_req") && said(&switch).contains("/_bg/slot"), "{}", said(&switch));
    }
}

#[test]
fn answers_between_refusals_add_up() {
    let wrapped = |world: World| {
        let nginx = world.script("docker-exec-nginx", &format!("exec {} \"$@\"", world.nginx.command_line()));
        world.env("BG_NGINX", &nginx)
    };
    for world in [both_run(), both_run().link_form(), wrapped(both_run())] {
        let world = limited(world, "$binary_remote_addr", "5r/s", "");
        world.cmd("bg-switch").args(["--to", "set2"]).assert().success();
        serves(&world, "set2");
    }
}

#[test]
fn the_printed_page_is_limited_by_nothing() {
    let world = both_run();
    let listen = format!("127.0.0.1:{}", world.free_port());
    let printed = world.cmd("bg-switch").args(["--print-site", "--listen", &listen]).assert().success();
    let site = String::from_utf8_lossy(&printed.get_output().stdout).into_owned();
    let limit = "limit_req_zone $server_name zone=all:1m rate=1r/m;\nlimit_req zone=all;\n";
    world.nginx.add_to_http("site", &format!("{limit}{site}"));
    world.nginx.reload();
    let get = |path: &str| http::get(&format!("http://{listen}{path}")).expect("an answer");
    let refused = (0..20).filter(|_| get("/profile").status == 503).count();
    assert!(refused > 15, "the limit is there");
    assert!((0..50).all(|_| get("/_bg/slot").status == 200));
    let front = format!("http://{listen}/_bg/slot");
    world.cmd("bg-switch").args(["--to", "set2", "--front", &front]).assert().success();
}

#[test]
fn a_probe_that_is_refused_goes_by_the_file_and_names_the_limit() {
    for status in ["503", "429"] {
        let world = limited(both_run(), "$binary_remote_addr", "1r/m", &format!(";\nlimit_req_status {status}"));
        serves(&world, "set1");
        let probe = world.cmd("bg-probe").args(["--slot", "live", "--format", "name"]).assert().success();
        probe.stdout("set1\n").stderr(contains(status).and(contains("limit_req")).and(contains("/_bg/slot")));
        let probe = world.cmd("bg-probe").args(["--by", "front"]).assert().code(7);
        probe.stderr(contains("limit_req"));
    }
}

#[test]
fn a_refusal_does_not_end_a_disagreement_in_favour_of_the_file() {
    let world = limited(both_run(), "$binary_remote_addr", "2r/s", "");
    let text = world.nginx.read_upstream();
    let other = text.replace(&world.port("set1").to_string(), &world.port("set2").to_string());
    world.nginx.write_upstream(&other);
    until(SOON, "the limit lets one through", || world.get("/profile").status == 200);
    until(SOON, "and the next", || world.get("/profile").status == 200);
    let probe = world.cmd("bg-probe").assert().code(7);
    probe.stderr(contains("nginx and its file disagree"));
}

#[test]
fn a_switch_that_was_cut_short_is_settled_through_a_limit() {
    let world = limited(both_run(), "$binary_remote_addr", "10r/s", "burst=5 nodelay");
    let (program, nginx) = (programs::ours("bg-switch"), world.nginx.command_line());
    let deadly = format!("for last; do :; done\n[ \"$last\" = -t ] && kill -9 $PPID\nexec {nginx} \"$@\"");
    let deadly = world.script("ngx", &deadly);
    let status = world.command(&program).args(["--to", "set2", "--nginx", &deadly]).status();
    assert_eq!(status.expect("a program that was found before").code(), None, "it was killed");
    let launch = world.shell("bg-launch --slot set2 --adopt -- fake-app </dev/null").assert().success();
    assert!(said(&launch).contains("an earlier switch to set2 was cut short; nginx serves set1"), "{}", said(&launch));
    serves(&world, "set1");
}

#[test]
fn a_watch_that_is_refused_takes_nothing_back() {
    let world = World::new();
    world.deploy_fake(&[]).success();
    let world = limited(world, "$binary_remote_addr", "1r/m", "burst=12 nodelay");
    let deploy = world.cmd("bg-deploy").args(["--watch", "4s", "--", "fake-app"]).assert().success();
    deploy.stderr(contains("set2 stayed well").and(contains("limit_req")));
    assert!(refusals(&world) > 0, "the limit was met");
    assert!(world.nginx.read_upstream().contains(&world.port("set2").to_string()));
}

#[test]
fn a_check_warns_of_a_limit() {
    let world = limited(both_run(), "$binary_remote_addr", "1r/s", "burst=3 nodelay");
    let check = world.cmd("bg-probe").arg("--check").assert().success();
    check.stdout(contains("of 7 quick questions").and(contains("limit_req")).and(contains("/_bg/slot")));
}
