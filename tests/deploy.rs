//! `bg-deploy`: the whole cycle by one command, and every way in which it ends otherwise.

/// How it ends when a stage fails, and what is left then.
mod failing;
/// The flags of the stages, in the help of each program and in README.
mod flags;
/// What the idle slot holds after a deploy that failed.
mod held;
/// Signals in each stage, and a CI runner that kills what the job has left.
mod interrupted;
/// A release that listens on the port of the slot that serves.
mod other_port;
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
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bg_tests::{Traffic, World, http, sample_jar, until};
use predicates::str::contains;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// A world in which bg-deploy has put 1.0 into set1.
fn serving() -> World {
    let world = World::new();
    world.deploy_fake(&["--version-text", "1.0"]).success();
    world
}

/// Starts a program of ours with these words, for a test that signals it; its messages go to `FOLDER/said`.
fn spawn(world: &World, words: &[&str]) -> Child {
    let said = fs::File::create(world.folder().join("said")).expect("a folder of ours");
    let (program, words) = words.split_first().expect("a program");
    let mut command = world.command(&bg_tests::programs::ours(program));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    command.spawn().expect("a program that was found before")
}

fn said(world: &World) -> String {
    fs::read_to_string(world.folder().join("said")).unwrap_or_default()
}

/// The lines of the audit.
fn audit(world: &World) -> Vec<Value> {
    let text = fs::read_to_string(world.dir().join("deploys.jsonl")).expect("the audit");
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What a second is on a machine where others wait for the processor too: as much longer as they are more.
fn limit(idle: Duration) -> Duration {
    let load = fs::read_to_string("/proc/loadavg").expect("proc(5)");
    let waiting: f64 = load.split(' ').next().and_then(|word| word.parse().ok()).expect("a load");
    let processors =
        thread::available_parallelism().map_or(1.0, |count| f64::from(u32::try_from(count.get()).unwrap_or(1)));
    idle.mul_f64((waiting / processors).max(1.0))
}

/// What process.json says of a slot's process.
fn pid_in(world: &World, slot: &str) -> u32 {
    let text = fs::read_to_string(world.dir().join("slots").join(slot).join("process.json")).expect("process.json");
    let launched: Value = serde_json::from_str(&text).expect("JSON");
    u32::try_from(launched["pid"].as_u64().expect("a pid")).expect("a pid")
}

#[test]
fn deploys_take_turns_and_the_new_release_answers() {
    let world = World::new();
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2"), ("1.2", "set1"), ("1.3", "set2")] {
        world.deploy_fake(&["--version-text", version]).success();
        assert_eq!(world.live().as_deref(), Some(slot));
        assert_eq!(world.get("/version").body, version);
    }
    assert_eq!(world.get_slot("set1", "/version").expect("the release before is up").body, "1.2");
}

#[test]
fn a_deploy_of_a_jar_tells_its_story_in_five_lines() {
    let world = World::new();
    world.cmd("bg-deploy").arg(sample_jar("1.0")).assert().success();
    let deploy = world.cmd("bg-deploy").arg(sample_jar("1.1")).assert().success();
    let text = String::from_utf8_lossy(&deploy.get_output().stderr).into_owned();
    // Who runs the tests as root is warned of that as well.
    let told = text.lines().filter(|line| !line.starts_with("bg-launch: warning: the application runs as root"));
    let words: Vec<&str> = told.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(words, ["probe", "launch", "health", "switch", "live"], "{text}");
    assert!(
        text.ends_with("live    app-1.1.jar in set2; back to app-1.0.jar in set1 with: bg-deploy --rollback\n"),
        "{text}"
    );
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn stdout_is_the_record_that_the_audit_keeps() {
    let world = serving();
    let deploy = world.deploy_fake(&[]).success();
    let record: Value = serde_json::from_slice(&deploy.get_output().stdout).expect("one record");
    assert_eq!(audit(&world)[1], record);
    assert_eq!(record["switch"]["to"], "set2");
    assert_eq!(record["deploy"]["exit"], 0);
    assert_eq!(record["deploy"]["failed"], Value::Null);
}

#[test]
fn quiet_is_silent_on_success() {
    let world = serving();
    world
        .cmd("bg-deploy")
        .args(["-q", "--watch", "300ms", "--"])
        .args(world.fake_app(&[]))
        .assert()
        .success()
        .stderr("");
    world.cmd("bg-deploy").args(["-q", "--rollback"]).assert().success().stderr("");
}

#[test]
fn a_deploy_takes_little_longer_than_the_boot() {
    let world = serving();
    let took = (0..5).map(|_| {
        let began = Instant::now();
        world.deploy_fake(&[]).success();
        began.elapsed()
    });
    let best = took.min().expect("five");
    assert!(best < limit(Duration::from_secs(1)), "{best:?}");
}

#[test]
fn no_visitor_fails_during_a_deploy_and_a_rollback() {
    let world = serving();
    let traffic = Traffic::start(&world.nginx.front_url("/version"));
    until(SOON, "visitors come", || traffic.sent() > 20);
    world.deploy_fake(&["--version-text", "1.1"]).success();
    world.deploy_fake(&["--version-text", "1.2"]).success();
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    let seen = traffic.sent();
    until(SOON, "more visitors come", || traffic.sent() > seen + 20);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["1.0", "1.1", "1.2"], "{counts}");
}

