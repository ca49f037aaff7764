//! Our own files, damaged: empty, garbage, a folder in their place. A full disk or an editor does that. What serves goes on
//! serving, nobody panics, and where one is refused the command that is printed helps.

use bg_tests::{Ran, World, is_full, process, until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// Every file of DIR that a program reads, while set1 serves and set2 has what served before it. What is in `surroundings` has
/// the name of the release that the slot holds.
const FILES: [&str; 11] = [
    "app",
    "deploys.jsonl",
    "lock",
    "switching.json",
    "live",
    "slots/set1/process.json",
    "surroundings/set1",
    "slots/set1/current",
    "slots/set2/process.json",
    "surroundings/set2",
    "slots/set2/current",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Empty,
    Garbage,
    Folder,
    LinkToNowhere,
}

impl Damage {
    fn to(self, path: &Path) {
        let _ = fs::remove_file(path);
        match self {
            Damage::Empty => fs::write(path, ""),
            Damage::Garbage => fs::write(path, b"\xff{\"pid\":\x00 not ours\n"),
            Damage::Folder => fs::create_dir(path),
            Damage::LinkToNowhere => std::os::unix::fs::symlink("/nowhere/at/all", path),
        }
        .expect("a folder of ours");
    }
}

/// The command that a refusal advises to take a file out of the way.
fn advice(said: &Ran) -> Option<String> {
    let text = said.stderr();
    let line = text.lines().find(|line| line.contains(": rm /") || line.contains(": mv /"))?;
    let at = line.find(": rm /").or_else(|| line.find(": mv /"))?;
    Some(line[at + 2..].to_owned())
}

#[test]
fn what_serves_goes_on_and_one_command_helps_whatever_file_is_empty() {
    each(Damage::Empty);
}

#[test]
fn what_serves_goes_on_and_one_command_helps_whatever_file_is_garbage() {
    each(Damage::Garbage);
}

#[test]
fn what_serves_goes_on_and_one_command_helps_whatever_file_is_a_folder() {
    each(Damage::Folder);
}

#[test]
fn what_serves_goes_on_and_one_command_helps_whatever_file_is_a_link_to_nowhere() {
    each(Damage::LinkToNowhere);
}

/// Does the damage to one file after the other; to every second one where not all is run.
#[track_caller]
fn each(damage: Damage) {
    let step = if is_full() { 1 } else { 2 };
    let first = if is_full() { 0 } else { damage as usize % 2 };
    for file in FILES.into_iter().skip(first).step_by(step) {
        let world = World::new().link_form().serving();
        world.deploy(&["--version-text", "1.1"]).success();
        world.rollback().success();
        let case = format!("{file} {damage:?}");
        let named = match file.strip_prefix("surroundings/") {
            Some(slot) => format!("surroundings/{}", world.held(slot).expect("a release")),
            None => file.to_owned(),
        };
        damage.to(&world.dir().join(named));
        for (program, words) in [
            ("bg-probe", &["--format", "table"][..]),
            ("bg-probe", &["--history"]),
            ("bg-launch", &["--live"]),
            ("bg-deploy", &["--check"]),
        ] {
            let ran = world.run(program, words);
            assert!(matches!(ran.code(), Some(0 | 1 | 4 | 7)), "{case}: {ran}");
            ran.never_said("panicked").never_said("understand ");
        }
        // The link form's own switch is what decides in the case of `live`.
        let serves = world.get("/version").body;
        assert!(serves == "1.0" || file == "live", "{case}: {serves}");
        helped(&world, &case);
    }
}

/// Deploys, after what is advised where it is refused; twice, for both slots.
#[track_caller]
fn helped(world: &World, case: &str) {
    for version in ["2.0", "2.1"] {
        let words = ["--launch-adopt", "--", "fake-app", "--version-text", version];
        let mut deployed = world.run("bg-deploy", &words);
        if deployed.code() != Some(0) {
            let Some(command) = advice(&deployed) else { panic!("{case}: no command in {deployed}") };
            world.run_line(&command).success();
            deployed = world.run("bg-deploy", &words);
        }
        assert_eq!(deployed.code(), Some(0), "{case}: {deployed}");
        assert_eq!(world.get("/version").body, version, "{case}");
    }
}

#[test]
fn a_damaged_process_file_is_no_obstacle_where_nothing_runs_in_the_slot() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    process::signal(world.pid("set1"), Signal::SIGKILL);
    until(SOON, "it is gone", || !process::alive(world.pid("set1")));
    fs::write(world.process_file("set1"), "").expect("a file of ours");
    let checked = world.run("bg-probe", &["--check"]).success();
    checked.printed(
        "slots/set1/process.json is damaged (it is empty), and nothing that was launched from here runs in set1",
    );
    let deployed = world.deploy(&["--version-text", "1.2"]).success();
    deployed.said("is damaged (it is empty); nothing of it runs, and the next launch there writes it anew");
    assert_eq!(world.get("/version").body, "1.2");
    world.rollback().success().never_said("damaged");
}

#[test]
fn a_damaged_note_of_a_switch_is_dropped_where_nginx_and_its_file_agree_and_else_a_switch_by_hand_ends_it() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let note = world.dir().join("switching.json");
    fs::write(&note, "").expect("a folder of ours");
    let again = world.run("bg-launch", &["--live"]).success();
    again.said("nginx serves set2").said("the note was removed");
    assert!(!note.exists());

    fs::write(&note, "{\"from\":").expect("a folder of ours");
    world.edit_upstream("set1");
    let refused = world.deploy(&[]).exit(7);
    refused.said("bg-switch --to");
    assert_eq!(world.live().as_deref(), Some("set2"));
    world.switch("set2").success().said("what is done now takes its place");
    assert!(!note.exists());
    assert_eq!(world.nginx.read_upstream(), world.upstream_line("set2"));
    world.deploy(&["--version-text", "1.2"]).success();
}

#[test]
fn a_file_that_says_nothing_of_a_process_bars_no_way_back_by_hand() {
    let world = World::new().serving().link_form();
    world.deploy(&["--version-text", "1.1"]).success();
    Damage::Garbage.to(&world.process_file("set1"));
    world.run("bg-probe", &[]).exit(7);
    world.switch("set1").success();
    assert_eq!(world.live().as_deref(), Some("set1"));
}
