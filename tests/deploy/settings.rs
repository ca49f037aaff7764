//! Where the settings of a deploy come from, and what a dry run prints of them.

use std::fs;

use bg_tests::World;
use predicates::prelude::*;
use predicates::str::contains;

use super::serving;

#[test]
fn a_dry_run_prints_what_a_shell_can_run() {
    let world = World::new();
    let dir = world.folder().join("else where");
    let dry = world
        .cmd("bg-deploy")
        .arg("--dir")
        .arg(&dir)
        .args(["--health-timeout", "20s", "--dry-run", "--", "fake-app", "--version-text", "it's 1.1"])
        .assert()
        .success();
    assert!(!dir.exists() && !world.dir().exists(), "nothing was touched");
    let pipeline = String::from_utf8_lossy(&dry.get_output().stdout).into_owned();
    assert!(pipeline.contains("--timeout=20s") && pipeline.starts_with("bg-probe "), "{pipeline}");
    world.shell(&pipeline).assert().success();
    assert_eq!(world.get("/version").body, "it's 1.1");
    assert!(dir.join("slots/set1/process.json").exists(), "{pipeline}");
}

#[test]
fn a_dry_run_of_an_env_file_is_whole_without_it() {
    let world = World::new();
    let dir = world.folder().join("other");
    let file = world.folder().join("web.env");
    fs::write(&file, format!("BG_DIR='{}'\n", dir.display())).expect("a folder of ours");
    let dry =
        world.cmd("bg-deploy").arg("--env-file").arg(&file).args(["--dry-run", "--", "fake-app"]).assert().success();
    world.shell(&String::from_utf8_lossy(&dry.get_output().stdout)).assert().success();
    assert!(dir.join("slots/set1/process.json").exists());
}

#[test]
fn an_env_file_is_the_environment() {
    let world = World::new();
    let dir = world.folder().join("other");
    let file = world.folder().join("web.env");
    let text = format!("# web\nexport BG_DIR={} BG_HEALTH_TIMEOUT=5s\nVISIBLE='to the application'\n", dir.display());
    fs::write(&file, text).expect("a folder of ours");
    let deploy = || {
        let mut deploy = world.cmd("bg-deploy");
        deploy.arg("--env-file").arg(&file);
        deploy
    };
    let live = contains(format!("with: bg-deploy --env-file {} --rollback", file.display()));
    deploy().args(["--", "fake-app"]).assert().success();
    deploy().args(["--", "fake-app"]).assert().success().stderr(live);
    assert!(world.get("/env").body.contains("VISIBLE=to the application\n"));
    assert!(!world.get("/env").body.contains("BG_ENV_FILE"));
    deploy().args(["--", "fake-app", "--down"]).assert().code(4).stderr(contains("within 5.0s"));
    deploy().args(["--env-file", "/nowhere/web.env"]).assert().code(2);
    assert!(dir.join("deploys.jsonl").exists() && !world.dir().exists());
}

#[test]
fn a_bad_line_in_an_env_file_is_named_and_nothing_begins() {
    let world = World::new();
    let file = world.folder().join("web.env");
    for (text, named) in [("BG_APP=web\nrm -rf /\n", "line 2"), ("A='b\n", "line 1"), ("1A=b", "line 1")] {
        fs::write(&file, text).expect("a folder of ours");
        let deploy = world.cmd("bg-deploy").arg("--env-file").arg(&file).args(["--", "fake-app"]).assert();
        deploy.code(2).stderr(contains(named).and(contains("web.env")));
    }
    world.cmd("bg-deploy").args(["--env-file", "/nowhere/web.env", "--", "fake-app"]).assert().code(1);
    assert!(!world.dir().exists());
}

#[test]
fn what_one_stage_is_told_by_its_environment_does_not_reach_a_deploy() {
    let world = serving()
        .env("BG_PROBE_SLOT", "live")
        .env("BG_PROBE_FORMAT", "table")
        .env("BG_LAUNCH_SLOT", "set1")
        .env("BG_HEALTH_SLOT", "set1")
        .env("BG_HEALTH_ONCE", "1")
        .env("BG_SWITCH_TO", "set1");
    world.deploy_fake(&["--boot-ms", "300"]).success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}
