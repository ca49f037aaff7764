use bg_tests::{World, programs, until};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use super::SOON;

/// Clears the screen, sets the title, and turns what follows around.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\rfoo";

/// Nothing in it moves a cursor. What there was to say is said all the same.
#[track_caller]
fn assert_harmless(output: &Output, says: &str) {
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let text = String::from_utf8_lossy(bytes);
        let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(bad), "{name}: {text:?}");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(says), "{says:?} is missing: {said}");
    assert!(said.contains("foo"), "{said}");
}

#[test]
fn the_log_of_the_application_is_shown_without_its_colours() {
    let world = World::new();
    let crash = format!("printf '%s' '{EVIL}' >&2; exit 1");
    let failed = world.cmd("bg-deploy").args(["--", "sh", "-c", &crash]).output().expect("a program of ours");
    assert_harmless(&failed, r"\u{1b}[2J");
}

#[test]
fn answers_are_shown_without_theirs() {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1s").env("BG_SWITCH_VERIFY_TIMEOUT", "1s");
    let escaped = serde_json::json!({ "status": EVIL }).to_string();
    for body in [EVIL.to_owned(), format!(r#"{{"status":"{EVIL}"}}"#), escaped] {
        let mut deploy = world.cmd("bg-deploy");
        deploy.args(["--health-timeout=800ms", "-v", "--", "fake-app", "--status-json", &body]);
        let failed = deploy.output().expect("a program of ours");
        assert_eq!(failed.status.code(), Some(4));
        let said = String::from_utf8_lossy(&failed.stderr);
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
    let world = World::new();
    world.start_fake("set1", &["--profile", EVIL]);
    let probe = world.cmd("bg-probe").args(["--format", "table"]).output().expect("a program of ours");
    assert_harmless(&probe, "no slot is named at");
    let probe = world.cmd("bg-probe").output().expect("a program of ours");
    assert_harmless(&probe, "no slot is named at");
}

#[test]
fn names_and_command_lines_are_shown_without_theirs() {
    let world = World::new();
    world.start_fake("set2", &["--version-text", EVIL]);
    world.start_fake("set1", &[]);
    let held = world.cmd("bg-deploy").args(["--", "fake-app"]).output().expect("a program of ours");
    assert_harmless(&held, "which bg-launch did not start");

    let world = World::new();
    let mut missing = world.cmd("bg-launch");
    missing.args(["--slot", "set1"]).arg(format!("{EVIL}.jar"));
    assert_harmless(&missing.output().expect("a program of ours"), ".jar");

    let artifact = world.folder().join(EVIL);
    fs::copy(programs::ours("fake-app"), &artifact).expect("a folder of ours");
    for _ in 0..2 {
        let mut deploy = world.cmd("bg-deploy");
        let done = deploy.arg(&artifact).args(["--", "{artifact}"]).output().expect("a program of ours");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
    until(SOON, "it listens", || world.listens("set1"));
    let current = world.dir().join("slots/set1/current");
    fs::remove_file(&current).expect("a link of ours");
    symlink(format!("../../releases/{}", EVIL.replace('/', "")), &current).expect("a folder of ours");
    let table = world.cmd("bg-probe").args(["--format", "table"]).output().expect("a program of ours");
    let said = String::from_utf8_lossy(&table.stdout);
    assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
}
