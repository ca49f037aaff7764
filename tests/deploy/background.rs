//! A command that puts itself into the background: it is told so, and nothing of it is left behind.

use super::SOON;
use bg_tests::{Ran, World, process, until};
use nix::sys::signal::Signal;

/// A daemon as they are written since ever: two forks, a session of its own, and the first process ends with 0.
const DAEMON: &str = "\
import http.server, os, sys, time
if 'serve' not in sys.argv:
    if os.fork(): os._exit(0)
    os.setsid()
    if os.fork(): os._exit(0)
    if 'clean' in sys.argv: os.execve(sys.executable, [sys.executable, sys.argv[0], 'serve', os.environ['PORT']], {})
port = int(os.environ.get('PORT') or sys.argv[2])
time.sleep(float(os.environ.get('BOOTS', '0')))
class Page(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_GET(self):
        text = os.environ.get('BG_SLOT', '') if self.path == '/profile' else '{\"status\":\"UP\"}'
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
http.server.ThreadingHTTPServer(('127.0.0.1', port), Page).serve_forever()
";

#[track_caller]
fn deploy(world: &World, words: &[&str]) -> Ran {
    let daemon = world.executable("daemon.py", DAEMON);
    world.run("bg-deploy", &[&["--", "python3", &daemon], words].concat())
}

/// The processes of the daemon that run.
fn daemons(world: &World) -> Vec<u32> {
    let script = world.path("daemon.py").display().to_string();
    process::all(|pid| process::command_line(pid).contains(&script))
}

#[test]
fn a_daemon_is_told_to_stay_in_the_foreground_and_is_ended_before_and_after_it_has_the_port() {
    for boots in ["0", "1.5"] {
        let world = World::new().serving().env("BOOTS", boots);
        let failed = deploy(&world, &[]).exit(8).never_said("memory");
        failed
            .said("the command went into the background (pid ")
            .said("it must stay in the foreground")
            .said("was stopped");
        assert_eq!(daemons(&world), [0; 0], "nothing of it is left");
        assert!(!world.listens("set2"));
        world.deploy(&["--version-text", "1.1"]).success();
        assert_eq!(world.get("/version").body, "1.1");
    }
}

#[test]
fn a_daemon_of_a_first_deploy_is_ended_as_well() {
    let world = World::new();
    deploy(&world, &[]).exit(8).said("was stopped").said("serving   nothing: no slot was live before");
    assert_eq!(daemons(&world), [0; 0]);
    world.deploy(&[]).success();
}

#[test]
fn a_daemon_that_has_dropped_its_environment_is_named_with_the_command_that_ends_it() {
    let world = World::new().serving();
    let said = deploy(&world, &["clean"]).exit(8).never_said("memory").stderr();
    // Nothing proves that it came from here, so it is left alone.
    let [daemon] = daemons(&world)[..] else { panic!("one daemon: {said}") };
    until(SOON, "it listens", || world.listens("set2"));
    let launched = world.run_line("bg-launch --slot set2 -- fake-app").exit(7);
    launched.said(format!("is held by pid {daemon} ")).said("which bg-launch did not start");
    process::signal(daemon, Signal::SIGTERM);
    until(SOON, "it is gone", || !world.listens("set2"));
    world.deploy(&[]).success();
}

#[test]
fn what_the_same_release_has_in_the_other_slot_is_no_stray() {
    let world = World::new().serving();
    let release = std::fs::read_link(world.dir().join("slots/set1/current")).expect("a link");
    let release = release.file_name().expect("a name").to_string_lossy().into_owned();
    let end = |slot: &str| {
        until(SOON, "it listens", || world.listens(slot));
        process::signal(world.pid(slot), Signal::SIGKILL);
        until(SOON, "it is gone", || !world.listens(slot));
    };
    world.run("bg-launch", &["--slot", "set2", "--release", &release]).success();
    // The one that serves is the younger of the two then.
    end("set1");
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "it serves", || world.listens("set1"));
    end("set2");
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success().said("nothing runs in set2");
    assert_eq!(world.live().as_deref(), Some("set1"));
}
