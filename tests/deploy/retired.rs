use super::SOON;
use bg_tests::{Run, World, process, until};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Deploys once more, and has the old release stopped then.
#[track_caller]
fn deploy_and_stop_old(world: &World, when: &str) {
    let deploy = world.run("bg-deploy", &["--stop-old", when, "--", "fake-app", "--version-text", "1.1"]);
    deploy.success().said(format!("launch  pid {} in set1 will be stopped ", world.pid("set1")));
}

/// What the process that waits has said.
fn said_later(world: &World) -> String {
    fs::read_to_string(world.dir().join("slots/set1/stop.log")).unwrap_or_default()
}

/// The processes of this world that wait to stop something.
fn waiting(world: &World) -> Vec<u32> {
    let waits = |pid: &u32| process::alive(*pid) && process::command_line(*pid).iter().any(|word| word == "--detached");
    world.processes().into_iter().filter(waits).collect()
}

#[test]
fn stop_old_waits_for_the_last_visitor_and_the_deploy_does_not() {
    let world = World::new().serving();
    let old = world.pid("set1");
    let visitor = world.visit(&world.nginx.front_url("/slow?ms=8000"), "set1");
    deploy_and_stop_old(&world, "now");
    assert!(process::alive(old), "its visitor waits");
    assert!(!visitor.is_finished(), "the deploy has waited for the visitor");
    assert_eq!(visitor.join().expect("no panic").as_deref(), Some("slow"));
    until(SOON, "the old release is stopped", || !process::alive(old));
    until(SOON, "nobody waits any more", || waiting(&world).is_empty());
    assert!(said_later(&world).contains(&format!("stopped pid {old} in set1")), "{}", said_later(&world));

    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn stop_old_is_set_by_the_environment_and_off_by_default() {
    let world = World::new().serving();
    world.deploy(&[]).success();
    assert!(process::alive(world.pid("set1")) && waiting(&world).is_empty());
    let world = world.env("BG_DEPLOY_STOP_OLD", "now");
    let old = world.pid("set2");
    world.rollback().success();
    until(SOON, "what was gone back from is stopped", || !process::alive(old));
    world.run("bg-deploy", &["--stop-old", "5m", "--", "fake-app"]).exit(2).said("after=5m");
}

#[test]
fn what_waits_to_stop_the_old_release_keeps_nothing_of_the_job() {
    let world = World::new().serving();
    let old = world.pid("set1");
    let line = "exec 7</etc/passwd; bg-deploy --stop-old after=10m -- fake-app 2>&1 | cat; read hold";
    let mut shell = world.command(Path::new("/bin/sh"));
    shell.args(["-c", line]).envs([
        ("RUNNER_TRACKING_ID", "github_1"),
        ("JENKINS_NODE_COOKIE", "2"),
        ("BUILD_ID", "3"),
    ]);
    let mut job = std::os::unix::process::CommandExt::process_group(&mut shell, 0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh(1)");
    until(SOON, "somebody waits", || waiting(&world).len() == 1);
    let waits = waiting(&world)[0];
    until(SOON, "it is a session of its own", || {
        process::family(waits).is_some_and(|(_, _, session)| session == waits)
    });
    let environ = process::environment(waits);
    assert!(!environ.is_empty(), "it runs");
    for mark in ["RUNNER_TRACKING_ID=", "JENKINS_NODE_COOKIE=", "BUILD_ID=", "BG_LOCK_FD="] {
        assert!(!environ.iter().any(|variable| variable.starts_with(mark)), "{mark}");
    }
    let fd = |number: &str| fs::read_link(format!("/proc/{waits}/fd/{number}")).ok();
    let log = world.dir().join("slots/set1/stop.log");
    let null = Path::new("/dev/null");
    until(SOON, "it has let go of what it was given", || {
        process::open_files(waits).len() == 3
            && fd("0").as_deref() == Some(null)
            && fd("1").as_deref() == Some(null)
            && fd("2") == Some(log.clone())
    });
    let group = Pid::from_raw(i32::try_from(job.id()).expect("a pid fits"));
    killpg(group, Signal::SIGKILL).expect("a group of ours");
    job.wait().expect("a child of ours");
    assert!(process::alive(waits) && process::alive(old));
    // The lock is free, as soon as the last of the job has ended.
    world.run("bg-deploy", &["--wait", "20s", "--rollback"]).success();
    let waits = Pid::from_raw(i32::try_from(waits).expect("a pid fits"));
    kill(waits, Signal::SIGTERM).expect("it can be told to end");
    until(SOON, "it has ended", || waiting(&world).is_empty());
}

#[test]
fn stop_old_leaves_a_release_that_is_live_again() {
    let world = World::new().serving();
    deploy_and_stop_old(&world, "after=3s");
    world.rollback().success();
    until(SOON, "it was refused", || said_later(&world).contains("set1 is live on"));
    assert!(process::alive(world.pid("set1")));
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn stop_old_leaves_a_release_that_was_launched_since() {
    let world = World::new().serving();
    deploy_and_stop_old(&world, "after=10m");
    let old = world.pid("set1");
    world.deploy(&["--version-text", "1.2"]).success();
    until(SOON, "it has nothing to wait for any more", || waiting(&world).is_empty());
    let words = format!("pid {old} is not there any more; nothing was stopped");
    assert!(said_later(&world).contains(&words), "{}", said_later(&world));
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn stop_old_waits_for_a_deploy_under_way() {
    let world = World::new().serving();
    deploy_and_stop_old(&world, "after=2s");
    let old = world.pid("set1");
    let mut flock = world.command(Path::new("/usr/bin/flock"));
    flock.arg(world.dir().join("lock")).args(["sh", "-c", "echo held; read free"]);
    let mut holder = flock.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("flock(1)");
    let mut said = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().expect("a pipe"), &mut said).expect("it holds the lock");
    let waits = waiting(&world)[0];
    let lock = world.dir().join("lock");
    until(SOON, "it wants the lock", || process::open_files(waits).contains(&lock));
    assert!(process::alive(old));
    drop(holder.stdin.take());
    assert!(!holder.wait().expect("a child of ours").success(), "read(1) met the end of its input");
    until(SOON, "the old release is stopped", || !process::alive(old));
}

#[test]
fn of_two_stops_of_one_release_the_one_asked_for_last_rules() {
    let world = World::new().serving();
    let old = world.pid("set1");
    deploy_and_stop_old(&world, "after=3s");
    let first = waiting(&world);
    world.run("bg-deploy", &["--stop-old", "never", "--rollback"]).success();
    world.run("bg-deploy", &["--stop-old", "after=10m", "--rollback"]).success();
    until(SOON, "the first is called off", || !process::alive(first[0]));
    assert!(process::alive(old) && waiting(&world).len() == 1, "{}", said_later(&world));
    assert!(said_later(&world).contains(&format!("to stop pid {old} in set1 10m after ")), "{}", said_later(&world));
    // And a shorter one counts at once.
    world.run("bg-launch", &["--slot", "set1", "--stop", "--after", "100ms"]).success();
    until(SOON, "the old release is stopped", || !process::alive(old));
    until(SOON, "nobody waits any more", || waiting(&world).is_empty());
}

#[test]
fn a_rollback_waits_for_the_old_release_that_is_being_stopped_and_starts_it_again() {
    let world = World::new().serving();
    let old = world.pid("set1");
    // It is stopped when its visitor has gone.
    let visitor = world.visit(&world.nginx.front_url("/slow?ms=6000"), "set1");
    deploy_and_stop_old(&world, "now");
    let lock = world.dir().join("lock");
    until(SOON, "the old release is being stopped", || world.read(&lock).contains("stops pid"));
    world.run("bg-launch", &["--live"]).success().said_nothing();
    let rollback = world.rollback().success();
    rollback.said(format!("wait    bg-launch stops pid {old} in set1, as --stop-old asked (50s at most)\n"));
    assert_eq!(visitor.join().expect("no panic").as_deref(), Some("slow"));
    assert_ne!(world.pid("set1"), old);
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn who_says_how_long_it_takes_is_not_waited_for_longer() {
    let world = World::new().serving();
    let mut flock = world.command(Path::new("/usr/bin/flock"));
    flock.arg(world.dir().join("lock")).args(["sh", "-c", "echo held; read free"]);
    let mut holder = flock.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("flock(1)");
    let mut said = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().expect("a pipe"), &mut said).expect("it holds the lock");
    let signed = r#"{"command":"x","pid":7,"user":"a","since":"now","errand":{"what":"waits","most_ms":300}}"#;
    world.write(world.dir().join("lock"), signed);
    let refused = world.rollback().exit(6).said("wait    bg-launch waits (0s at most)\n");
    refused.said("x (pid 7) of a since now, which waits (0s at most); nothing was touched");
    drop(holder.stdin.take());
    holder.wait().expect("a child of ours");
}

#[test]
fn launch_stop_after_takes_a_slot_and_needs_a_process() {
    let world = World::new().serving();
    let stop = |slot: &str| {
        let mut stop = world.cmd("bg-launch");
        stop.args(["--slot", slot, "--stop", "--after", "100ms"]).timeout(Duration::from_secs(60)).ran()
    };
    stop("set2").success().printed_nothing().said("nothing that bg-launch has started runs in set2");
    world.deploy(&[]).success();
    let old = world.pid("set1");
    stop("idle").success().said(format!("pid {old} in set1 will be stopped in 100ms"));
    until(SOON, "it is stopped", || !process::alive(old));
    for words in [&["--", "fake-app"][..], &["--current"], &["--slot", "idle"]] {
        world.cmd("bg-launch").args(["--after", "1s"]).args(words).ran().exit(2);
    }
}
