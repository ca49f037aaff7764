//! Releases and logs: what is kept, and what is cleared away.

use super::{facts, launch, launch_fake, text};
use bg_tests::strace::Strace;
use bg_tests::{Run, World, programs};
use nix::errno::Errno;
use std::path::Path;

#[test]
fn pruning_never_takes_a_release_in_use() {
    let world = World::new();
    let keep = ["--keep", "1", "--", "fake-app"];
    let first = facts(&world.cmd("bg-launch").args(["--slot", "set1"]).args(keep).ran().success());
    let last = || text(&facts(&launch(&world, &keep).success()), "release").to_owned();
    let [_, replaced, newest] = [last(), last(), last()];
    // The last launch may yet have to be undone.
    let mut expected = [text(&first, "release").to_owned(), replaced, newest];
    expected.sort_unstable();
    assert_eq!(world.releases(), expected);
    assert_eq!(world.names(world.dir().join("slots/set2/logs")).len(), 2, "the newest log and app.log");
}

#[test]
fn pruning_never_takes_the_release_of_a_renamed_slot() {
    let world = World::new();
    let serving = text(&launch_fake(&world, &[]), "release").to_owned();
    let blue_port = world.free_port();
    let slots = format!("blue={blue_port},green={}", world.free_port());
    world.nginx.write_upstream(&format!("set $service_url http://127.0.0.1:{blue_port};\n"));
    let blue = ["--slots", &slots, "--slot", "blue", "--keep", "0", "--", "fake-app"];
    world.run("bg-launch", &blue).success();
    assert!(world.releases().contains(&serving));
}

#[test]
fn what_a_killed_run_left_is_cleared_away_and_nothing_else_is() {
    let world = World::new();
    let releases = world.dir().join("releases");
    for left in [".incoming", ".20200101T000000Z-00000000"] {
        world.make_dir(releases.join(left).join("inside"));
    }
    world.write(releases.join(".gitignore"), "*");
    world.write(releases.join("README.txt"), "ours");
    let release = text(&launch_fake(&world, &[]), "release").to_owned();
    assert_eq!(world.releases(), [".gitignore", &release, "README.txt"]);
}

#[test]
fn two_commands_within_a_second_are_two_releases() {
    let world = World::new();
    world.write("app.bin", "the same");
    let artifact = world.word("app.bin");
    // A slow machine may need several attempts to have two within one second; all must differ anyhow.
    for version in ["1", "2", "3", "4"] {
        let launched = facts(&launch(&world, &[&artifact, "--", "fake-app", "--version-text", version]).success());
        let command = world.dir().join("releases").join(text(&launched, "release")).join(".command.json");
        assert_eq!(world.read(command), format!(r#"["fake-app","--version-text","{version}"]"#));
    }
    assert_eq!(world.releases().len(), 4);
}

#[test]
fn a_slot_holds_its_newest_release() {
    let world = World::new();
    for _ in 0..2 {
        let release = text(&launch_fake(&world, &[]), "release").to_owned();
        assert!(world.held("set2").as_ref() == Some(&release));
    }
    assert_eq!(world.releases().len(), 2);
}

#[test]
fn pruning_never_takes_a_running_release_that_its_slot_does_not_hold() {
    let world = World::new();
    let running = text(&launch_fake(&world, &[]), "release").to_owned();
    world.point_at("set2");
    let into_set1 = ["--slot", "set1", "--keep", "0", "--", "fake-app"];
    let other = facts(&world.run("bg-launch", &into_set1).success());
    let held = world.dir().join("slots/set2/current");
    world.remove(&held);
    world.link(format!("../../releases/{}", text(&other, "release")), &held);
    world.run("bg-launch", &into_set1).success();
    assert!(world.releases().contains(&running));
}

#[test]
fn launch_removes_a_release_whose_folder_can_not_be_synced() {
    let world = World::new();
    launch_fake(&world, &[]);
    let before = world.releases();
    // The folder is synced for the new one, and again when that has got its name.
    let strace = Strace::of("fsync", &world.path("strace"));
    let strace = strace.only_on(&[world.dir().join("releases")]).fail_at("fsync", 2, Errno::EIO);
    let words = strace.words();
    let mut launch = world.command(Path::new(&words[0]));
    launch.args(&words[1..]).arg(programs::ours("bg-launch")).args(["--slot", "set2", "--", "fake-app"]);
    let failed = launch.ran().exit(1).said("fsync");
    assert!(strace.struck().is_some(), "{failed}");
    assert_eq!(world.releases(), before);
}

#[test]
fn pruning_goes_on_past_what_can_not_be_removed() {
    let world = World::new();
    let stuck = ".20200101T000000Z-00000000";
    // No folder, and so nothing that a release has left.
    world.write(world.dir().join("releases").join(stuck), "");
    for _ in 0..2 {
        launch_fake(&world, &[]);
    }
    launch(&world, &["--keep", "1", "--", "fake-app"]).success().said("old releases stay: ").said(stuck);
    assert_eq!(world.releases().len(), 3, "the newest, the one before and what can't be removed");
}
