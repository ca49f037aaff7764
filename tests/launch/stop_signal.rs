//! The signal that asks an application to end: that which it was launched with.

use super::{SOON, launch};
use bg_tests::{World, process, until};
use std::fs;

/// An application that ends in good order by QUIT, as unicorn does, and takes TERM for something else, as uWSGI does.
const APPLICATION: &str = "\
import http.server, os, signal, sys
def told(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGQUIT: os._exit(0)
for one in (signal.SIGQUIT, signal.SIGTERM, signal.SIGINT): signal.signal(one, told)
class Page(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_GET(self):
        text = os.environ['BG_SLOT'] if self.path == '/profile' else '{\"status\":\"%s\"}' % sys.argv[1]
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Page).serve_forever()
";

/// Deploys it, with what it says of its health, and these flags.
#[track_caller]
fn deploy(world: &World, health: &str, flags: &[&str]) -> bg_tests::Ran {
    let application = world.executable("app.py", APPLICATION);
    let words = [flags, &["--", "python3", &application, health]].concat();
    world.run("bg-deploy", &words)
}

/// The signals that the release in a slot has heard so far.
#[track_caller]
fn heard(world: &World, slot: &str) -> String {
    let log = fs::read_to_string(world.dir().join("slots").join(slot).join("logs/app.log")).expect("its log");
    log.lines().filter(|line| line.starts_with("SIG")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_release_is_stopped_by_the_signal_it_was_launched_with_wherever_it_is_stopped() {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1s");
    let quit = ["--launch-stop-signal", "QUIT"];
    deploy(&world, "UP", &quit).success();
    deploy(&world, "UP", &quit).success();
    // Replaced by a launch that has another signal, and a release that fails is stopped.
    let old = fs::read_link(world.dir().join("slots/set1/logs/app.log")).expect("a link");
    deploy(&world, "DOWN", &["--launch-stop-signal", "SIGQUIT"]).exit(4).said("was stopped; its log is kept");
    let log = fs::read_to_string(world.dir().join("slots/set1/logs").join(old)).expect("its log");
    assert_eq!((log.trim(), heard(&world, "set1").as_str()), ("SIGQUIT", "SIGQUIT"));
    // By --stop, and later by --stop --after: neither names a signal.
    world.rollback().success();
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    assert_eq!(heard(&world, "set2"), "SIGQUIT");
    deploy(&world, "UP", &quit).success();
    world.run("bg-launch", &["--slot", "set1", "--stop", "--after", "0s"]).success();
    until(SOON, "it is stopped", || !world.listens("set1"));
    assert_eq!(heard(&world, "set1"), "SIGQUIT");
}

#[test]
fn stop_old_and_what_is_started_again_have_the_signal_of_the_first_launch() {
    let world = World::new();
    deploy(&world, "UP", &["--launch-stop-signal", "QUIT"]).success();
    process::signal(world.pid("set1"), nix::sys::signal::Signal::SIGKILL);
    until(SOON, "it is gone", || !world.listens("set1"));
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "it serves again", || world.listens("set1"));
    deploy(&world, "UP", &["--stop-old", "now"]).success();
    until(SOON, "the old one is stopped", || !world.listens("set1"));
    assert_eq!(heard(&world, "set1"), "SIGQUIT");
}

#[test]
fn a_release_that_a_failed_deploy_has_displaced_has_its_own_signal_again() {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1s");
    deploy(&world, "UP", &["--launch-stop-signal", "QUIT"]).success();
    deploy(&world, "UP", &[]).success();
    deploy(&world, "DOWN", &["--launch-stop-signal", "INT", "--launch-stop-timeout", "300ms"]).exit(4);
    world.rollback().success();
    world.run("bg-launch", &["--slot", "set2", "--stop", "--stop-timeout", "300ms"]).success();
    world.run("bg-deploy", &["--rollback"]).success();
    world.run("bg-launch", &["--slot", "set1", "--stop"]).success();
    assert_eq!(heard(&world, "set1"), "SIGQUIT");
}

#[test]
fn a_release_that_was_launched_without_a_signal_is_stopped_by_term_whatever_the_next_one_wants() {
    let world = World::new();
    let launched = ["--", "python3", &world.executable("app.py", APPLICATION), "UP"];
    launch(&world, &launched).success();
    until(SOON, "it listens", || world.listens("set2"));
    let stopped = launch(&world, &["--stop", "--stop-signal", "QUIT", "--stop-timeout", "300ms"]).success();
    stopped.said("which SIGTERM had not ended within 0.3s");
    assert_eq!(heard(&world, "set2"), "SIGTERM");
}

#[test]
fn a_stranger_that_is_adopted_is_stopped_by_the_signal_that_is_given() {
    let world = World::new();
    let stranger = world.start_fake("set2", &["--ignore-term"]);
    launch(&world, &["--adopt", "--stop", "--stop-signal", "INT"])
        .success()
        .said(format!("stopped pid {stranger} (adopted)"));
    assert!(!process::alive(stranger));
}

#[test]
fn a_signal_that_no_application_can_heed_is_refused() {
    let world = World::new();
    for signal in ["KILL", "STOP", "QUITE", "3"] {
        launch(&world, &["--stop-signal", signal, "--", "sleep", "600"]).exit(2).said("--stop-signal");
    }
    let world = world.env("BG_LAUNCH_STOP_SIGNAL", "KILL");
    launch(&world, &["--", "sleep", "600"]).exit(2).said("BG_LAUNCH_STOP_SIGNAL").said("--stop-timeout 0s");
}

#[test]
fn the_printed_unit_hands_the_signal_on() {
    let world = World::new().env("BG_LAUNCH_STOP_SIGNAL", "quit");
    world.run("bg-launch", &["--print-unit"]).success().printed(" --stop-signal=QUIT");
}
