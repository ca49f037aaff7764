//! The wait: its pace, its end, the successes in a row, the warm-up, and `--once`.

use std::fmt::Debug;
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bg_tests::{Run, World, process, programs, until};
use nix::sys::signal::Signal;

use super::launched::{App, SLOT, facts, health, in_time, record};
use super::server::Server;

const UP: &str = r#"{"status":"UP"}"#;
const DOWN: &str = r#"{"status":"DOWN"}"#;

/// UP where the plan has a `+` for the nth request, else 503; past its end, as at its end.
fn planned(plan: &'static str) -> impl Fn(&str, usize) -> (u16, String) + Send + 'static {
    move |_, nth| match plan.as_bytes()[nth.min(plan.len() - 1)] {
        b'+' => (200, UP.into()),
        _ => (503, DOWN.into()),
    }
}

/// The times from each request to the next.
fn gaps(asked: &[Instant]) -> Vec<Duration> {
    asked.windows(2).map(|two| two[1] - two[0]).collect()
}

/// `Ok` if a time lies between these two, in milliseconds.
fn between(from: u64, to: u64, time: Duration, all: &impl Debug) -> Result<(), String> {
    let right = (Duration::from_millis(from)..=Duration::from_millis(to)).contains(&time);
    if right { Ok(()) } else { Err(format!("{time:?} of {all:?} is not from {from} to {to} ms")) }
}

#[test]
fn health_gives_up_in_time_and_asks_every_100_ms_while_nothing_listens() {
    let world = World::new();
    in_time(|| {
        let began = Instant::now();
        let assert = health(&world, &["--timeout", "1s"]).exit(4).printed_nothing();
        let said = assert.stderr();
        between(1000, 1500, began.elapsed(), &said)?;
        assert!(said.contains("nothing runs in the slot, or not on port"), "{said}");
        let (count, _) = said.split_once(" x connection refused (0.0 to ").ok_or(said.as_str())?;
        let count = count.rsplit(' ').next().and_then(|count| count.parse().ok());
        // Not a time, but as many checks in a second.
        between(7, 10, Duration::from_millis(count.expect("a number")), &said)
    });
}

#[test]
fn health_asks_every_100_ms_and_confirms_a_success_after_5_ms() {
    in_time(|| {
        let world = World::new();
        let server = Server::answering(world.port(SLOT), planned("-----++"));
        let facts = facts(&health(&world, &[]).success());
        assert_eq!(facts["checks"], 7);
        let gaps = gaps(&server.asked("/actuator/health"));
        gaps[..5].iter().try_for_each(|gap| between(80, 130, *gap, &gaps))?;
        between(4, 30, gaps[5], &gaps)?;
        // The time that counts for the application is that of the first success.
        between(450, 650, Duration::from_millis(facts["ready_ms"].as_u64().expect("a number")), &facts)
    });
}

#[test]
fn an_interval_takes_the_place_of_both_paces() {
    in_time(|| {
        let world = World::new();
        let server = Server::answering(world.port(SLOT), planned("--++"));
        health(&world, &["--interval", "300ms"]).success();
        let gaps = gaps(&server.asked("/actuator/health"));
        assert_eq!(gaps.len(), 3);
        gaps.iter().try_for_each(|gap| between(250, 350, *gap, &gaps))
    });
    let world = World::new();
    in_time(|| {
        let said = health(&world, &["--timeout", "500ms", "--interval", "200ms"]).exit(4).stderr();
        said.contains("answers   3 x connection refused").then_some(()).ok_or(said)
    });
}

#[test]
fn the_successes_must_come_in_a_row() {
    let world = World::new();
    let _server = Server::answering(world.port(SLOT), planned("+-+-++"));
    assert_eq!(facts(&health(&world, &[]).success())["checks"], 6);

    let world = World::new();
    let _server = Server::answering(world.port(SLOT), planned("++-+++++"));
    assert_eq!(facts(&health(&world, &["--successes", "4"]).success())["checks"], 7);
}

#[test]
fn up_now_and_then_is_not_healthy() {
    let world = World::new();
    let _server = Server::answering(world.port(SLOT), |_, nth| planned("+-")(UP, nth % 2));
    let refused = health(&world, &["--timeout", "2s"]).exit(4);
    refused.said(r#"x 200 {"status":"UP"} ("#).said(r#"x 503 {"status":"DOWN"} ("#);
}

#[test]
fn health_does_not_count_the_check_that_the_timeout_cuts() {
    let world = World::new();
    let held = std::sync::Mutex::new(Vec::<TcpStream>::new());
    let _server = Server::start(world.port(SLOT), move |_, before, stream| {
        if before == 0 {
            let _ = std::io::Write::write_all(stream, b"HTTP/1.1 503 Played\r\nContent-Length: 0\r\n\r\n");
        } else if let (Ok(mut held), Ok(stream)) = (held.lock(), stream.try_clone()) {
            held.push(stream);
        }
    });
    let began = Instant::now();
    let said = health(&world, &["--timeout", "1s", "--check-timeout", "20s"]).exit(4).stderr();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(said.contains("answers   1 x 503 (at ") && !said.contains("no answer"), "{said}");
}

#[test]
fn a_warm_up_is_done_before_it_says_yes() {
    let world = World::new();
    let server = Server::answering(world.port(SLOT), |path, _| match path {
        "/actuator/health" => (200, UP.into()),
        _ => (404, String::new()),
    });
    let mut command = world.cmd("bg-health");
    command.env("BG_HEALTH_WARMUP", "/items,/login").write_stdin(record(&world)).ran().success();
    assert_eq!((server.asked("/items").len(), server.asked("/login").len()), (20, 20));
    let last = server.asked("/actuator/health").pop();
    assert!(last < server.asked("/items").into_iter().next(), "healthy first, then warm");
}

#[test]
fn a_warm_up_that_fails_is_tried_again() {
    let world = World::new();
    let server = Server::answering(world.port(SLOT), |path, before| match (path, before) {
        ("/items", 0 | 3) => (500, String::new()),
        _ => (200, UP.into()),
    });
    health(&world, &["--warmup", "/items", "--warmup-requests", "5"]).success();
    // One failed at once, one after two good ones, and then five good ones.
    assert_eq!(server.asked("/items").len(), 1 + 3 + 5);
}

#[test]
fn health_once_does_not_warm_up() {
    let world = World::new();
    let server = Server::answering(world.port(SLOT), |_, _| (200, UP.into()));
    health(&world, &["--warmup", "/items", "--once"]).success();
    assert!(server.asked("/items").is_empty());
}

#[test]
fn a_warm_up_that_always_fails_is_not_healthy() {
    let world = World::new();
    let _server = Server::answering(world.port(SLOT), |path, _| match path {
        "/items" => (500, String::new()),
        _ => (200, UP.into()),
    });
    let refused = health(&world, &["--warmup", "/items", "--timeout", "1s"]).exit(4);
    refused.said("x warm-up: 500 (").said("says UP, but fails at http://127.0.0.1:").said("/items: see its log");
}

#[test]
fn health_once_checks_once() {
    let world = World::new();
    let server = Server::answering(world.port(SLOT), planned("+-"));
    let assert = health(&world, &["--once"]).success();
    assert_eq!(facts(&assert)["checks"], 1);
    let assert = health(&world, &["--once"]).exit(4).printed_nothing();
    let said = assert.stderr();
    assert!(
        said.starts_with(r#"bg-health: set2 is not healthy: 503 {"status":"DOWN"}; the application runs"#),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
    assert_eq!(server.asked("/actuator/health").len(), 2);
}

#[test]
fn health_once_needs_no_record_and_no_nginx() {
    let world = World::new().set1_running();
    world.run("bg-health", &["--once", "--slot", "live"]).success();
    let down = world.run("bg-health", &["--once", "--slot", "idle"]).exit(4);
    assert!(down.stderr().starts_with("bg-health: set2 is not healthy: connection refused; nothing runs"), "{down}");

    world.nginx.stop();
    world.remove(world.nginx.upstream_file());
    let assert = world.run("bg-health", &["--once", "--slot", "set1"]).success();
    assert_eq!(facts(&assert)["checks"], 1);
    world.run("bg-health", &["--once", "--slot", "live"]).exit(7);
}

#[test]
fn health_once_of_a_live_slot_where_both_are_down_is_not_healthy_and_says_what_starts_it() {
    let world = World::new();
    let once = |code: i32| world.run("bg-health", &["--slot", "live", "--once", "-q"]).exit(code).printed_nothing();
    once(4).said("bg-health: no slot of web is live. Deploy a release; or see what is there: bg-probe --format table");
    world.deploy(&["--version-text", "1.0"]).success();
    let pid = world.pid("set1");
    process::signal(pid, Signal::SIGKILL);
    process::gone(pid);
    let down = once(4);
    assert_eq!(down.stderr().lines().count(), 1, "{down}");
    let down = down.said("bg-health: no slot of web is live: nothing runs, and nginx is set to serve set1. Start it");
    world.run_line(down.advice("Start it again: ")).success();
    until(Duration::from_secs(10), "the release is back", || world.listens("set1"));
    world.run("bg-health", &["--slot", "live", "--once"]).success();
}

#[test]
fn health_exits_3_without_a_record() {
    let world = World::new();
    world.run_line("true | bg-health").exit(3).printed_nothing().said_nothing();
    let cron = world.run_line("bg-health --once < /dev/null").exit(3);
    assert_eq!(cron.stderr().lines().count(), 1);
    let broken = record(&world).replace("\"bg\":1", "\"bg\":2");
    world.pipe(broken, "bg-health", &[]).exit(3).printed_nothing();
    let launch = record(&world).replace("\"bg\":1", "\"bg\":1,\"launch\":{\"pid\":\"x\"}");
    world.pipe(launch, "bg-health", &[]).exit(3).printed_nothing();
}

#[test]
fn the_longest_durations_that_can_be_typed_are_no_reason_to_crash() {
    let world = World::new();
    let app = App::launch(&world, &["--boot-503-ms", "150"]);
    let ages = "500000000000y";
    app.health(&world, &["--timeout", ages, "--check-timeout", ages]).success();
    app.health(&world, &["--once", "--interval", ages, "--check-timeout", ages]).success();
}

#[test]
fn quiet_is_quiet_and_a_pipe_gets_plain_lines() {
    let world = World::new();
    let app = App::launch(&world, &["--boot-ms", "200"]);
    app.health(&world, &[]).success().never_said("\r").never_said("\u{1b}");
    app.health(&world, &["-q"]).success().said_nothing();
}

#[test]
fn a_terminal_sees_what_is_waited_for() {
    let world = World::new();
    let app = App::launch(&world, &["--boot-ms", "500"]);
    let terminal = |flags: &str| {
        let line = format!("bg-health {flags} < {} | cat > /dev/null", world.path("record").display());
        world.write("record", app.record(&world));
        // script(1) gives the line a terminal of its own.
        let mut script = world.command(Path::new("script"));
        script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env("NO_COLOR", "1").stdin(Stdio::null());
        String::from_utf8_lossy(&script.output().expect("script, of bsdutils").stdout).into_owned()
    };
    assert!(programs::of_the_system("script").is_file());
    let shown = terminal("");
    assert!(shown.contains("of 1m 50s  set2: connection refused"), "{shown:?}");
    let (_, last) = shown.rsplit_once("\u{1b}[2K").expect(&shown);
    assert!(last.starts_with("health  UP after"), "{shown:?}");
    assert_eq!(terminal("-q"), "");
}
