//! `--watch`: what is seen of a deploy while it goes on.

use std::time::Duration;

use bg_tests::{World, programs, until};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

/// In a log: a line for each change, and none for what only passes.
#[test]
fn a_watch_without_a_terminal_prints_a_line_for_each_change_and_ends_by_an_interrupt() {
    let world = World::new().link_form().serving();
    let watch = world.start("bg-probe", &["--watch"]);
    until(SOON, "it looks", || watch.stdout().contains("  set1  live  100%  200  "));
    world.deploy(&["--boot-503-ms", "1500", "--version-text", "1.1"]).success();
    until(SOON, "it sees the switch", || watch.stdout().contains("  set2  live  100%  200  "));
    until(SOON, "it sees the end", || watch.stdout().contains("no longer under way: bg-deploy"));
    watch.signal(Signal::SIGINT);
    let ran = watch.end();
    assert_eq!((ran.signal(), ran.stderr()), (Some(2), String::new()), "{ran}");
    let text = ran.stdout();
    let of = |wanted: &str| text.lines().filter(|line| line.contains(wanted)).count();
    assert_eq!(["  under way: bg-deploy ", "  set2  -  -  503  ", "  set1  -  -  200  "].map(of), [1, 1, 1], "{text}");
    assert!(text.lines().count() < 14, "nothing is said twice: {text}");
}

#[test]
fn a_watch_on_a_terminal_is_drawn_anew_in_eighty_columns() {
    let world = World::new().env("BG_APP", &"a".repeat(32)).serving();
    // What nobody can answer is a long warning.
    let line = "stty rows 24 cols 80; BG_FRONT=http://127.0.0.1:1/ timeout -s INT 3 bg-probe --watch; echo ended $?";
    let mut script = world.command(&programs::of_the_system("script"));
    let script = script.args(["-qec", line, "/dev/null"]).env_remove("COLUMNS").env("TERM", "xterm");
    let shown = String::from_utf8(script.output().expect("script(1)").stdout).expect("UTF-8").replace("\r\n", "\n");
    let frames: Vec<&str> = shown.split("\u{1b}[J").collect();
    assert!(frames.len() > 3, "{shown:?}");
    for frame in &frames[1..frames.len() - 1] {
        let (up, lines) = frame.strip_prefix("\u{1b}[").and_then(|rest| rest.split_once('A')).expect("up again");
        let lines = lines.replace("\u{1b}[K", "");
        assert_eq!(up.parse(), Ok(lines.lines().count()), "{lines}");
        assert!(lines.lines().all(|line| line.chars().count() < 80), "{lines}");
        assert!(lines.lines().last().is_some_and(|line| line.ends_with('…')), "{lines}");
        assert!(lines.contains("\nSLOT") && lines.contains("\nset1") && lines.contains(" 100% "), "{lines}");
    }
    // timeout(1) says 124 for whatever it has ended.
    assert!(shown.contains("ended 124") || shown.contains("ended 130"), "{shown:?}");
}

#[test]
fn a_watch_ends_when_nobody_reads_it_any_more() {
    let world = World::new().set1_running();
    let line = "{ bg-probe --watch; echo \"ended $?\" >&2; } | head -1";
    world.run_line(line).success().said("ended 0\n").printed("set1  live");
}
