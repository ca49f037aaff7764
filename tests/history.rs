//! The history of deploys: who, what, when and how it ended; how it is kept, and shown.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bg_tests::{World, sample_jar};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

/// The most that a file of the history holds.
const MOST: usize = 1024 * 1024;

/// A world in which 1.0 was deployed.
fn serving() -> World {
    let world = World::new();
    world.deploy_fake(&["--version-text", "1.0"]).success();
    world
}

fn file(world: &World, name: &str) -> PathBuf {
    world.dir().join(name)
}

/// What the newest line says of the deploy.
#[track_caller]
fn newest(world: &World) -> Value {
    let text = fs::read_to_string(file(world, "deploys.jsonl")).expect("a history");
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// The rows of the table, headings first, each in its columns.
#[track_caller]
fn table(world: &World, most: &str) -> Vec<Vec<String>> {
    let table = world.cmd("bg-probe").args(["--history", most]).assert().success();
    let text = String::from_utf8(table.get_output().stdout.clone()).expect("UTF-8");
    // Two spaces are between columns, one within.
    let cells = |line: &str| {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    };
    text.lines().map(cells).collect()
}

#[test]
fn a_line_says_who_what_when_and_how_long_each_stage_took() {
    let world = World::new();
    let jar = sample_jar("1.0");
    let mut deploy = world.cmd("bg-deploy");
    deploy.arg(&jar).envs([("SUDO_USER", "alice"), ("GITHUB_SERVER_URL", "https://ci.example")]);
    deploy.envs([("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "7")]).assert().success();
    let line = newest(&world);
    let digest = Command::new("sha256sum").arg(&jar).output().expect("sha256sum(1)").stdout;
    let digest = String::from_utf8(digest).expect("hex digits")[..64].to_owned();
    assert_eq!(line["launch"]["sha256"], *digest);
    let release = line["launch"]["release"].as_str().expect("a name");
    let whole =
        Command::new("sha256sum").args(["-c", ".sha256"]).current_dir(file(&world, "releases").join(release)).status();
    assert!(whole.expect("sha256sum(1)").success());

    let deploy = &line["deploy"];
    assert_eq!(
        (&deploy["sudo_user"], &deploy["job"]),
        (&"alice".into(), &"https://ci.example/a/b/actions/runs/7".into())
    );
    assert_eq!(
        (&deploy["what"], &deploy["files"], &deploy["exit"]),
        (&"deploy".into(), &vec!["app-1.0.jar"].into(), &0.into())
    );
    let stages: Vec<&str> = deploy["stages"].as_object().expect("times").keys().map(String::as_str).collect();
    assert_eq!(stages, ["probe", "launch", "health", "switch"]);
    let sum: u64 = deploy["stages"].as_object().expect("times").values().map(|ms| ms.as_u64().expect("a time")).sum();
    assert!(sum > 0 && sum <= deploy["took_ms"].as_u64().expect("a time"), "{deploy}");
    // What is known of the file is known of the release that is gone back to, too.
    world.deploy_fake(&[]).success();
    world.cmd("bg-deploy").arg("--rollback").env("BUILD_URL", "not an address").assert().success();
    let back = newest(&world);
    assert_eq!((&back["launch"]["sha256"], &back["deploy"]["what"]), (&digest.into(), &"rollback".into()));
    assert!(back["deploy"]["job"].is_null() && back["deploy"]["files"].is_null(), "{back}");
}

#[test]
fn the_table_shows_the_newest_first_also_what_failed_and_what_was_gone_back_to() {
    let world = serving().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy_fake(&["--down"]).code(4);
    world.cmd("bg-deploy").arg("/nowhere/app-1.2.jar").assert().code(1);
    world.deploy_fake(&[]).success();
    let hook = ["--before-switch", "true", "--watch", "100ms", "--", "fake-app"];
    world.cmd("bg-deploy").args(hook).assert().success();
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert!(newest(&world)["deploy"]["stages"]["watch"].is_null());
    let rows = table(&world, "9");
    let told: Vec<String> = rows.iter().map(|row| row[1..4].join(", ")).collect();
    let expected = [
        "EXIT, WHAT, SLOTS",
        "0, rollback, set1 -> set2",
        "0, deploy, set2 -> set1",
        "0, deploy, set1 -> set2",
        "1 at launch, deploy, set1 -> set2",
        "4 at health, deploy, set1 -> set2",
        "0, deploy, set1",
    ];
    assert_eq!(told, expected);
    assert_eq!(rows[4][8], "app-1.2.jar", "what was to be deployed");
    assert_eq!(
        (&rows[5][7], &rows[5][6][rows[5][6].len() - 1..]),
        (&"-".to_owned(), "s"),
        "no switch, but a time of health"
    );
    assert_eq!(rows[0][8..], ["RELEASE", "BY"]);
    assert_eq!(table(&world, "2").len(), 3);
}

#[test]
fn where_there_was_no_deploy_there_are_the_headings() {
    assert_eq!(table(&World::new(), "5").len(), 1);
}

#[test]
fn broken_lines_are_passed_over_and_counted() {
    let world = serving();
    world.deploy_fake(&[]).success();
    let path = file(&world, "deploys.jsonl");
    let text = fs::read_to_string(&path).expect("a history");
    let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("two lines") };
    let evil = second.replace("\"user\":\"", "\"user\":\"\\u001b[2J");
    let bytes = [first.as_bytes(), b"\nno JSON\n{}\n\xff\xfe\n", evil.as_bytes(), b"\n{\"bg\":1,\"dep"].concat();
    fs::write(&path, bytes).expect("a file of ours");
    let shown = world.cmd("bg-probe").arg("--history").assert().success();
    let shown = shown.stderr(contains("warning: ").and(contains("deploys.jsonl: 4 lines are broken, and passed over")));
    let told = String::from_utf8(shown.get_output().stdout.clone()).expect("UTF-8");
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(!told.contains('\u{1b}') && told.contains("\\u{1b}[2J"), "{told}");
    assert_eq!(table(&world, "1").len(), 2);
}

#[test]
fn what_is_too_long_for_a_table_is_cut() {
    let world = serving();
    let path = file(&world, "deploys.jsonl");
    let mut line = newest(&world);
    line["launch"] = Value::Null;
    line["deploy"]["files"] = vec!["é"; 70_000].into();
    fs::write(&path, line.to_string() + "\n").expect("a file of ours");
    let cell = &table(&world, "1")[1][8];
    assert_eq!((cell.chars().count(), cell.ends_with("é…") || cell.ends_with(" …")), (200, true), "{cell}");
}

#[test]
fn a_file_that_is_full_makes_room_for_one_more_and_one_alone() {
    let world = serving();
    let (path, older) = (file(&world, "deploys.jsonl"), file(&world, "deploys.jsonl.1"));
    let line = fs::read_to_string(&path).expect("a history");
    for turn in 1..=2 {
        let full = line.repeat(MOST / line.len());
        fs::write(&path, &full).expect("a file of ours");
        world.deploy_fake(&[]).success();
        assert_eq!(fs::read_to_string(&older).expect("the file before"), full, "turn {turn}");
        assert_eq!(fs::read_to_string(&path).expect("a history").lines().count(), 1);
    }
    assert_eq!(table(&world, "3").len(), 4, "the newest, and two of the file before");
    // As it is left by who is killed in between.
    fs::remove_file(&path).expect("a file of ours");
    assert_eq!(table(&world, "3").len(), 4);
    world.deploy_fake(&[]).success();
    assert_eq!(fs::read_to_string(&path).expect("a history").lines().count(), 1);
    let names = fs::read_dir(world.dir()).expect("a folder of ours").flatten().map(|entry| entry.file_name());
    let kept = names.filter(|name| name.to_string_lossy().starts_with("deploys")).count();
    assert_eq!(kept, 2);
}
