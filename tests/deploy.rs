//! `bg-deploy`: the whole cycle by one command, and every way in which it ends otherwise.

/// A command that puts itself into the background.
mod background;
/// How it ends when a stage fails, and what is left then.
mod failing;
/// The flags of the stages, in the help of each program and on its page.
mod flags;
/// Settings that were not given, while files of them are there.
mod forgotten;
/// What the idle slot holds after a deploy that failed.
mod held;
/// Signals in each stage, and a CI runner that kills what the job has left.
mod interrupted;
/// A release that listens on the port of the slot that serves.
mod other_port;
/// `--ramp`: a share of the visitors after the other, each watched.
mod ramp;
/// `--stop-old`: the old release is stopped by a process that nobody waits for.
mod retired;
/// Back to the release before.
mod rollback;
/// Where the settings come from, and what a dry run prints of them.
mod settings;
/// The watch after the switch.
mod watched;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bg_tests::{Ran, Run, Traffic, World, programs, sample_jar, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// What a second is on a machine where others wait for the processor too: as much longer as they are more.
fn limit(idle: Duration) -> Duration {
    let load = fs::read_to_string("/proc/loadavg").expect("proc(5)");
    let waiting: f64 = load.split(' ').next().and_then(|word| word.parse().ok()).expect("a load");
    let processors =
        thread::available_parallelism().map_or(1.0, |count| f64::from(u32::try_from(count.get()).unwrap_or(1)));
    idle.mul_f64((waiting / processors).max(1.0))
}

#[test]
fn deploys_take_turns_and_the_new_release_answers() {
    let world = World::new();
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2"), ("1.2", "set1"), ("1.3", "set2")] {
        world.deploy(&["--version-text", version]).success();
        assert_eq!(world.live().as_deref(), Some(slot));
        assert_eq!(world.get("/version").body, version);
    }
    assert_eq!(world.get_slot("set1", "/version").expect("the release before is up").body, "1.2");
}

#[test]
fn deploy_of_a_jar_reports_in_five_lines() {
    let world = World::new();
    world.cmd("bg-deploy").arg(sample_jar("1.0")).ran().success();
    let deploy = world.cmd("bg-deploy").arg(sample_jar("1.1")).ran().success();
    let text = deploy.stderr();
    // Who runs the tests as root is warned of that as well, and on a slow machine what is waited for is told.
    let besides = ["bg-launch: warning: the application runs as root", "launch  waiting for ", "launch  pid "];
    let told = text.lines().filter(|line| !besides.iter().any(|begin| line.starts_with(begin)));
    let words: Vec<&str> = told.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(words, ["probe", "launch", "health", "switch", "live"], "{text}");
    assert!(
        text.ends_with("live    app-1.1.jar in set2; back to app-1.0.jar in set1 with: bg-deploy --rollback\n"),
        "{text}"
    );
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn stdout_is_the_record_that_the_history_keeps() {
    let world = World::new().serving();
    let deploy = world.deploy(&[]).success();
    let record = deploy.record();
    assert_eq!(world.history()[1], record);
    assert_eq!(record["switch"]["to"], "set2");
    assert_eq!(record["deploy"]["exit"], 0);
    assert_eq!(record["deploy"]["failed"], Value::Null);
}

#[test]
fn deploy_says_nothing_with_quiet_when_it_succeeds() {
    let world = World::new().serving();
    let run = world.cmd("bg-deploy").args(["-q", "--watch", "300ms", "--"]).args(world.fake_app(&[])).ran().success();
    run.said_nothing();
    world.run("bg-deploy", &["-q", "--rollback"]).success().said_nothing();
}

#[test]
fn a_deploy_takes_little_longer_than_the_boot() {
    let world = World::new().serving();
    let took = (0..5).map(|_| {
        let began = Instant::now();
        world.deploy(&[]).success();
        began.elapsed()
    });
    let best = took.min().expect("five");
    assert!(best < limit(Duration::from_secs(1)), "{best:?}");
}

#[test]
fn no_visitor_fails_during_a_deploy_and_a_rollback() {
    let world = World::new().serving();
    let traffic = Traffic::start(&world.nginx.front_url("/version"));
    until(SOON, "visitors come", || traffic.sent() > 20);
    world.deploy(&["--version-text", "1.1"]).success();
    world.deploy(&["--version-text", "1.2"]).success();
    world.rollback().success();
    let seen = traffic.sent();
    until(SOON, "more visitors come", || traffic.sent() > seen + 20);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["1.0", "1.1", "1.2"], "{counts}");
}

