//! Hooks of `bg-deploy`: commands of the operator's own, what they are given, and what they can't do.

use std::fs;
use std::time::Duration;

use bg_tests::{Run, World, process, until};
use nix::sys::signal::Signal;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// A world in which 1.0 serves, and in which every hook but the first keeps what it is given.
fn serving() -> World {
    let world = World::new().serving();
    ["ON_SUCCESS", "ON_FAILURE", "ON_ROLLBACK"].into_iter().fold(world, |world, name| {
        let keep = keep(&world, name);
        world.env(&format!("BG_DEPLOY_{name}"), &keep)
    })
}

/// A hook that keeps what is on its stdin.
fn keep(world: &World, name: &str) -> String {
    format!("sh -c 'cat >\"{}\"'", world.path(name).display())
}

/// What a hook of that name was given, if it ran; it is forgotten then.
fn given(world: &World, name: &str) -> Option<Value> {
    let file = world.path(name);
    let text = fs::read_to_string(&file).ok()?;
    world.remove(&file);
    Some(serde_json::from_str(&text).unwrap_or_else(|why| panic!("{name} was given {text:?}: {why}")))
}

/// What each of the three that come after has been given.
fn after(world: &World) -> [Option<Value>; 3] {
    ["ON_SUCCESS", "ON_FAILURE", "ON_ROLLBACK"].map(|name| given(world, name))
}

fn pid_in(world: &World, file: &str) -> Option<u32> {
    fs::read_to_string(world.path(file)).ok()?.trim().parse().ok()
}

/// Its group was killed, and of that the kernel is done a moment later.
fn is_gone(world: &World, file: &str) {
    let pid = pid_in(world, file).expect("a pid");
    until(SOON, "what the hook had started is gone", || !process::alive(pid));
}

#[test]
fn on_success_is_given_the_last_record() {
    let world = serving();
    let record = world.deploy(&[]).success().said("hook    on-success").record();
    assert_eq!(after(&world), [Some(record), None, None]);
}

#[test]
fn on_failure_and_on_rollback_are_each_called_for_their_own_end() {
    let world = serving().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy(&["--down"]).exit(4);
    let [None, Some(failed), None] = after(&world) else { panic!("on-failure alone") };
    assert_eq!((&failed["deploy"]["failed"], &failed["deploy"]["exit"]), (&"health".into(), &4.into()));
    world.deploy(&[]).success();
    after(&world);
    world.rollback().success();
    let [None, None, Some(back)] = after(&world) else { panic!("on-rollback alone") };
    assert_eq!(back["switch"]["to"], "set1");
    world.run("bg-deploy", &["--rollback", "--to", "1999"]).exit(2);
    assert!(matches!(after(&world), [None, Some(_), None]), "a rollback that failed is a failure");
}

#[test]
fn on_failure_and_on_rollback_are_both_called_when_the_watch_goes_back() {
    let world = serving();
    let deploy = world.start("bg-deploy", &["--watch", "60s", "--", "fake-app"]);
    until(SOON, "it is watched", || deploy.stderr().contains("watch"));
    process::signal(world.pid("set2"), Signal::SIGKILL);
    deploy.end().exit(9);
    let [None, Some(failed), Some(back)] = after(&world) else { panic!("both of them") };
    assert_eq!((&failed["deploy"]["exit"], &failed), (&9.into(), &back));
}

#[test]
fn before_switch_runs_while_the_release_is_healthy_and_nginx_serves_the_old_one() {
    let world = serving();
    let line = format!(
        "sh -c 'cat >\"{0}/record\"; bg-health --slot set2 --once -q >/dev/null; bg-probe --slot live --format name >\"{0}/live\"; echo heard >&2; echo tried'",
        world.folder().display()
    );
    let deploy = world.run("bg-deploy", &["--before-switch", &line, "--", "fake-app"]).success();
    let deploy = deploy.said("heard\ntried\n").said("hook    before-switch");
    let record = given(&world, "record").expect("a record");
    assert!(record["health"]["url"].is_string() && record["switch"].is_null(), "{record}");
    assert_eq!(fs::read_to_string(world.path("live")).expect("a word"), "set1\n");
    let last: Value = deploy.record();
    assert_eq!(last["switch"]["to"], "set2");
}

#[test]
fn deploy_exits_4_when_before_switch_fails() {
    let world = serving();
    let before = world.nginx.read_upstream();
    let deploy = world.run("bg-deploy", &["--before-switch", "sh -c 'exit 3'", "--", "fake-app"]);
    let deploy = deploy.exit(4).printed_nothing().said(
        "bg-deploy: before-switch: sh: exit 3
",
    );
    deploy.said("the deploy failed at before-switch, exit 4").said("was stopped; its log is kept");
    assert_eq!((world.nginx.read_upstream(), world.listens("set2")), (before, false));
    let [None, Some(failed), None] = after(&world) else { panic!("on-failure alone") };
    assert_eq!(failed["deploy"]["failed"], "before-switch");
}

#[test]
fn before_switch_does_not_run_for_a_release_that_did_not_become_healthy() {
    let world = serving();
    let tried = world.path("tried");
    let line = format!("touch {}", tried.display());
    let deploy = world.run("bg-deploy", &["--before-switch", &line, "--", "fake-app", "--crash-at-boot"]).exit(8);
    deploy.said("the deploy failed at health, exit 8");
    assert!(!tried.exists(), "the hook ran for a release that is not there");
}

