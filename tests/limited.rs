//! A rate limit on the site (`limit_req`): a question that it refuses says nothing, for or against, and few are asked.

use std::fs;
use std::time::Duration;

use bg_tests::{World, http, until};

const SOON: Duration = Duration::from_secs(20);

/// Limits the site to that rate, for each visitor or for all together (`key`).
fn limited(world: World, key: &str, rate: &str, burst: &str) -> World {
    world.nginx.add_to_http("limit", &format!("limit_req_zone {key} zone=app:1m rate={rate};\n"));
    world.nginx.add_to_location("limit", &format!("limit_req zone=app {burst};\n"));
    world.nginx.reload();
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
            world.deploy(&[]).success();
            serves(&world, slot);
        }
        assert!(refusals(&world) < 60, "{} were refused", refusals(&world));
    }
}

/// How many questions of ours nginx has answered since.
fn log_of_questions(world: &World) -> impl Fn() -> usize {
    let log = world.path("asked.log");
    world.nginx.add_to_http("log", "log_format asked $http_user_agent;\n");
    world.nginx.add_to_location("log", &format!("access_log {} asked;\n", log.display()));
    world.nginx.reload();
    move || fs::read_to_string(&log).expect("a log of nginx's").lines().filter(|agent| agent.starts_with("bg/")).count()
}

#[test]
fn a_switch_asks_the_front_no_more_than_it_must() {
    for world in [World::new().both_running(), World::new().both_running().link_form()] {
        let asked = log_of_questions(&world);
        world.switch("set2").success();
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
        world.run("bg-switch", &["--to", "set2", "--verify-timeout", "2s"]).exit(5);
        // The proof's, and those by which it is seen that all is as before.
        assert!((30..=70).contains(&asked()), "{} questions", asked());
    }
}

#[test]
fn what_refuses_is_named_with_the_page_that_is_not_limited() {
    for world in [World::new().both_running(), World::new().both_running().link_form()] {
        let world = limited(world, "$binary_remote_addr", "1r/m", "burst=1 nodelay");
        let refused = world.run("bg-switch", &["--to", "set2", "--verify-timeout", "1s"]).exit(5);
        refused.said("limit_req").said("/_bg/slot");
    }
}

#[test]
fn answers_between_refusals_add_up() {
    let wrapped = |world: World| {
        let nginx = world.script("docker-exec-nginx", &format!("exec {} \"$@\"", world.nginx.command_line()));
        world.env("BG_NGINX", &nginx)
    };
    for world in
        [World::new().both_running(), World::new().both_running().link_form(), wrapped(World::new().both_running())]
    {
        let world = limited(world, "$binary_remote_addr", "5r/s", "");
        world.switch("set2").success();
        serves(&world, "set2");
    }
}

#[test]
fn the_printed_page_is_limited_by_nothing() {
    let world = World::new().both_running();
    let listen = format!("127.0.0.1:{}", world.free_port());
    let site = world.run("bg-switch", &["--print-site", "--listen", &listen]).success().stdout();
    let limit = "limit_req_zone $server_name zone=all:1m rate=1r/m;\nlimit_req zone=all;\n";
    world.nginx.add_to_http("site", &format!("{limit}{site}"));
    world.nginx.reload();
    let get = |path: &str| http::get(&format!("http://{listen}{path}")).expect("an answer");
    let refused = (0..20).filter(|_| get("/profile").status == 503).count();
    assert!(refused > 15, "the limit is there");
    assert!((0..50).all(|_| get("/_bg/slot").status == 200));
    let front = format!("http://{listen}/_bg/slot");
    world.run("bg-switch", &["--to", "set2", "--front", &front]).success();
}

#[test]
fn a_probe_that_is_refused_goes_by_the_file_and_names_the_limit() {
    for status in ["503", "429"] {
        let world = limited(
            World::new().both_running(),
            "$binary_remote_addr",
            "1r/m",
            &format!(";\nlimit_req_status {status}"),
        );
        serves(&world, "set1");
        let probe = world.run("bg-probe", &["--slot", "live", "--format", "name"]).success();
        probe.printed_only("set1\n").said(status).said("limit_req").said("/_bg/slot");
        world.run("bg-probe", &["--by", "front"]).exit(7).said("limit_req");
    }
}

#[test]
fn a_refusal_does_not_end_a_disagreement_in_favour_of_the_file() {
    let world = limited(World::new().both_running(), "$binary_remote_addr", "2r/s", "");
    let text = world.nginx.read_upstream();
    let other = text.replace(&world.port("set1").to_string(), &world.port("set2").to_string());
    world.nginx.write_upstream(&other);
    until(SOON, "the limit lets one through", || world.get("/profile").status == 200);
    until(SOON, "and the next", || world.get("/profile").status == 200);
    world.run("bg-probe", &[]).exit(7).said("nginx and its file disagree");
}

#[test]
fn a_switch_that_was_cut_short_is_settled_through_a_limit() {
    let world = limited(World::new().both_running(), "$binary_remote_addr", "10r/s", "burst=5 nodelay");
    let nginx = world.nginx.command_line();
    let deadly = format!("for last; do :; done\n[ \"$last\" = -t ] && kill -9 $PPID\nexec {nginx} \"$@\"");
    let deadly = world.script("ngx", &deadly);
    let killed = world.run("bg-switch", &["--to", "set2", "--nginx", &deadly]);
    assert_eq!(killed.code(), None, "it was killed: {killed}");
    let run = world.run_line("bg-launch --slot set2 --adopt -- fake-app </dev/null").success();
    run.said("an earlier switch to set2 was cut short; nginx serves set1");
    serves(&world, "set1");
}

#[test]
fn a_watch_that_is_refused_takes_nothing_back() {
    let world = World::new();
    world.deploy(&[]).success();
    let world = limited(world, "$binary_remote_addr", "1r/m", "burst=12 nodelay");
    world.run("bg-deploy", &["--watch", "4s", "--", "fake-app"]).success().said("set2 stayed well").said("limit_req");
    assert!(refusals(&world) > 0, "the limit was met");
    assert!(world.nginx.read_upstream().contains(&world.port("set2").to_string()));
}

#[test]
fn a_check_warns_of_a_limit() {
    let world = limited(World::new().both_running(), "$binary_remote_addr", "1r/s", "burst=3 nodelay");
    let run = world.run("bg-probe", &["--check"]).success();
    run.printed("of 7 quick questions").printed("limit_req").printed("/_bg/slot");
}
