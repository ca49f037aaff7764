//! A companion, as the worker of a queue: it runs once, from the live release, and follows nginx.

use std::time::Duration;

use bg_tests::{Run, World, process, until};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

/// A world whose releases have a companion that writes its release into `work`.
fn with_companion() -> World {
    let world = World::new();
    let command = format!("fake-app --work {}", world.word("work"));
    world.env("BG_LAUNCH_COMPANION", &command)
}

/// The lines so far.
fn lines(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("work")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The companion runs, is the one of what this slot holds, and no other works.
#[track_caller]
fn works_alone(world: &World, slot: &str) -> u32 {
    let (release, pid) = (world.held(slot).expect("a release"), world.pid("companion"));
    until(SOON, "it works", || lines(world).last() == Some(&release));
    let so_far = lines(world).len();
    until(SOON, "it works on", || lines(world).len() > so_far + 20);
    let since = &lines(world)[so_far..];
    assert!(since.iter().all(|line| *line == release), "not {release} alone: {since:?}");
    assert!(process::alive(pid) && world.process("companion")["release"] == release.as_str());
    pid
}

#[test]
fn a_companion_follows_nginx_over_deploys_a_rollback_a_crash_and_a_reboot_and_never_are_there_two() {
    let world = with_companion();
    let deploy = world.deploy(&[]).success().said("launch  the companion of release ");
    assert_eq!(deploy.record()["companion"]["pid"], world.pid("companion"));
    assert!(world.history().pop().expect("a deploy")["deploy"]["stages"]["companion"].is_u64());
    let first = works_alone(&world, "set1");
    world
        .deploy(&[])
        .success()
        .said(format!("stopped the companion of release {}, pid {first}", world.held("set1").expect("one")));
    let second = works_alone(&world, "set2");
    assert!(!process::alive(first));
    world.rollback().success();
    works_alone(&world, "set1");
    assert!(!process::alive(second));

    process::signal(world.pid("companion"), Signal::SIGKILL);
    process::gone(world.pid("companion"));
    world.run("bg-launch", &["--live"]).success().said("the companion of release");
    let third = works_alone(&world, "set1");
    world.run("bg-launch", &["--live"]).success().said_nothing();
    assert_eq!(world.pid("companion"), third);

    for place in ["set1", "set2", "companion"] {
        process::signal(world.pid(place), Signal::SIGKILL);
        process::gone(world.pid(place));
    }
    // Cron's environment knows nothing of it: the release does.
    world.cmd("bg-launch").env_remove("BG_LAUNCH_COMPANION").arg("--live").ran().success();
    works_alone(&world, "set1");
}

#[test]
fn a_companion_gets_what_its_release_has_but_no_port() {
    let world = World::new();
    let command = format!(
        "sh -c 'env >{0}.new; echo \"$@\" >>{0}.new; mv {0}.new {0}; exec sleep 600' x {{slot}} {{port}} {{release}}",
        world.word("env")
    );
    let world = world.env("BG_LAUNCH_COMPANION", &command).env("DB", "of the launch");
    world.deploy(&[]).success();
    until(SOON, "it runs", || world.path("env").exists());
    let (text, release) = (world.read("env"), world.held("set1").expect("one"));
    for line in [
        "BG_SLOT=companion",
        "DB=of the launch",
        &format!("BG_RELEASE={release}"),
        &format!("set1 {} {release}", world.port("set1")),
    ] {
        assert!(text.lines().any(|one| one == line), "{line}? {text}");
    }
    assert!(text.contains("/live/is-set1\n") && !text.contains("\nPORT=") && !text.contains("SERVER_PORT"), "{text}");
}

#[test]
fn a_companion_is_moved_by_a_stage_behind_bg_switch_and_not_to_a_slot_that_is_not_live() {
    let world = with_companion();
    let line = "bg-probe | bg-launch -- fake-app | bg-health | bg-switch | bg-launch --companion";
    let record = world.run_line(line).success().record();
    assert_eq!(record["companion"]["pid"], works_alone(&world, "set1"));
    world.run_line("bg-probe | bg-launch -- fake-app | bg-launch --companion").exit(7).said("was left as it is");
    works_alone(&world, "set1");
    world.run("bg-launch", &["--slot", "set2", "--companion"]).exit(7);
    until(SOON, "it listens", || world.listens("set2"));
    world.switch("set2").success();
    world.run("bg-launch", &["--slot", "live", "--companion"]).success();
    works_alone(&world, "set2");
    world.run("bg-launch", &["--slot", "live", "--companion"]).success().said("runs already as pid");
    world.run("bg-launch", &["--companion", "--stop"]).success().said("stopped the companion");
    world.run("bg-launch", &["--companion", "--stop"]).success().said("no companion runs");
}

#[test]
fn a_release_without_a_companion_ends_that_of_the_one_before_and_a_rollback_brings_it_back() {
    let world = with_companion();
    world.deploy(&[]).success();
    let first = works_alone(&world, "set1");
    world.cmd("bg-deploy").env_remove("BG_LAUNCH_COMPANION").args(["--", "fake-app"]).ran().success();
    assert!(!process::alive(first) && !world.is_launched("companion"));
    world.cmd("bg-deploy").env_remove("BG_LAUNCH_COMPANION").arg("--rollback").ran().success();
    works_alone(&world, "set1");
}

#[test]
fn the_table_and_the_log_show_a_companion() {
    let world = with_companion();
    world
        .cmd("bg-deploy")
        .env("BG_LAUNCH_COMPANION", "sh -c 'echo I work; exec sleep 600'")
        .args(["--", "fake-app"])
        .ran()
        .success();
    let (pid, release) = (world.pid("companion").to_string(), world.held("set1").expect("one"));
    let table = world.run("bg-probe", &["--format", "table"]).success().stdout();
    let row: Vec<&str> = table.lines().last().expect("a row").split_ascii_whitespace().collect();
    assert_eq!((row[0], row[1], row[4], row[7]), ("companion", "-", pid.as_str(), release.as_str()), "{table}");
    until(SOON, "it is heard", || world.read(world.dir().join("slots/companion/logs/app.log")) == "I work\n");
}

#[test]
fn a_companion_that_cant_be_started_is_known_before_anything_is_touched_and_told_where_it_ends_later() {
    let world = with_companion();
    world.deploy(&[]).success();
    let first = works_alone(&world, "set1");
    let deploy = world.cmd("bg-deploy").env("BG_LAUNCH_COMPANION", "/no/worker").args(["--", "fake-app"]).ran().exit(1);
    deploy.said("BG_LAUNCH_COMPANION: /no/worker is not there").said("nothing was touched");
    assert!(!world.listens("set2"));
    let worker = world.script("worker", "exec sleep 600");
    world.cmd("bg-deploy").env("BG_LAUNCH_COMPANION", &worker).args(["--", "fake-app"]).ran().success();
    world.rollback().success();
    works_alone(&world, "set1");
    assert!(!process::alive(first));
    world.remove(&worker);
    let back = world.rollback().exit(1).said("set2 serves, but its companion does not run").said("bg-launch --live");
    drop(back);
    assert_eq!(
        (world.live().as_deref(), world.history().pop().expect("one")["deploy"]["failed"].as_str()),
        (Some("set2"), Some("companion"))
    );
}

#[test]
fn a_companion_goes_back_with_a_watch() {
    let world = with_companion();
    world.deploy(&[]).success();
    let deploy = world.start("bg-deploy", &["--watch", "60s", "--", "fake-app"]);
    until(SOON, "it is watched", || {
        world.history().last().is_some_and(|line| line["companion"]["pid"].is_u64())
            && world.live().as_deref() == Some("set2")
    });
    works_alone(&world, "set2");
    process::signal(world.pid("set2"), Signal::SIGKILL);
    deploy.end().exit(9);
    works_alone(&world, "set1");
}

#[test]
fn a_deploy_that_fails_leaves_the_companion_as_it_is() {
    let world = with_companion().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy(&[]).success();
    let pid = works_alone(&world, "set1");
    world.deploy(&["--down"]).exit(4);
    world.deploy(&["--crash-at-boot"]).exit(8);
    assert_eq!(works_alone(&world, "set1"), pid);
}

#[test]
fn slots_may_not_be_called_as_the_companions_place_is() {
    let world = World::new();
    world.run("bg-probe", &["--slots", "companion=8081,b=8082"]).exit(2).said("a companion has that place");
}

#[test]
fn a_companion_that_has_died_is_found_by_check_and_told_where_nothing_has_changed() {
    let world = with_companion();
    let app = world.write("app", "one").display().to_string();
    let deploy = || world.cmd("bg-deploy").args(["--if-changed", &app, "--", "fake-app"]).ran().success();
    deploy();
    works_alone(&world, "set1");
    let release = world.held("set1").expect("one");
    let fault = format!("the companion of release {release}, which is live in set1, does not run");
    let fine = |world: &World| {
        world.run("bg-deploy", &["--check"]).success().never_printed("companion of");
        deploy().said("nothing was changed").never_said("warning");
    };
    fine(&world);
    process::signal(world.pid("companion"), Signal::SIGKILL);
    process::gone(world.pid("companion"));
    for program in ["bg-launch", "bg-deploy"] {
        let line = format!("fail    {fault}: start it again: bg-launch --live\n");
        world.run(program, &["--check"]).exit(1).printed(&line);
    }
    deploy().said("nothing was changed").said(format!("warning: {fault}; start it again: bg-launch --live\n"));
    world.run("bg-launch", &["--live"]).success();
    fine(&world);
    works_alone(&world, "set1");
}

#[test]
fn a_companion_that_a_bare_switch_has_left_behind_is_found_by_check() {
    let world = with_companion();
    world.deploy(&[]).success();
    world.run_line("bg-probe | bg-launch -- fake-app | bg-health | bg-switch").success();
    let [old, new] = ["set1", "set2"].map(|slot| world.held(slot).expect("a release"));
    let fault = format!("the companion of release {old} runs, and not that of release {new}, which is live in set2");
    let check = world.run("bg-launch", &["--check"]).exit(1);
    check.printed(format!("fail    {fault}: have it follow nginx: bg-launch --live\n"));
    world.run("bg-launch", &["--live"]).success();
    world.run("bg-launch", &["--check"]).success();
    works_alone(&world, "set2");
}