#[test]
fn deploy_exits_5_when_the_release_dies_in_before_switch() {
    let world = serving();
    let line = r#"sh -c 'kill -9 "$(sed "s/.*\"pid\":\([0-9]*\).*/\1/")"'"#;
    let deploy = world.run("bg-deploy", &["--before-switch", line, "--", "fake-app"]).exit(5);
    let deploy = deploy.said("nothing listens on port").said("was stopped; its log is kept");
    deploy.said("set2 holds no release, as before");
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn rollback_does_not_run_before_switch() {
    let world = serving();
    world.deploy(&["--version-text", "1.1"]).success();
    world.run("bg-deploy", &["--rollback", "--before-switch", "false"]).success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn deploy_exits_0_and_names_a_hook_that_failed_even_when_quiet() {
    let world = serving();
    let unreadable = world.executable("unreadable", "#!/nowhere/sh\n");
    for (hook, why) in [
        ("sh -c 'exit 7'", "on-success: sh: exit 7; that changes nothing of the deploy"),
        // It is there, and what is to read it is not.
        (&unreadable, "on-success: start"),
        ("sh -c 'kill -9 $$'", "on-success: sh: killed by signal 9"),
    ] {
        let deploy = world.run("bg-deploy", &["-q", "--on-success", hook, "--", "fake-app"]).success();
        let record: Value = deploy.record();
        assert_eq!(record["deploy"]["exit"], 0);
        deploy.said(why);
    }
}

#[test]
fn a_hook_is_not_read_by_a_shell() {
    let world = serving();
    let hook = world.script("hook", "printf '<%s>' \"$@\"");
    let words = format!("{hook} 'a  b' $HOME `id` ; * >{}/made", world.folder().display());
    let deploy = world.run("bg-deploy", &["--on-success", &words, "--", "fake-app"]).success();
    deploy.said(format!("<a  b><$HOME><`id`><;><*><>{}/made>", world.folder().display()));
    let deploy = |hook: &str| world.run("bg-deploy", &["--on-success", hook, "--", "fake-app"]);
    deploy("sh 'a").exit(2);
    deploy("").success().never_said("hook");
}

#[test]
fn a_hook_that_takes_too_long_is_killed_with_its_children() {
    let world = serving();
    let line = format!("sh -c 'sleep 600 & echo $! >\"{}/child\"; wait'", world.folder().display());
    let words = ["--hook-timeout", "1s", "--on-success", &line, "--", "fake-app"];
    let deploy = world.run("bg-deploy", &words).success();
    deploy.said("on-success: sh: it had not ended within 1.0s and was killed");
    is_gone(&world, "child");
    world.cmd("bg-deploy").args(["--before-switch", "sleep 600"]).args(words).ran().exit(4);
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn what_a_hook_leaves_running_does_not_hold_the_job() {
    let world = serving();
    let line = format!("sh -c 'sleep 600 & echo $! >\"{}/child\"'", world.folder().display());
    // It ends when nobody holds stderr any more.
    let deploy = world.cmd("bg-deploy").args(["--on-success", &line, "--", "fake-app"]).timeout(SOON).ran();
    deploy.success();
    is_gone(&world, "child");
}

#[test]
fn a_hook_is_not_given_the_lock() {
    let world = serving();
    let line = format!(
        "sh -c 'echo ${{BG_LOCK_FD-none}} $(ls -l /proc/$$/fd | grep -c /lock) >\"{}/lock\"'",
        world.folder().display()
    );
    world.run("bg-deploy", &["--before-switch", &line, "--", "fake-app"]).success();
    assert_eq!(fs::read_to_string(world.path("lock")).expect("its words"), "none 0\n");
    // And when it is told that all is over, it is.
    let again = "bg-deploy -q --rollback --on-rollback ''";
    world.run("bg-deploy", &["--on-success", again, "--", "fake-app"]).success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_signal_ends_the_hook_and_the_deploy_before_nginx_has_moved() {
    let world = serving();
    let line = format!("sh -c 'echo $$ >\"{}/pid\"; exec sleep 600'", world.folder().display());
    let words = ["--hook-timeout", "10m", "--before-switch", &line, "--", "fake-app"];
    let deploy = world.start("bg-deploy", &words);
    until(SOON, "the hook runs", || pid_in(&world, "pid").is_some());
    deploy.signal(Signal::SIGTERM);
    deploy.end().exit(128 + 15);
    is_gone(&world, "pid");
    assert!(!world.listens("set2"));
    assert_eq!(world.get("/version").body, "1.0");
    let [None, Some(failed), None] = after(&world) else { panic!("that it failed is told all the same") };
    assert_eq!((&failed["deploy"]["failed"], &failed["deploy"]["exit"]), (&"before-switch".into(), &143.into()));
}

#[test]
fn deploy_exits_1_before_anything_begins_when_the_before_switch_program_is_missing() {
    let world = serving();
    let deploy = world.run("bg-deploy", &["--before-switch", "no-such-smoke-test", "--", "fake-app"]);
    deploy.exit(1).said("--before-switch: no-such-smoke-test is not on this machine's PATH. Nothing was touched");
    assert!(!world.dir().join("slots/set2").exists());
}