#[test]
fn a_request_that_outlives_the_switch_and_the_next_deploy_is_answered() {
    let world = serving();
    let url = world.nginx.front_url("/slow?ms=3000");
    let visitor = thread::spawn(move || http::get(&url).map(|response| response.body));
    let arrived = || fs::read_to_string("/proc/net/tcp").is_ok_and(|table| established(&table, world.port("set1")));
    until(SOON, "the request is in flight", arrived);
    world.deploy_fake(&["--version-text", "1.1"]).success();
    // This one stops 1.0, which has the request.
    world.deploy_fake(&["--version-text", "1.2"]).success();
    assert_eq!(visitor.join().expect("no panic").expect("an answer"), "slow");
    assert_eq!(world.get("/version").body, "1.2");
}

fn established(table: &str, port: u16) -> bool {
    let local = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .any(|fields| fields[1].ends_with(&local) && fields[3] == "01")
}

#[test]
fn of_two_at_once_one_names_the_other() {
    let world = serving();
    let mut first = spawn(&world, &["bg-deploy", "--", "fake-app", "--boot-ms", "1500"]);
    until(SOON, "the first has launched", || said(&world).contains("launch"));
    let holder = format!("bg-deploy (pid {}) since ", first.id());
    world.deploy_fake(&[]).code(6).stdout("").stderr(contains(holder));
    let waiting = ["--wait", "60s", "--", "fake-app", "--version-text", "1.2"];
    world.cmd("bg-deploy").args(waiting).assert().success();
    assert!(first.wait().expect("a child of ours").success(), "{}", said(&world));
    assert_eq!(world.get("/version").body, "1.2");
    assert_eq!(world.live().as_deref(), Some("set1"), "the one that waited saw where the first had gone");
}

#[test]
fn with_nothing_to_deploy_it_says_so() {
    let world = World::new();
    world.cmd("bg-deploy").assert().code(2).stderr(contains("nothing to deploy"));
    world.cmd("bg-deploy").args(["--rollback", "app.jar"]).assert().code(2);
    assert!(!world.dir().exists());
}

#[test]
fn a_missing_stage_is_found_out_before_anything_begins() {
    let world = World::new();
    let alone = world.folder().join("alone");
    fs::create_dir(&alone).expect("a folder of ours");
    for program in ["bg-deploy", "bg-probe", "bg-launch", "bg-health"] {
        fs::copy(bg_tests::programs::ours(program), alone.join(program)).expect("a folder of ours");
    }
    let mut deploy = world.command(&alone.join("bg-deploy"));
    let deploy = deploy.env("PATH", "/usr/bin").args(["--", "sleep", "9"]).output().expect("a program of ours");
    let stderr = String::from_utf8_lossy(&deploy.stderr).into_owned();
    assert_eq!(deploy.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("bg-switch is neither beside bg-deploy nor on PATH"), "{stderr}");
    assert!(!world.dir().exists());
}

#[test]
fn a_line_of_the_audit_that_was_torn_does_not_stay() {
    let world = serving();
    let file = world.dir().join("deploys.jsonl");
    let whole = fs::read_to_string(&file).expect("the audit");
    fs::write(&file, format!("{whole}{{\"bg\":1,\"app")).expect("a folder of ours");
    world.deploy_fake(&[]).success();
    assert_eq!(audit(&world).len(), 2);
    assert!(fs::read_to_string(&file).expect("the audit").starts_with(&whole));
}

#[test]
fn a_record_that_can_not_be_printed_does_not_fail_a_deploy_that_is_done() {
    let world = serving();
    let full = fs::OpenOptions::new().write(true).open(Path::new("/dev/full")).expect("/dev/full");
    let mut deploy = world.command(&bg_tests::programs::ours("bg-deploy"));
    let deploy =
        deploy.args(["--", "fake-app"]).stdout(full).stderr(Stdio::piped()).output().expect("a program of ours");
    let stderr = String::from_utf8_lossy(&deploy.stderr).into_owned();
    assert_eq!(deploy.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("the deploy is done, but its record could not be printed"), "{stderr}");
    assert_eq!(audit(&world).len(), 2);
}
