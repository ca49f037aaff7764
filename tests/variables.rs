//! What all five programs read alike: durations, empty variables, settings of a later stage, unknown names, passwords; and
//! what `-h` and `--help` print of them.

use bg_tests::{Run, World};

#[test]
fn a_bare_number_is_seconds_in_all_five_programs() {
    let world = World::new();
    for (program, words) in [
        ("bg-probe", &["--timeout", "5"][..]),
        ("bg-launch", &["--slot=idle", "--stop", "--drain=5", "--stop-timeout=5", "--wait=5"]),
        ("bg-switch", &["--print-upstream", "--verify-timeout=5", "--wait=5"]),
        ("bg-deploy", &["--dry-run", "--watch=5", "--hook-timeout=5", "--stop-old=after=5", "--wait=5", "--", "true"]),
    ] {
        world.run(program, words).success();
    }
    let world = world.env("BG_HEALTH_TIMEOUT", "0").env("BG_HEALTH_CHECK_TIMEOUT", "1").env("BG_HEALTH_INTERVAL", "1");
    world.run("bg-health", &["--slot", "idle"]).exit(4).said("was not healthy within 0.00s");
}

#[test]
fn a_wrong_duration_is_refused_with_its_flag_or_variable_and_the_form() {
    let world = World::new();
    let form = "500ms, 30s, 2m, or a bare number of seconds";
    let refused = world.run("bg-health", &["--slot", "idle", "--timeout", "soon"]).exit(2).said(form);
    refused.said("'--timeout <DURATION>'").never_said("BG_HEALTH_TIMEOUT");
    for wrong in ["soon", "-5", "1.5", "5 5"] {
        let mut health = world.cmd("bg-health");
        health.env("BG_HEALTH_TIMEOUT", wrong).args(["--slot", "idle"]);
        health.ran().exit(2).said(form).said(format!("'{wrong}' for 'BG_HEALTH_TIMEOUT'"));
    }
    world.run("bg-deploy", &["--stop-old", "after=soon", "--dry-run", "--", "true"]).exit(2).said(form);
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let world = World::new();
    let empty = [
        "BG_SLOT_URL",
        "BG_FRONT_HOST",
        "BG_WAIT",
        "BG_SHARED_DIR",
        "BG_PROBE_SLOT",
        "BG_PROBE_TIMEOUT",
        "BG_LAUNCH_USER",
        "BG_LAUNCH_VIA",
        "BG_LAUNCH_DRAIN",
        "BG_LAUNCH_ADOPT",
        "BG_LAUNCH_WORKDIR",
        "BG_LAUNCH_COMMAND",
        "BG_HEALTH_PATH",
        "BG_HEALTH_EXPECT",
        "BG_HEALTH_EXPECT_STATUS",
        "BG_HEALTH_TIMEOUT",
        "BG_HEALTH_WARMUP",
        "BG_SWITCH_PID_FILE",
        "BG_SWITCH_VERIFY_TIMEOUT",
        "BG_DEPLOY_WATCH",
        "BG_DEPLOY_STOP_OLD",
        "BG_DEPLOY_ENV_FILE",
        "BG_DEPLOY_ON_SUCCESS",
    ];
    let world = empty.into_iter().fold(world, |world, name| world.env(name, ""));
    world.deploy(&[]).success();
    world.run("bg-health", &["--slot", "live", "--once"]).success();
    // A user with no name is no default, so what is typed counts.
    world.run("bg-launch", &["--slot", "idle", "--user", "", "--", "true"]).exit(2);
    world.run("bg-deploy", &[]).exit(2).said("nothing to deploy");
    world.run("bg-health", &["--help"]).success().printed("[env: BG_HEALTH_PATH=");
}
