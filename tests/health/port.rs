//! The port that is looked at while nothing listens, and the process that is to listen.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use bg_tests::strace::Strace;
use bg_tests::{Run, World, process, programs, until};

use super::launched::{App, SLOT, facts, in_time, record};
use super::server::Server;

/// How often bg-health connects within a second of waiting for what never listens, given these flags, and how many calls
/// it makes.
#[track_caller]
fn connects(world: &World, app: &App, flags: &[&str]) -> (usize, usize) {
    let strace = Strace::of("connect socket poll ppoll clock_nanosleep open openat", &world.path("trace"));
    let words = strace.words();
    world.write("record", app.record(world));
    let mut command = world.command(Path::new(&words[0]));
    command.args(&words[1..]).arg(programs::ours("bg-health")).args(["--timeout", "1s"]).args(flags);
    command.stdin(File::open(world.path("record")).expect("a file of ours"));
    command.ran().exit(4).said(" x connection refused (");
    let calls = strace.calls();
    (calls.iter().filter(|call| call.name == "connect").count(), calls.len())
}

#[test]
fn health_looks_at_a_silent_port_every_2_ms_and_does_nothing_else_meanwhile() {
    let world = World::new();
    let app = App::launch(&world, &["--boot-ms", "60000"]);
    let (connects, calls) = connects(&world, &app, &[]);
    // Under strace a look takes longer, and the pause after it twenty times as much longer.
    assert!((50..=510).contains(&connects), "{connects}");
    // A look is a socket, a connection, two polls; and there are twenty looks at the other slot's port.
    assert!(calls <= 4 * connects + 300, "{calls} calls for {connects} looks");
}

#[test]
fn health_with_an_interval_does_not_look_at_the_port_between() {
    let world = World::new();
    let app = App::launch(&world, &["--boot-ms", "60000"]);
    let (connects, _) = connects(&world, &app, &["--interval", "100ms"]);
    // Ten checks, and what the report looks up.
    assert!((8..=16).contains(&connects), "{connects}");
}

/// How long it takes from the moment a server listens to its first request, while bg-health waits for it.
fn asked_after() -> Duration {
    let world = World::new();
    world.write("record", record(&world));
    let record = File::open(world.path("record")).expect("a file of ours");
    let health = world.start_reading(record, "bg-health", &["-v"]);
    until(Duration::from_secs(10), "the first check", || health.stderr().contains("connection refused"));
    let server = Server::answering(world.port(SLOT), |_, _| (200, r#"{"status":"UP"}"#.into()));
    let listens = Instant::now();
    // One that was refused, and two that were healthy.
    assert!(facts(&health.end().success())["checks"].as_u64() < Some(10));
    server.asked("/actuator/health").first().expect("a request").saturating_duration_since(listens)
}

#[test]
fn health_asks_as_soon_as_something_listens() {
    in_time(|| {
        let times = [(); 5].map(|()| asked_after());
        let all: Duration = times.iter().sum();
        (all < Duration::from_millis(75)).then_some(()).ok_or(format!("{times:?}"))
    });
}

#[test]
fn health_ends_with_the_process_and_not_at_its_next_check() {
    in_time(|| {
        let world = World::new();
        let app = App::launch(&world, &["--boot-ms", "60000"]);
        world.write("record", app.record(&world));
        let record = File::open(world.path("record")).expect("a file of ours");
        let health = world.start_reading(record, "bg-health", &["-v", "--interval", "60s"]);
        until(Duration::from_secs(10), "the first check", || health.stderr().contains("connection refused"));
        process::signal(app.pid, Signal::SIGKILL);
        let began = Instant::now();
        health.end().exit(8);
        (began.elapsed() < Duration::from_secs(5)).then_some(()).ok_or(format!("{:?}", began.elapsed()))
    });
}
