use super::SOON;
use bg_tests::{Run, Running, World, process, programs, until};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const BOTH: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

/// Waits for a deploy that was told to end, and looks at what it has left: nginx and its file on set1, nothing in
/// set2 that was not proven, and the lock free.
#[track_caller]
fn ended_whole(world: &World, deploy: Running, signal: Signal) {
    deploy.end().exit(128 + signal as i32).said(format!("bg-deploy: {signal} ended the deploy at "));
    assert_eq!(world.get("/version").body, "1.0");
    assert!(world.nginx.read_upstream().contains(&world.port("set1").to_string()));
    let line = world.history().pop().expect("a line");
    assert_eq!(line["deploy"]["exit"], 128 + signal as i32);
    world.deploy(&["--version-text", "next"]).success();
    assert_eq!(world.get("/version").body, "next");
}

#[test]
fn a_signal_ends_a_deploy_in_the_probe() {
    for signal in BOTH {
        let world = World::new().serving();
        // A front that takes the connection and says nothing.
        let slow = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let front = format!("http://{}/profile", slow.local_addr().expect("its address"));
        let deploy = world.start("bg-deploy", &["--front", &front, "--probe-timeout", "30s", "--", "fake-app"]);
        let _asked = slow.accept().expect("a question");
        deploy.signal(signal);
        ended_whole(&world, deploy, signal);
    }
}

#[test]
fn a_signal_ends_a_deploy_while_the_old_release_drains() {
    for signal in BOTH {
        let world = World::new().serving();
        world.deploy(&[]).success();
        world.rollback().success();
        let old = world.pid("set2");
        let visitor = world.visit(&format!("http://127.0.0.1:{}/slow?ms=4000", world.port("set2")), "set2");
        let deploy = world.start("bg-deploy", &["--", "fake-app"]);
        until(SOON, "the release is there", || releases(&world) == 3 && deploy.stderr().contains("probe"));
        deploy.signal(signal);
        assert!(process::alive(old), "{}", deploy.stderr());
        ended_whole(&world, deploy, signal);
        assert_eq!(visitor.join().expect("no panic").as_deref(), Some("slow"));
    }
}

#[test]
fn a_signal_ends_a_deploy_while_the_old_release_ignores_term() {
    for signal in BOTH {
        let world = World::new().env("BG_LAUNCH_STOP_TIMEOUT", "2s");
        world.deploy(&["--ignore-term"]).success();
        world.deploy(&["--version-text", "1.0"]).success();
        let old = world.pid("set1");
        let deploy = world.start("bg-deploy", &["--", "fake-app"]);
        until(SOON, "the old release is told to stop", || told(old) || releases(&world) == 3);
        deploy.signal(signal);
        deploy.end().exit(128 + signal as i32);
        assert_eq!(world.get("/version").body, "1.0");
        assert_eq!(world.pid("set1"), old, "nothing was launched");
        world.deploy(&["--version-text", "next"]).success();
        assert_eq!(world.get("/version").body, "next");
    }
}

fn releases(world: &World) -> usize {
    world.releases().iter().filter(|name| !name.starts_with('.')).count()
}

/// Whether TERM is on its way to a process, or it has taken it.
fn told(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("ShdPnd:") && !line.ends_with("0000000000000000"))
}

#[test]
fn a_signal_ends_a_deploy_in_the_health_check() {
    for signal in BOTH {
        let world = World::new().serving();
        let deploy = world.start("bg-deploy", &["--", "fake-app", "--boot-503-ms", "60000"]);
        until(SOON, "it is launched", || world.listens("set2"));
        let unproven = world.pid("set2");
        deploy.signal(signal);
        until(SOON, "the unproven release is stopped", || !process::alive(unproven));
        assert!(!world.listens("set2"));
        ended_whole(&world, deploy, signal);
    }
}

#[test]
fn repeated_signals_do_not_keep_a_deploy_from_stopping_the_unproven_release() {
    let world = World::new().serving();
    let mut deploy = world.start(
        "bg-deploy",
        &["--launch-stop-timeout", "1s", "--", "fake-app", "--boot-503-ms", "60000", "--ignore-term"],
    );
    until(SOON, "it is launched", || world.listens("set2"));
    let unproven = world.pid("set2");
    until(SOON, "it ends", || {
        // As impatient people and CI runners do, to the whole group that a terminal would reach.
        for pid in [deploy.id()].into_iter().chain(process::children(deploy.id())) {
            process::signal(pid, Signal::SIGINT);
        }
        deploy.has_ended()
    });
    assert!(!process::alive(unproven), "{}", deploy.stderr());
    ended_whole(&world, deploy, Signal::SIGINT);
}

