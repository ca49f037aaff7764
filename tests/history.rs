//! The history of deploys: who, what, when and how it ended; how it is kept, and shown.

use std::fs;
use std::process::Command;

use bg_tests::{Run, World, sample_jar};
use serde_json::Value;

/// The most that a file of the history holds.
const MOST: usize = 1024 * 1024;

/// What the newest line says of the deploy.
#[track_caller]
fn newest(world: &World) -> Value {
    world.history().pop().expect("a line")
}

/// The rows of the table, headings first, each in its columns.
#[track_caller]
fn table(world: &World, most: &str) -> Vec<Vec<String>> {
    let text = world.run("bg-probe", &["--history", most]).success().stdout();
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
    deploy.envs([("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "7")]).ran().success();
    let line = newest(&world);
    let digest = Command::new("sha256sum").arg(&jar).output().expect("sha256sum(1)").stdout;
    let digest = String::from_utf8(digest).expect("hex digits")[..64].to_owned();
    assert_eq!(line["launch"]["sha256"], *digest);
    let release = line["launch"]["release"].as_str().expect("a name");
    let whole = Command::new("sha256sum")
        .args(["-c", ".sha256"])
        .current_dir(world.dir().join("releases").join(release))
        .status();
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
    world.deploy(&[]).success();
    world.cmd("bg-deploy").arg("--rollback").env("BUILD_URL", "not an address").ran().success();
    let back = newest(&world);
    assert_eq!((&back["launch"]["sha256"], &back["deploy"]["what"]), (&digest.into(), &"rollback".into()));
    assert!(back["deploy"]["job"].is_null() && back["deploy"]["files"].is_null(), "{back}");
}

#[test]
fn the_table_shows_the_newest_first_also_what_failed_and_what_was_gone_back_to() {
    let world = World::new().serving().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy(&["--down"]).exit(4);
    world.run("bg-deploy", &["/nowhere/app-1.2.jar"]).exit(1);
    world.deploy(&[]).success();
    let hook = ["--before-switch", "true", "--watch", "100ms", "--", "fake-app"];
    world.run("bg-deploy", &hook).success();
    world.rollback().success();
    assert!(newest(&world)["deploy"]["stages"]["watch"].is_null());
    let rows = table(&world, "9");
    let told: Vec<String> = rows.iter().map(|row| row[1..4].join(", ")).collect();
    let expected = [
        "EXIT, WHAT, SLOTS",
        "0, rollback, set1 -> set2",
        "0, deploy, set2 -> set1",
        "0, deploy, set1 -> set2",
        "1 at preflight, deploy, set1 -> set2",
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
fn the_table_is_its_headings_before_the_first_deploy() {
    assert_eq!(table(&World::new(), "5").len(), 1);
}

#[test]
fn broken_lines_are_passed_over_and_counted() {
    let world = World::new().serving();
    world.deploy(&[]).success();
    let path = world.history_file();
    let text = world.read(&path);
    let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("two lines") };
    let evil = second.replace("\"user\":\"", "\"user\":\"\\u001b[2J");
    let bytes = [first.as_bytes(), b"\nno JSON\n{}\n\xff\xfe\n", evil.as_bytes(), b"\n{\"bg\":1,\"dep"].concat();
    world.write(&path, bytes);
    let shown = world.run("bg-probe", &["--history"]).success();
    let shown = shown.said("warning: ").said("deploys.jsonl: 4 lines are broken, and passed over");
    let told = shown.stdout();
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(!told.contains('\u{1b}') && told.contains("\\u{1b}[2J"), "{told}");
    assert_eq!(table(&world, "1").len(), 2);
}

#[test]
fn in_a_pipe_nothing_is_cut() {
    let world = World::new().serving();
    let path = world.history_file();
    let mut line = newest(&world);
    line["launch"] = Value::Null;
    line["deploy"]["files"] = vec!["é"; 70_000].into();
    world.write(&path, line.to_string() + "\n");
    let rows = table(&world, "1");
    assert_eq!((rows[1][8].chars().count(), rows[0][8].len()), (2 * 70_000 - 1, "RELEASE".len()));
    assert!(world.run("bg-probe", &["--history"]).stdout().lines().next().is_some_and(|line| line.len() < 400));
}

#[test]
fn a_full_history_is_moved_to_the_one_older_file() {
    let world = World::new().serving();
    let (path, older) = (world.history_file(), world.dir().join("deploys.jsonl.1"));
    let line = world.read(&path);
    for turn in 1..=2 {
        let full = line.repeat(MOST / line.len());
        world.write(&path, &full);
        world.deploy(&[]).success();
        assert_eq!(fs::read_to_string(&older).expect("the file before"), full, "turn {turn}");
        assert_eq!(world.read(&path).lines().count(), 1);
    }
    assert_eq!(table(&world, "3").len(), 4, "the newest, and two of the file before");
    // As it is left by who is killed in between.
    world.remove(&path);
    assert_eq!(table(&world, "3").len(), 4);
    world.deploy(&[]).success();
    assert_eq!(world.read(&path).lines().count(), 1);
    let kept = world.names(world.dir()).iter().filter(|name| name.starts_with("deploys")).count();
    assert_eq!(kept, 2);
}
