//! `--current`: what the slot holds is started again.

use super::{SOON, facts, launch, launch_fake, pid, text};
use bg_tests::{Run, World, process, sample_jar, until};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::lchown;

#[test]
fn launch_current_leaves_a_running_release() {
    let world = World::new();
    let running = launch_fake(&world, &[]);
    let again = facts(&launch(&world, &["--current"]).success());
    assert_eq!((pid(&again), text(&again, "release")), (pid(&running), text(&running, "release")));
    assert_eq!(again["was_running"], true);
    assert_eq!(world.names(world.dir().join("slots/set2/logs")).len(), 2, "one log and app.log");
}

#[test]
fn launch_current_starts_a_killed_release_as_it_was() {
    let world = World::new().env("JAVA_OPTS", "-Dfirst=1");
    let first = facts(&launch(&world, &[sample_jar("1.1").to_str().expect("UTF-8")]).success());
    let words = |app: u32| fs::read(format!("/proc/{app}/cmdline")).expect("it runs");
    let before = words(pid(&first));
    process::signal(pid(&first), Signal::SIGKILL);
    until(SOON, "it is gone", || !process::alive(pid(&first)));

    // What the environment says by now is for the next release.
    let world = world.env("JAVA_OPTS", "-Dsecond=2");
    let second = facts(&launch(&world, &["--current"]).success());
    assert_ne!(pid(&second), pid(&first));
    assert_eq!(text(&second, "release"), text(&first, "release"));
    assert_eq!(words(pid(&second)), before);
    until(SOON, "it listens", || world.listens("set2"));
    assert_eq!(world.releases().len(), 1);
    assert_ne!(text(&second, "log"), text(&first, "log"), "a crash's log is kept");
}

#[test]
fn launch_current_finds_a_relative_command_from_any_folder() {
    let world = World::new();
    assert_eq!(world.script("run", "exec fake-app"), world.word("run"));
    for (variable, words) in [(Some("./run"), &[][..]), (None, &["--", "./run"])] {
        let mut first = world.cmd("bg-launch");
        first.envs(variable.map(|command| ("BG_LAUNCH_COMMAND", command)));
        first.args(["--slot", "set2"]).args(words).current_dir(world.folder()).ran().success();
        launch(&world, &["--stop"]).success();
        world.cmd("bg-launch").args(["--slot", "set2", "--current"]).current_dir("/").ran().success();
        until(SOON, "it listens", || world.listens("set2"));
    }
}

#[test]
fn launch_current_starts_the_live_slot_when_it_is_down() {
    let world = World::new().set1_running();
    let app = pid(&launch_fake(&world, &[]));
    world.point_at("set2");
    process::signal(app, Signal::SIGKILL);
    until(SOON, "it is gone", || !world.listens("set2"));
    launch(&world, &["--current"]).success();
    until(SOON, "it serves", || world.live().as_deref() == Some("set2"));
}

#[test]
fn launch_current_exits_1_when_the_slot_is_empty() {
    let world = World::new();
    launch(&world, &["--current"]).exit(1).printed_nothing().said("set2 holds no release");
}

#[test]
fn launch_current_leaves_a_strangers_process() {
    let world = World::new();
    let stranger = world.start_fake("set2", &[]);
    let launched = launch(&world, &["--current"]).success().said("set2 runs already");
    assert!(facts(&launched).is_null());
    assert!(process::alive(stranger));
}

#[test]
fn launch_current_stops_what_a_crash_has_left() {
    let world = World::new();
    let words = ["--", "sh", "-c", "sleep 600 & exec fake-app"];
    let app = pid(&facts(&launch(&world, &words).success()));
    until(SOON, "it listens", || world.listens("set2"));
    let [left] = process::children(app)[..] else { panic!("one child") };
    process::signal(app, Signal::SIGKILL);
    until(SOON, "it is gone", || !process::alive(app) && !world.listens("set2"));
    assert!(process::alive(left));
    let again = pid(&facts(&launch(&world, &["--current"]).success()));
    assert!(!process::alive(left));
    assert!(process::alive(again));
}

#[test]
fn launch_current_exits_1_when_the_release_is_another_users() {
    let world = World::new();
    let release = text(&launch_fake(&world, &[]), "release").to_owned();
    launch(&world, &["--stop"]).success();
    let folder = world.dir().join("releases").join(release);
    let (template, artifact) = (folder.join(".command.json"), folder.join("artifact"));
    world.link("/bin/true", &artifact);
    for its in [&template, &artifact, &folder] {
        if let Err(e) = lchown(its, Some(12345), None) {
            // Only root can give a file away; who is not root runs nothing with another's rights.
            assert_eq!(e.kind(), std::io::ErrorKind::PermissionDenied);
            return;
        }
        launch(&world, &["--current"]).exit(1).printed_nothing().said("belongs to another user (uid 12345)");
        assert!(!world.listens("set2"));
        lchown(its, Some(0), None).expect("root may");
    }
    world.write(&template, "not ours to read");
    lchown(&template, Some(12345), None).expect("root may");
    launch(&world, &["--current"]).exit(1).said("belongs to another user (uid 12345)");
}