#[test]
fn a_signal_ends_a_deploy_in_a_switch_that_nginx_does_not_follow() {
    for signal in BOTH {
        let world = World::new().serving();
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("its address").port();
        world.nginx.add_to_http("busy", &format!("server {{ listen 127.0.0.1:{port}; }}\n"));
        let deploy = world.start("bg-deploy", &["--switch-verify-timeout", "60s", "--", "fake-app"]);
        until(SOON, "nginx is told to move", || world.nginx.error_log().contains("bind() to"));
        deploy.signal(signal);
        deploy.end().exit(128 + signal as i32).said("to move to it: bg-switch ").said(" --to set2\n");
        assert_eq!(world.get("/version").body, "1.0");
        assert!(world.nginx.read_upstream().contains(&world.port("set1").to_string()));
        assert!(process::alive(world.pid("set2")), "it was proven, and nginx may still try to move to it");

        drop(taken);
        world.nginx.add_to_http("busy", "");
        // nginx tries to bind for seconds, and gives up one configuration after the other.
        until(SOON, "nginx has settled", || {
            world.nginx.reload();
            world.get("/version").body == "1.0"
        });
        world.deploy(&["--version-text", "next"]).success();
        assert_eq!(world.get("/version").body, "next");
    }
}

#[test]
fn a_signal_ends_a_deploy_that_waits_for_the_lock() {
    let world = World::new().serving();
    let mut first = world.start("bg-deploy", &["--", "fake-app", "--boot-ms", "2000"]);
    until(SOON, "the first has launched", || first.stderr().contains("launch"));
    let second = world.start("bg-deploy", &["--wait", "60s", "--", "fake-app"]);
    let lock = world.dir().join("lock");
    until(SOON, "the second waits", || process::open_files(second.id()).contains(&lock));
    second.signal(Signal::SIGINT);
    assert_eq!(second.end().code(), None, "SIGINT ended it at once");
    assert!(!first.has_ended(), "before the first was done");
    first.end().success();
}

#[test]
fn a_deploy_under_nohup_is_finished_when_the_terminal_closes() {
    let world = World::new().serving();
    let mut nohup = world.command(Path::new("/usr/bin/nohup"));
    nohup.args(["bg-deploy", "--", "fake-app", "--boot-ms", "1000"]);
    let mut deploy = nohup.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nohup(1)");
    until(SOON, "it has launched", || world.is_launched("set2"));
    for pid in [deploy.id()].into_iter().chain(process::children(deploy.id())) {
        process::signal(pid, Signal::SIGHUP);
    }
    assert!(deploy.wait().expect("a child of ours").success());
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn the_release_outlives_the_ci_job_that_deployed_it() {
    let world = World::new();
    let log = world.path("log");
    let line = format!(
        "bg-deploy -- fake-app --boot-ms 300 </dev/null >'{}' 2>&1 & wait $!; echo done; read hold",
        log.display()
    );
    let mut shell = world.command(Path::new("/bin/sh"));
    let mark = format!("github_{}", std::process::id());
    shell.args(["-c", &line]).env("RUNNER_TRACKING_ID", &mark).process_group(0);
    let mut job = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh(1)");
    until(SOON, "it is deployed", || fs::read_to_string(&log).is_ok_and(|text| text.contains("live    ")));
    let app = world.pid("set1");

    let group = Pid::from_raw(i32::try_from(job.id()).expect("a pid fits"));
    killpg(group, Signal::SIGTERM).expect("a group of ours");
    killpg(group, Signal::SIGKILL).expect("a group of ours");
    drop((job.stdin.take(), job.stdout.take()));
    job.wait().expect("a child of ours");
    let mark = format!("RUNNER_TRACKING_ID={mark}");
    let carriers = || process::all(|pid| process::environment(pid).contains(&mark));
    // As the runner does it, until none is left: a process that was sent SIGKILL is there a moment longer.
    until(SOON, "nothing carries the mark any more", || {
        let found = carriers();
        for &pid in &found {
            process::signal(pid, Signal::SIGKILL);
        }
        found.is_empty()
    });
    assert!(process::alive(app));
    assert_eq!(world.live().as_deref(), Some("set1"));
    // As soon as the last of the job has ended, the lock is free.
    world.cmd("bg-deploy").args(["--wait", "20s", "--"]).args(world.fake_app(&[])).ran().success();
}

#[test]
fn a_deploy_whose_pipes_are_closed_is_finished() {
    let world = World::new();
    let mut deploy: Command = world.command(&programs::ours("bg-deploy"));
    deploy.args(["--", "fake-app", "--boot-ms", "500"]);
    let mut deploy = deploy.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ours");
    drop((deploy.stdout.take(), deploy.stderr.take()));
    assert_eq!(deploy.wait().expect("a child of ours").code(), Some(0));
    assert_eq!(world.live().as_deref(), Some("set1"));
}
