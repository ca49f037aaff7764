//! `--release`: a release that is on disk is put into the slot again.

use super::{SOON, facts, launch, launch_fake, pid, text};
use bg_tests::{World, process, until};

#[test]
fn launch_release_starts_an_old_release_as_it_was_started() {
    let world = World::new();
    let first = text(&launch_fake(&world, &["--version-text", "1.0"]), "release").to_owned();
    let second = launch_fake(&world, &["--version-text", "1.1"]);
    let again = facts(&launch(&world, &["--release", &first]).success());
    assert!(!process::alive(pid(&second)));
    assert_eq!((text(&again, "release"), text(&again, "replaced")), (first.as_str(), text(&second, "release")));
    assert!(world.held("set2").as_ref() == Some(&first));
    until(SOON, "1.0 answers", || world.get_slot("set2", "/version").is_ok_and(|answer| answer.body == "1.0"));
}

#[test]
fn launch_release_leaves_a_running_release() {
    let world = World::new();
    let running = launch_fake(&world, &[]);
    let again = facts(&launch(&world, &["--release", text(&running, "release")]).success());
    assert_eq!((pid(&again), &again["was_running"]), (pid(&running), &true.into()));
}

#[test]
fn launch_release_makes_the_running_release_current() {
    let world = World::new();
    let running = text(&launch_fake(&world, &[]), "release").to_owned();
    let held = world.dir().join("slots/set2/current");
    world.remove(&held);
    world.link("../../releases/another", &held);
    launch(&world, &["--release", &running]).success();
    assert!(world.held("set2").as_ref() == Some(&running));
}

#[test]
fn launch_release_takes_a_prefix_that_is_unambiguous() {
    let world = World::new();
    let names = [0, 1, 2].map(|_| text(&launch_fake(&world, &[]), "release").to_owned());
    let unclear = launch(&world, &["--release", &names[0][..3]]).exit(2).printed_nothing();
    let listed = names.iter().rev().fold(String::new(), |lines, name| format!("{lines}\n  {name}"));
    unclear.said(format!("3 releases begin with \"{}\"; name one of them:{listed}\n", &names[0][..3]));
    // Its whole name is also how those of the same second begin.
    let again = facts(&launch(&world, &["--release", &names[0]]).success());
    assert_eq!(text(&again, "release"), names[0]);
    let told = (1..names[2].len()).map(|end| &names[2][..end]);
    if let Some(prefix) = told.clone().find(|prefix| names.iter().filter(|name| name.starts_with(*prefix)).count() == 1)
    {
        assert_eq!(text(&facts(&launch(&world, &["--release", prefix]).success()), "release"), names[2]);
    }
}

#[test]
fn launch_release_exits_2_and_lists_the_releases_when_none_matches() {
    let world = World::new();
    launch(&world, &["--release", "2026"]).exit(2).said("there are none in ");
    let running = launch_fake(&world, &[]);
    launch(&world, &["--release", ""]).exit(2).printed_nothing().said("--release");
    for wanted in ["1999", "../../etc", ".incoming"] {
        let refused = launch(&world, &["--release", wanted]).exit(2).printed_nothing();
        refused.said(format!("no release begins with \"{wanted}\"")).said(text(&running, "release"));
    }
    assert!(process::alive(pid(&running)));
}

#[test]
fn launch_release_exits_7_when_the_slot_is_live() {
    let world = World::new();
    let first = text(&launch_fake(&world, &[]), "release").to_owned();
    let live = launch_fake(&world, &[]);
    world.point_at("set2");
    launch(&world, &["--release", &first]).exit(7).said("set2 is live");
    assert!(process::alive(pid(&live)));
}
