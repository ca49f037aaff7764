//! `--check`: what would keep a deploy from working, each thing in a line with what to do about it, and nothing
//! changed by looking.

/// What a launch would refuse.
mod launch;
/// What a switch needs of nginx.
mod nginx;
/// Slots on ports that the kernel gives to outgoing connections.
mod ports;
/// What a launch needs.
mod room;
/// Whom the witnesses name, and whether a deploy runs already.
mod who_serves;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use bg_tests::{Run, World};
use serde_json::Value;

/// A user who has no name and owns nothing.
const ORDINARY: u32 = 12345;

/// What a program's `--check` prints in this world, and how it ends.
#[track_caller]
fn check(world: &World, program: &str, args: &[&str]) -> (String, i32) {
    let run = world.run(program, &[&["--check"], args].concat()).said_nothing();
    (run.stdout(), run.code().expect("an exit code"))
}

#[track_caller]
fn says(world: &World, program: &str, code: i32, line: &str) {
    let (text, ended) = check(world, program, &[]);
    assert!(text.contains(line), "no line {line:?} in\n{text}");
    assert_eq!(ended, code, "{text}");
}

/// What an ordinary user's `--check` prints where a deploy would fail.
#[track_caller]
fn ordinary(world: &World, program: &str) -> String {
    let (text, code) = as_ordinary(world, program);
    assert_eq!(code, 1, "{text}");
    text
}

/// What an ordinary user's `--check` prints, and how it ends.
#[track_caller]
fn as_ordinary(world: &World, program: &str) -> (String, i32) {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it looks as another user");
    let mut check = world.command(&world.copy_of(program));
    let run = check.arg("--check").uid(ORDINARY).gid(ORDINARY).ran();
    (run.stdout(), run.code().expect("an exit code"))
}

/// Every file and folder below, with its mode, owner, time and content.
fn everything(folder: &Path) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).expect("it was just listed");
        let what = match (meta.is_dir(), meta.is_symlink()) {
            (true, _) => {
                left.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
                String::new()
            }
            (_, true) => fs::read_link(&path).expect("a link").display().to_string(),
            _ => format!("{:?}", fs::read(&path).map(|bytes| bytes.len())),
        };
        seen.insert(path.display().to_string(), format!("{:o} {} {:?} {what}", meta.mode(), meta.uid(), meta.mtime()));
    }
    seen
}

#[test]
fn check_is_ok_throughout_and_changes_nothing_where_a_deploy_works() {
    let world = World::new().link_form();
    world.deploy(&[]).success();
    // nginx itself writes to its log when it tests its configuration.
    let unchanged = |all: BTreeMap<String, String>| {
        all.into_iter().filter(|(path, _)| !path.ends_with("error.log")).collect::<BTreeMap<_, _>>()
    };
    let (before, workers) = (unchanged(everything(world.folder())), world.nginx.workers());

    let (text, code) = check(&world, "bg-deploy", &[]);

    assert_eq!(code, 0, "{text}");
    assert!(text.lines().all(|line| line.starts_with("ok      ")), "{text}");
    for line in [
        "set1 is live; the next deploy is for set2",
        "answers set1",
        "has the link form and points at set1",
        "no other deploy runs",
        "openjdk version",
        "mode 0755, and can be written",
        "MB free in",
        "of the idle set2 is free",
        "MB of memory for a new release beside the live one, which uses",
        "set1 answers 200 {\"status\":\"UP\"",
        "nginx 1.",
        "nginx -t accepts the configuration",
        "nginx includes",
        "proxy_pass $service_url is there",
        "nginx's workers can reach",
        "SELinux",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert_eq!(unchanged(everything(world.folder())), before);
    assert_eq!(world.nginx.workers(), workers);
}

#[test]
fn check_is_ok_before_the_first_deploy_and_makes_no_folder() {
    let world = World::new();
    says(&world, "bg-deploy", 0, "is not there yet and can be made");
    says(&world, "bg-deploy", 0, "answers 502, as it should while nothing runs");
    assert!(!world.dir().exists());
}

#[test]
fn check_prints_one_array_with_json_and_only_faults_with_quiet() {
    let world = World::new();
    world.nginx.write_upstream("");
    let (text, code) = check(&world, "bg-deploy", &["--json"]);
    assert_eq!(code, 1);
    let findings: Vec<Value> = serde_json::from_str(&text).expect("one JSON array");
    let keys = |finding: &Value| finding.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for finding in &findings {
        let keys = keys(finding);
        assert_eq!(keys[..4], ["check", "state", "detail", "do"], "{text}");
        // The exit code that a deploy would be refused with.
        assert_eq!(keys.get(4).map(String::as_str), (finding["state"] == "fail").then_some("exit"), "{text}");
    }
    assert!(findings.iter().all(|finding| finding["do"].is_null() == (finding["state"] == "ok")), "{text}");
    let file = findings.iter().find(|finding| finding["check"] == "upstream-file").unwrap();
    assert_eq!(file["state"], "fail");

    let (text, _) = check(&world, "bg-deploy", &["-q"]);
    assert!(!text.contains("ok  ") && text.contains("fail  "), "{text}");
}

#[test]
fn each_program_checks_what_it_needs_itself() {
    let world = World::new();
    for (program, line) in [
        ("bg-probe", "no slot is live"),
        ("bg-launch", "openjdk version"),
        ("bg-health", "no release serves yet"),
        ("bg-switch", "nginx -t accepts the configuration"),
    ] {
        says(&world, program, 0, line);
    }
    world.run("bg-probe", &["--json"]).exit(2);
}
