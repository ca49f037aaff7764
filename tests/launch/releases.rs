//! Releases and logs: what is kept, and what is cleared away.

use super::{SOON, facts, launch, launch_fake, text};
use bg_tests::strace::Strace;
use bg_tests::{Run, World, programs, until};
use nix::errno::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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
    until(SOON, "the others are gone", || world.releases() == expected);
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
    until(SOON, "they are gone", || world.releases() == [".gitignore", &release, "README.txt"]);
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

/// A release that nobody uses, made that long ago or, with a minus, ahead.
fn old_release(world: &World, name: &str, seconds_ago: i64) -> PathBuf {
    let folder = world.dir().join("releases").join(name);
    world.write(folder.join(".command.json"), r#"["fake-app"]"#);
    let by = Duration::from_secs(seconds_ago.unsigned_abs());
    let time = if seconds_ago < 0 { SystemTime::now() + by } else { SystemTime::now() - by };
    File::open(&folder).and_then(|folder| folder.set_modified(time)).expect("a folder of ours");
    folder
}

#[test]
fn pruning_goes_on_past_what_can_not_be_renamed() {
    let world = World::new();
    let names = [1, 2].map(|n| format!("20200101T00000{n}Z-00000000"));
    let [older, _] = names.each_ref().map(|name| old_release(&world, name, 100));
    // Its way out is taken, by what is no remains of a release.
    world.write(older.with_file_name(format!(".{}", names[0])), "");
    launch(&world, &["--keep", "1", "--", "fake-app"]).success().said("old releases stay: ").said(&names[0]);
    until(SOON, "the other is gone", || !world.releases().iter().any(|name| name.ends_with(&names[1])));
    assert!(older.is_dir());
}

#[test]
fn a_launch_itself_removes_no_old_release_and_syncs_for_many_as_for_one() {
    let world = World::new();
    launch_fake(&world, &[]);
    let syncs = |many: u32| {
        (0..many).for_each(|n| drop(old_release(&world, &format!("20200101T{n:06}Z-00000000"), 100)));
        let strace = Strace::of("fsync unlinkat", &world.path("strace"));
        let words = strace.words();
        let mut launch = world.command(Path::new(&words[0]));
        launch
            .args(&words[1..])
            .arg(programs::ours("bg-launch"))
            .args(["--slot", "set2", "--keep", "2", "--", "fake-app"]);
        launch.ran().success().never_said("old releases stay");
        let calls = strace.calls();
        let within = |folder: &Path| calls.iter().filter(|call| call.paths().iter().any(|path| path == folder)).count();
        assert!(!calls.iter().any(|call| call.name == "unlinkat"), "{calls:?}");
        until(SOON, "they are gone", || !world.releases().iter().any(|name| name.contains("20200101T")));
        within(&world.dir().join("releases"))
    };
    assert_eq!(syncs(1), syncs(40));
}

#[test]
fn what_removes_old_releases_leaves_what_is_being_copied_and_what_is_whole() {
    let world = World::new();
    let releases = world.dir().join("releases");
    for name in [".incoming", ".20200101T000000Z-00000000", "20200101T000001Z-00000000"] {
        world.make_dir(releases.join(name).join("inside"));
    }
    world.run("bg-launch", &["--remove-remains", releases.to_str().expect("UTF-8")]).success();
    assert_eq!(world.releases(), [".incoming", "20200101T000001Z-00000000"]);
}

#[test]
fn releases_of_a_clock_that_was_ahead_are_older_than_those_made_since() {
    let world = World::new();
    for n in [1, 2] {
        old_release(&world, &format!("20350101T00000{n}Z-00000000"), -300_000_000 - n);
    }
    let keep = ["--keep", "2", "--", "fake-app"];
    let made: Vec<String> =
        (0..4).map(|_| text(&facts(&launch(&world, &keep).success()), "release").to_owned()).collect();
    // The newest and the one it has replaced.
    until(SOON, "the others are gone", || world.releases() == made[2..]);
}

#[test]
fn a_release_of_a_clock_that_is_behind_is_the_newest() {
    let world = World::new();
    let ahead = "20350101T000001Z-00000000";
    old_release(&world, ahead, -300_000_000);
    let now = text(&launch_fake(&world, &[]), "release").to_owned();
    let listed = launch(&world, &["--release", "1999"]).exit(2);
    listed.said(format!("\n  {now}\n  {ahead}\n"));
}
