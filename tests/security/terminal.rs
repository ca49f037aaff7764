use bg_tests::{Ran, World, programs, until};

use super::SOON;

/// Clears the screen, sets the title, and turns what follows around.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\rfoo";

/// Nothing in it moves a cursor. What there was to say is said all the same.
#[track_caller]
fn assert_harmless(run: Ran, says: &str) {
    for text in [run.stdout(), run.stderr()] {
        let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(bad), "{text:?}");
    }
    run.said(says).said("foo");
}

/// Nothing in it moves a cursor.
#[track_caller]
fn assert_no_controls(text: &str) {
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn the_log_is_shown_without_control_characters() {
    let world = World::new();
    let crash = format!("printf '%s' '{EVIL}' >&2; exit 1");
    let failed = world.run("bg-deploy", &["--", "sh", "-c", &crash]);
    assert_harmless(failed, r"\u{1b}[2J");
}

#[test]
fn answers_are_shown_without_control_characters() {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1s").env("BG_SWITCH_VERIFY_TIMEOUT", "1s");
    let escaped = serde_json::json!({ "status": EVIL }).to_string();
    for body in [EVIL.to_owned(), format!(r#"{{"status":"{EVIL}"}}"#), escaped] {
        let words = ["--health-timeout=800ms", "-v", "--", "fake-app", "--status-json", &body];
        assert_no_controls(&world.run("bg-deploy", &words).exit(4).stderr());
    }
    let world = World::new();
    world.start_fake("set1", &["--profile", EVIL]);
    let probe = world.run("bg-probe", &["--format", "table"]);
    assert_harmless(probe, "no slot is named at");
    let probe = world.run("bg-probe", &[]);
    assert_harmless(probe, "no slot is named at");
}

#[test]
fn names_and_command_lines_are_shown_without_control_characters() {
    let world = World::new();
    world.start_fake("set2", &["--version-text", EVIL]);
    world.start_fake("set1", &[]);
    let held = world.run("bg-deploy", &["--", "fake-app"]);
    assert_harmless(held, "which bg-launch did not start");

    let world = World::new();
    assert_harmless(world.run("bg-launch", &["--slot", "set1", &format!("{EVIL}.jar")]), ".jar");

    world.copy(programs::ours("fake-app"), EVIL);
    for _ in 0..2 {
        let done = world.run("bg-deploy", &[&world.word(EVIL), "--", "{artifact}"]).success();
        assert_no_controls(&done.stderr());
    }
    until(SOON, "it listens", || world.listens("set1"));
    let current = world.dir().join("slots/set1/current");
    world.remove(&current);
    world.link(format!("../../releases/{}", EVIL.replace('/', "")), &current);
    let table = world.run("bg-probe", &["--format", "table"]);
    assert_no_controls(&table.stdout());
}