#[test]
fn a_request_that_outlives_the_switch_and_the_next_deploy_is_answered() {
    let world = World::new().serving();
    let visitor = world.visit(&world.nginx.front_url("/slow?ms=3000"), "set1");
    world.deploy(&["--version-text", "1.1"]).success();
    // This one stops 1.0, which has the request.
    world.deploy(&["--version-text", "1.2"]).success();
    assert_eq!(visitor.join().expect("no panic").as_deref(), Some("slow"));
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn whoever_finds_the_lock_taken_is_told_the_same_command_with_a_wait() {
    let world = World::new().serving();
    let first = world.start("bg-deploy", &["--", "fake-app", "--boot-ms", "60000"]);
    until(SOON, "the first has launched", || first.stderr().contains("launch"));
    let waits = |ran: Ran| ran.exit(6).advice("Wait for it: ");
    for words in [
        "bg-switch --share 0",
        "bg-switch --linger 0",
        "bg-switch --preview on",
        "bg-switch --preview off",
        "bg-switch --convert link",
        "bg-switch --to set1",
        "bg-launch --companion --stop",
        "bg-launch --slot set2 --stop",
        "bg-launch --slot set2 --current",
    ] {
        let (program, flags) = words.split_once(' ').expect("flags");
        let flags: Vec<&str> = flags.split(' ').collect();
        assert_eq!(waits(world.run(program, &flags)), words.replacen(' ', " --wait 60s ", 1));
    }
    let by_variable = world.command(&programs::ours("bg-switch")).env("BG_SWITCH_TO", "set1").ran();
    assert_eq!(waits(by_variable), "bg-switch --wait 60s");
    // What has read a record is told where to have one.
    let record = world.run("bg-probe", &["--slot", "set1"]).success().stdout();
    let healthy = world.pipe(record, "bg-health", &[]).success().stdout();
    let has_read = |program: &str, words: &[&str]| waits(world.pipe(healthy.as_str(), program, words));
    assert_eq!(has_read("bg-switch", &[]), "bg-health --slot idle | bg-switch --wait 60s");
    assert_eq!(has_read("bg-switch", &["--share", "10"]), "bg-health --slot idle | bg-switch --wait 60s --share 10");
    assert_eq!(
        has_read("bg-launch", &["--current"]),
        "bg-probe | bg-launch --wait 60s --current | bg-health | bg-switch"
    );
    assert_eq!(has_read("bg-launch", &["--stop"]), "bg-probe | bg-launch --wait 60s --stop");
    assert_eq!(has_read("bg-launch", &["--companion"]), "bg-probe --slot live | bg-launch --wait 60s --companion");
    first.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = first.end();
}

#[test]
fn deploy_exits_6_and_names_the_deploy_that_runs() {
    let world = World::new().serving().env("SUDO_USER", "alice").env("CI_JOB_URL", "https://ci.example/7");
    let first = world.start("bg-deploy", &["--", "fake-app", "--boot-ms", "1500"]);
    until(SOON, "the first has launched", || first.stderr().contains("launch"));
    // What stands behind the dashes may be a secret.
    let holder = format!("lock: bg-deploy -- ... (pid {}) of ", first.id());
    let refused =
        world.deploy(&[]).exit(6).printed_nothing().said(holder).said(" (alice) https://ci.example/7 since 2");
    refused.said("; nothing was touched. Wait for it: sudo -E bg-deploy --wait 60s -- ...\n");
    let impatient = world.run("bg-deploy", &["--wait", "10ms", "--rollback"]).exit(6);
    impatient.said("Wait for it: sudo -E bg-deploy --wait 60s --rollback\n");
    world.run("bg-switch", &["--to", "set2"]).exit(6).said("Wait for it: sudo -E bg-switch --wait 60s --to set2");
    let waiting = ["--wait", "60s", "--", "fake-app", "--version-text", "1.2"];
    world.run("bg-deploy", &waiting).success();
    first.end().success();
    assert_eq!(world.get("/version").body, "1.2");
    assert_eq!(world.live().as_deref(), Some("set1"), "the one that waited saw where the first had gone");
}

#[test]
fn deploy_exits_2_when_there_is_nothing_to_deploy() {
    let world = World::new();
    world.run("bg-deploy", &[]).exit(2).said("nothing to deploy");
    world.run("bg-deploy", &["--rollback", "app.jar"]).exit(2);
    assert!(!world.dir().exists());
}

#[test]
fn a_word_that_is_a_flag_elsewhere_is_answered_with_the_flag_that_was_meant() {
    let world = World::new();
    for (word, meant) in [
        ("status", "bg-probe --format table"),
        ("history", "bg-probe --history"),
        ("rollback", "bg-deploy --rollback"),
        ("check", "bg-deploy --check"),
        ("finish", "bg-deploy --finish"),
        ("abandon", "bg-deploy --abandon"),
        ("help", "bg-deploy --help"),
    ] {
        // In a folder that has none of that name.
        let refused = world.cmd("bg-deploy").current_dir(world.folder()).arg(word).ran().exit(2).printed_nothing();
        refused.said(format!("no file {word} is here")).said(meant);
    }
    assert!(!world.dir().exists());
    world.write("status", "");
    world.cmd("bg-deploy").current_dir(world.folder()).args(["--dry-run", "status"]).ran().success();
    world.run("bg-deploy", &["--dry-run", "app"]).success();
}

#[test]
fn deploy_exits_1_before_anything_begins_when_a_stage_is_missing() {
    let world = World::new();
    let alone = world.make_dir("alone");
    for program in ["bg-deploy", "bg-probe", "bg-launch", "bg-health"] {
        world.copy(programs::ours(program), alone.join(program));
    }
    let mut deploy = world.command(&alone.join("bg-deploy"));
    let refused = deploy.env("PATH", "/usr/bin").args(["--", "sleep", "9"]).ran().exit(1);
    refused.said("bg-switch is neither beside bg-deploy nor on PATH");
    assert!(!world.dir().exists());
}

#[test]
fn deploy_removes_a_torn_last_line_from_the_history() {
    let world = World::new().serving();
    let file = world.history_file();
    let whole = world.read(&file);
    world.write(&file, format!("{whole}{{\"bg\":1,\"app"));
    world.deploy(&[]).success();
    assert_eq!(world.history().len(), 2);
    assert!(world.read(&file).starts_with(&whole));
}

#[test]
fn deploy_exits_0_when_only_its_record_can_not_be_printed() {
    let world = World::new().serving();
    let full = fs::OpenOptions::new().write(true).open(Path::new("/dev/full")).expect("/dev/full");
    let mut deploy = world.command(&programs::ours("bg-deploy"));
    let done = deploy.args(["--", "fake-app"]).stdout(full).ran().exit(0);
    done.said("the deploy is done, but its record could not be printed");
    assert_eq!(world.history().len(), 2);
}
