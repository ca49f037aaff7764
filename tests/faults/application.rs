use super::{SOON, assert_as_before, serving};
use bg_tests::{World, process, until};
use nix::sys::signal::Signal;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

/// How a new release misbehaves: the words for bg-deploy, the exit code, and what the message must say.
type Fault = (&'static [&'static str], i32, &'static str);

/// Long enough for a healthy one to be found so, where the machine has other things to do.
const BRIEFLY: &str = "--health-timeout=1500ms";

const FAULTS: [Fault; 19] = [
    (&["--", "fake-app", "--crash-at-boot"], 8, "exited before it was healthy"),
    (&["--", "fake-app", "--crash-at-boot", "--boot-ms", "200"], 8, "Failed to configure a DataSource"),
    (&["--health-successes=999", "--", "fake-app", "--crash-after-ms", "300"], 8, "it was time to"),
    (&["--", "fake-app", "--fork-server", "--crash-at-boot"], 8, "exited before it was healthy"),
    (&["--", "true"], 8, "exited before it was healthy"),
    (&["--", "sh", "-c", "fake-app & exit 0"], 8, "must stay in the foreground"),
    (&[BRIEFLY, "--", "fake-app", "--boot-ms", "60000"], 4, "listens on no port"),
    (&[BRIEFLY, "--", "fake-app", "--boot-503-ms", "60000"], 4, "the application runs and says DOWN"),
    (&[BRIEFLY, "--", "fake-app", "--down"], 4, "the application runs and says DOWN"),
    (&[BRIEFLY, "--", "fake-app", "--status-500"], 4, "the application runs and fails at"),
    (&[BRIEFLY, "--", "fake-app", "--bad-after-ms", "0"], 4, "the application runs and fails at"),
    (&[BRIEFLY, "--", "fake-app", "--login-redirect"], 4, "a login in front of"),
    (&[BRIEFLY, "--", "fake-app", "--login-page"], 4, "a web page answers at"),
    (&[BRIEFLY, "--", "fake-app", "--no-health"], 4, "no health page at /actuator/health or /health"),
    (&[BRIEFLY, "--", "fake-app", "--status-json", r#"{"status":"UPWARD"}"#], 4, "says UPWARD"),
    (&[BRIEFLY, "--", "fake-app", "--status-json", r#"{"up":true}"#], 4, r#"answers without a JSON "status""#),
    (&[BRIEFLY, "--", "fake-app", "--endless"], 4, "is no health page"),
    (&[BRIEFLY, "--health-check-timeout=300ms", "--", "fake-app", "--hang"], 4, "the application hangs"),
    (&[BRIEFLY, "--health-check-timeout=300ms", "--", "fake-app", "--hold-ms", "5000"], 4, "the application hangs"),
];

#[test]
fn a_release_that_is_not_fit_never_serves() {
    let world = serving(World::new().env("BG_LAUNCH_STOP_TIMEOUT", "300ms"));
    for (words, code, says) in FAULTS {
        let failed = world.cmd("bg-deploy").args(words).output().expect("a program of ours");
        let said = String::from_utf8_lossy(&failed.stderr);
        assert_eq!(failed.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(says), "{words:?} should say {says:?}: {said}");
        assert!(failed.stdout.is_empty(), "{words:?} printed a record");
        assert_as_before(&world, &format!("{words:?}"));
        assert!(!world.listens("set2"), "{words:?}: the failed release is still there");
    }
}

#[test]
fn a_release_on_a_port_of_its_own_is_told_apart_from_one_that_boots() {
    let world = serving(World::new());
    let port = world.free_port().to_string();
    let failed = world.cmd("bg-deploy").args([BRIEFLY, "--", "fake-app", "--listen-port", &port]).assert().code(4);
    failed.stderr(contains(format!("the application listens on {port}, not {}", world.port("set2"))));
    assert_as_before(&world, "listen-port");
}

#[test]
fn a_release_that_names_itself_otherwise_is_not_switched_to_in_either_form() {
    for world in [World::new(), World::new().link_form()] {
        let world = serving(world.env("BG_SWITCH_VERIFY_TIMEOUT", "1s"));
        let failed = world.deploy_fake(&["--profile", "real"]).code(5);
        failed.stderr(contains(r#"the front answered 200 "real""#).and(contains("set1 is serving")));
        assert_as_before(&world, "profile");
    }
}

#[test]
fn what_is_slow_or_odd_but_well_is_deployed() {
    let world = serving(World::new().env("BG_LAUNCH_STOP_TIMEOUT", "300ms").env("BG_LAUNCH_DRAIN", "300ms"));
    let odd: [&[&str]; 5] = [
        &["--boot-ms", "400"],
        &["--boot-503-ms", "400"],
        &["--hold-ms", "100"],
        &["--fork-server"],
        &["--ignore-term"],
    ];
    for flags in odd {
        world.deploy_fake(&[&["--version-text", "odd"], flags].concat()).success();
        assert_eq!(world.get("/version").body, "odd", "{flags:?}");
    }
    // The last one serves from set2; these two clear it away.
    world.deploy_fake(&[]).success();
    world.deploy_fake(&[]).success().stderr(contains("killed pid").and(contains("which SIGTERM had not ended")));
}

#[test]
fn a_stuck_old_release_is_cleared_away_and_what_it_held_is_counted() {
    let world = serving(World::new().env("BG_LAUNCH_STOP_TIMEOUT", "500ms").env("BG_LAUNCH_DRAIN", "300ms"));
    world.cmd("bg-launch").args(["--slot", "set2", "--", "fake-app", "--hang", "--ignore-term"]).assert().success();
    until(SOON, "it listens", || world.listens("set2"));
    let visitor = std::net::TcpStream::connect(("127.0.0.1", world.port("set2"))).expect("it listens");
    world.deploy_fake(&[]).success().stderr(contains("killed pid").and(contains("1 connection was cut")));
    drop(visitor);
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_release_that_is_gone_or_stuck_when_its_turn_has_come_is_not_switched_to() {
    for (signal, code, says) in
        [(Signal::SIGKILL, 5, "nginx stays where it is"), (Signal::SIGSTOP, 5, "set1 is serving")]
    {
        let world = serving(World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "3s"));
        let healthy = world.shell("bg-probe | bg-launch -- fake-app | bg-health").assert().success();
        let record = healthy.get_output().stdout.clone();
        let pid = serde_json::from_slice::<Value>(&record).expect("a record")["launch"]["pid"].as_u64();
        let pid = u32::try_from(pid.expect("a pid")).expect("a pid");
        process::signal(pid, signal);
        if signal == Signal::SIGKILL {
            until(SOON, "it is gone", || !process::alive(pid));
        }
        world.cmd("bg-switch").write_stdin(record).assert().code(code).stdout("").stderr(contains(says));
        assert_as_before(&world, signal.as_str());
    }
}

#[test]
fn a_port_that_somebody_else_takes_is_left_to_them() {
    let world = serving(World::new());
    let stranger = TcpListener::bind(("127.0.0.1", world.port("set2"))).expect("a free port");
    world.deploy_fake(&[]).code(7).stderr(contains("which bg-launch did not start. Nothing was touched"));
    assert_as_before(&world, "port");
    drop(stranger);
    // Taken while the release boots, it is the release that fails, and the answers of the stranger do not count.
    let mut deploy = world
        .command(&bg_tests::programs::ours("bg-deploy"))
        .args([BRIEFLY, "--", "fake-app", "--boot-ms", "500"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(world.folder().join("said")).expect("a folder of ours"))
        .spawn()
        .expect("a program that was found before");
    until(SOON, "it is launched", || world.dir().join("slots/set2/process.json").exists());
    let stranger = TcpListener::bind(("127.0.0.1", world.port("set2"))).expect("still free");
    let code = deploy.wait().expect("a child of ours").code();
    let said = fs::read_to_string(world.folder().join("said")).expect("what it said");
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("is held by pid"), "{said}");
    assert_as_before(&world, "port");
    drop(stranger);
}

#[test]
fn a_duration_of_ages_is_as_good_as_any() {
    const AGES: &str = "500000000000y";
    let world = serving(World::new().env("BG_WAIT", AGES).env("BG_DEPLOY_WATCH", "0s"));
    let flags = [
        "--probe-timeout",
        "--launch-drain",
        "--launch-stop-timeout",
        "--health-timeout",
        "--health-check-timeout",
        "--switch-verify-timeout",
    ];
    for _ in 0..3 {
        let flags = flags.iter().flat_map(|flag| [*flag, AGES]);
        world.cmd("bg-deploy").args(flags).args(["--", "fake-app"]).assert().success();
    }
}
