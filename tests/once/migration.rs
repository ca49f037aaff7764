//! A command before a release is launched, as a migration, one before a rollback, and one when an old release has ended.

use std::fs;
use std::time::Duration;

use bg_tests::{Run, World, process, until};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

/// A world in which 1.0 serves in set1 and 0.9 is what a rollback goes to.
fn both_deployed() -> World {
    let world = World::new();
    world.deploy(&["--version-text", "0.9"]).success();
    world.deploy(&["--version-text", "1.0"]).success();
    world.rollback().success();
    world.rollback().success();
    world
}

/// `bg-deploy` of an artifact, with these flags.
#[track_caller]
fn deploy_file(world: &World, flags: &[&str]) -> bg_tests::Ran {
    let file = world.write("app.bin", "1.1").display().to_string();
    let app = world.fake_app(&["--version-text", "1.1"]);
    let words = flags.iter().copied().chain([file.as_str(), "--"]).chain(app.iter().map(String::as_str));
    world.run("bg-deploy", &words.collect::<Vec<_>>())
}

#[test]
fn a_migration_that_fails_leaves_the_rollback_target_running_and_the_release_is_gone() {
    let world = both_deployed();
    let (before, releases) = ([world.pid("set1"), world.pid("set2")], world.releases());
    let migrate = world.script("migrate", "echo no such column >&2; exit 3");
    let deploy = deploy_file(&world, &["--before-launch", &migrate]).exit(4).printed_nothing();
    let deploy = deploy.said("no such column\n").said(format!("before-launch: {migrate}: exit 3. Nothing was stopped"));
    deploy.said("the deploy failed at before-launch, exit 4").said("serving   release").said("as before");
    assert_eq!(world.history().pop().expect("a deploy")["deploy"]["failed"], "before-launch");
    assert_eq!(([world.pid("set1"), world.pid("set2")], world.releases()), (before, releases));
    assert!(before.into_iter().all(process::alive));
    world.rollback().success();
    assert_eq!(world.get("/version").body, "0.9");
}

#[test]
fn a_migration_runs_before_anything_is_stopped_with_what_the_release_gets() {
    let world = both_deployed().env("DB", "of the release").env("BG_LAUNCH_KEEP", "3");
    let old = world.pid("set1");
    let lines = format!("kill -0 {old} && echo it runs; echo \"$@\"; env; ls -l /proc/$$/fd; pwd");
    let migrate = world.script("migrate", &lines);
    let hook = format!("{migrate} {{slot}} {{port}} {{release}} {{artifact}} '; touch planted'");
    let deploy =
        deploy_file(&world, &["--before-launch", &hook]).success().said("it runs\n").said("hook    before-launch");
    let launch = &deploy.record()["launch"];
    let (release, artifact) = (launch["release"].as_str().expect("one"), launch["artifact"].as_str().expect("one"));
    let deploy = deploy.said(format!("set1 {} {release} {artifact} ; touch planted\n", world.port("set1")));
    let deploy =
        deploy.said("\nDB=of the release\n").said(format!("\nBG_RELEASE={release}\n")).never_said("BG_LAUNCH_KEEP");
    deploy.said(world.dir().join("slots/set1/work\n").display().to_string()).never_said("/lock\n");
    assert!(!process::alive(old) && !world.path("planted").exists());
    // Neither for a rollback nor for what starts again.
    let run = world.cmd("bg-deploy").env("BG_LAUNCH_BEFORE_LAUNCH", "false").arg("--rollback").ran().success();
    run.never_said("before-launch");
}

#[test]
fn a_rollback_has_a_hook_of_its_own_which_runs_for_a_release_that_is_up_or_not() {
    let world = both_deployed();
    for is_up in [true, false] {
        if !is_up {
            world.run("bg-launch", &["--slot", "idle", "--stop"]).success();
        }
        let before = world.live();
        let failed = world.run("bg-deploy", &["--rollback", "--before-rollback", "sh -c 'exit 2'"]).exit(4);
        failed.said("the rollback failed at before-rollback, exit 4");
        assert_eq!(
            (world.live(), world.history().pop().expect("one")["deploy"]["failed"].as_str()),
            (before.clone(), Some("before-rollback"))
        );
        let release = world.held("set1").expect("one");
        let back =
            world.run("bg-deploy", &["--rollback", "--before-rollback", "echo down to {release} in {slot}"]).success();
        back.said(format!("down to {release} in set1\n"));
        assert_ne!(world.live(), before);
        world.rollback().success();
    }
    let named = world.held("set1").expect("one");
    world.run("bg-deploy", &["--rollback", "--to", &named, "--before-rollback", "false"]).exit(4);
    world.run("bg-launch", &["--live", "--before-rollback", "false"]).success().said_nothing();
}

