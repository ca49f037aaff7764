use super::{SOON, assert_as_before};
use bg_tests::{Run, World, process, until};
use nix::sys::signal::Signal;
use std::net::TcpListener;

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
    let world = World::new().env("BG_LAUNCH_STOP_TIMEOUT", "300ms").serving();
    for (words, code, says) in FAULTS {
        let failed = world.run("bg-deploy", words);
        failed.exit(code).said(says).printed_nothing();
        assert_as_before(&world, &format!("{words:?}"));
        assert!(!world.listens("set2"), "{words:?}: the failed release is still there");
    }
}

#[test]
fn a_release_on_a_port_of_its_own_is_told_apart_from_one_that_boots() {
    let world = World::new().serving();
    let port = world.free_port().to_string();
    let refused = world.run("bg-deploy", &[BRIEFLY, "--", "fake-app", "--listen-port", &port]).exit(4);
    refused.said(format!("the application listens on {port}, not {}", world.port("set2")));
    assert_as_before(&world, "listen-port");
}

#[test]
fn a_release_that_names_itself_otherwise_is_not_switched_to_in_either_form() {
    for world in [World::new(), World::new().link_form()] {
        let world = world.env("BG_SWITCH_VERIFY_TIMEOUT", "1s").serving();
        world.deploy(&["--profile", "real"]).exit(5).said(r#"the front answered 200 "real""#).said("set1 is serving");
        assert_as_before(&world, "profile");
    }
}

#[test]
fn deploy_accepts_a_slow_or_odd_but_healthy_release() {
    let world = World::new().env("BG_LAUNCH_STOP_TIMEOUT", "300ms").env("BG_LAUNCH_DRAIN", "300ms").serving();
    let odd: [&[&str]; 5] = [
        &["--boot-ms", "400"],
        &["--boot-503-ms", "400"],
        &["--hold-ms", "100"],
        &["--fork-server"],
        &["--ignore-term"],
    ];
    for flags in odd {
        world.deploy(&[&["--version-text", "odd"], flags].concat()).success();
        assert_eq!(world.get("/version").body, "odd", "{flags:?}");
    }
    // The last one serves from set2; these two clear it away.
    world.deploy(&[]).success();
    world.deploy(&[]).success().said("killed pid").said("which SIGTERM had not ended");
}

#[test]
fn a_stuck_old_release_is_cleared_away_and_what_it_held_is_counted() {
    let world = World::new().env("BG_LAUNCH_STOP_TIMEOUT", "500ms").env("BG_LAUNCH_DRAIN", "300ms").serving();
    world.run("bg-launch", &["--slot", "set2", "--", "fake-app", "--hang", "--ignore-term"]).success();
    until(SOON, "it listens", || world.listens("set2"));
    let visitor = std::net::TcpStream::connect(("127.0.0.1", world.port("set2"))).expect("it listens");
    world.deploy(&[]).success().said("killed pid").said("1 connection was cut");
    drop(visitor);
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_release_that_is_gone_or_stuck_when_its_turn_has_come_is_not_switched_to() {
    for (signal, code, says) in
        [(Signal::SIGKILL, 5, "nginx stays where it is"), (Signal::SIGSTOP, 5, "set1 is serving")]
    {
        let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "3s").serving();
        let healthy = world.run_line("bg-probe | bg-launch -- fake-app | bg-health").success();
        let (record, pid) = (healthy.stdout(), world.pid("set2"));
        process::signal(pid, signal);
        if signal == Signal::SIGKILL {
            until(SOON, "it is gone", || !process::alive(pid));
        }
        world.pipe(record, "bg-switch", &[]).exit(code).printed_nothing().said(says);
        assert_as_before(&world, signal.as_str());
    }
}

#[test]
fn a_port_that_somebody_else_takes_is_left_to_them() {
    let world = World::new().serving();
    let stranger = TcpListener::bind(("127.0.0.1", world.port("set2"))).expect("a free port");
    world.deploy(&[]).exit(7).said("which bg-launch did not start. Nothing was touched");
    assert_as_before(&world, "port");
    drop(stranger);
    // Taken while the release boots, it is the release that fails, and the answers of the stranger do not count.
    let deploy = world.start("bg-deploy", &[BRIEFLY, "--", "fake-app", "--boot-ms", "500"]);
    until(SOON, "it is launched", || world.is_launched("set2"));
    let stranger = TcpListener::bind(("127.0.0.1", world.port("set2"))).expect("still free");
    deploy.end().exit(8).said("is held by pid");
    assert_as_before(&world, "port");
    drop(stranger);
}

#[test]
fn deploy_accepts_durations_of_ages() {
    const AGES: &str = "500000000000y";
    let world = World::new().env("BG_WAIT", AGES).env("BG_DEPLOY_WATCH", "0s").serving();
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
        world.cmd("bg-deploy").args(flags).args(["--", "fake-app"]).ran().success();
    }
}