#[test]
fn a_hook_that_takes_too_long_is_ended_and_what_it_has_started() {
    let world = both_deployed();
    let hook = world.script("hook", &format!("sleep 600 & echo $! >{}; wait", world.word("sleeper")));
    let deploy = deploy_file(&world, &["--before-launch", &hook, "--launch-hook-timeout", "300ms"]).exit(4);
    deploy.said("it had not ended within 0.3s and was ended");
    process::gone(world.read("sleeper").trim().parse().expect("a pid"));
}

#[test]
fn a_deploy_that_is_interrupted_or_whose_launch_is_killed_ends_its_migration_and_nothing_holds_the_lock() {
    let world = both_deployed();
    let pid = world.path("pid");
    let hook = world.script("hook", &format!("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 600", pid.display()));
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let _ = fs::remove_file(&pid);
        let launch = world.start("bg-launch", &["--slot", "idle", "--before-launch", &hook, "--", "fake-app"]);
        until(SOON, "it migrates", || pid.exists());
        let migration: u32 = world.read(&pid).trim().parse().expect("a pid");
        launch.signal(signal);
        let ended = launch.end();
        assert_ne!(ended.code(), Some(0));
        until(SOON, "the migration has ended", || !process::alive(migration));
        assert!(world.listens("set1") && world.listens("set2"), "{signal}: something was stopped: {ended}");
    }
    let _ = fs::remove_file(&pid);
    let deploy = world.start("bg-deploy", &["--before-launch", &hook, "--", "fake-app"]);
    until(SOON, "it migrates", || pid.exists());
    deploy.signal(Signal::SIGTERM);
    deploy.end().exit(143).said("SIGTERM ended the deploy at");
    world.deploy(&[]).success();
}

#[test]
fn what_a_migration_leaves_behind_in_a_session_of_its_own_does_not_hold_the_lock() {
    let world = both_deployed();
    let file = world.word("sleeper");
    let lines = format!(
        "setsid sh -c 'echo $$ >{file}; exec sleep 600' >/dev/null 2>&1 &\nuntil [ -s {file} ]; do sleep 0.01; done"
    );
    let hook = world.script("hook", &lines);
    world.run("bg-deploy", &["--before-launch", &hook, "--", "fake-app"]).success();
    let sleeper: u32 = world.read("sleeper").trim().parse().expect("a pid");
    assert!(process::alive(sleeper), "what has left its group is let be");
    world.deploy(&[]).success();
    process::signal(sleeper, Signal::SIGKILL);
}

#[test]
fn a_hook_that_is_missing_is_refused_before_anything_is_touched() {
    let world = both_deployed();
    let before = [world.pid("set1"), world.pid("set2")];
    let deploy = world.run("bg-deploy", &["--before-launch", "/no/migrate", "--", "fake-app"]).exit(1);
    deploy.said("before-launch: /no/migrate is not there").said("nothing was touched");
    assert_eq!([world.pid("set1"), world.pid("set2")], before);
    world
        .run("bg-launch", &["--check", "--after-retire", "nowhere"])
        .exit(1)
        .printed("fail    after-retire: nowhere is not on");
    world.run("bg-launch", &["--check", "--before-launch", "{artifact}/migrate"]).success();
}

#[test]
fn what_follows_an_old_release_runs_once_it_has_ended_for_the_next_one_and_by_stop_old() {
    let world = both_deployed();
    let (old, release) = (world.pid("set1"), world.held("set1").expect("one"));
    let file = world.word("retired");
    let hook = world
        .script("retire", &format!("[ -e /proc/{old}/exe ] && echo still there; echo \"$@ $BG_RELEASE\" >>{file}"));
    let hook = format!("{hook} {{release}} {{slot}}");
    let deploy = world.run("bg-deploy", &["--after-retire", &hook, "--", "fake-app"]).success();
    deploy.said("hook    after-retire").never_said("still there");
    assert_eq!(world.read("retired"), format!("{release} set1 {release}\n"));
    let live = world.held("set1").expect("one");
    let deploy = world.run("bg-deploy", &["--after-retire", &hook, "--stop-old", "now", "--rollback"]).success();
    deploy.never_said("hook    after-retire");
    until(SOON, "it has followed", || world.read("retired").lines().count() == 2);
    assert!(world.read("retired").ends_with(&format!("{live} set1 {live}\n")));
    // That it fails is told, and changes nothing.
    world.deploy(&[]).success();
    let deploy = world.run("bg-deploy", &["--after-retire", "sh -c 'exit 9'", "--", "fake-app"]).success();
    deploy.said("has ended, but what was to follow has failed: after-retire: ").said("exit 9");
    // A release that never became healthy has not served, and so is not retired.
    let failed =
        world.run("bg-deploy", &["--after-retire", &hook, "--health-timeout", "1s", "--", "fake-app", "--down"]);
    failed.exit(4);
    assert_eq!(world.read("retired").lines().count(), 3, "the one that it has replaced, and not it itself");
}
