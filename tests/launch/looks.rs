//! What a launch costs on a machine with many processes: it asks those that it knows, and seldom all of them.

use super::{launch_fake, pid};
use bg_tests::strace::{Call, Strace};
use bg_tests::{Run, World, programs};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The calls, of these, that a launch into set2 makes, while set1 is live and a release is in set2.
#[track_caller]
fn traced(world: &World, calls: &str) -> Vec<Call> {
    let strace = Strace::of(calls, &world.path("strace"));
    let words = strace.words();
    let mut launch = world.command(Path::new(&words[0]));
    launch.args(&words[1..]).arg(programs::ours("bg-launch")).args(["--slot", "set2", "--", "fake-app"]);
    launch.ran().success().said("stopped pid ");
    strace.calls()
}

/// The files that it opens.
#[track_caller]
fn opened(world: &World) -> Vec<PathBuf> {
    let calls = traced(world, "open openat").into_iter();
    calls.filter(Call::opens).flat_map(|call| call.paths().into_iter().take(1)).collect()
}

/// How often all processes were listed, and whose descriptors were.
fn looks(opened: &[PathBuf]) -> (usize, BTreeSet<u32>) {
    let all = opened.iter().filter(|path| *path == Path::new("/proc")).count();
    let whose = |path: &PathBuf| path.strip_prefix("/proc").ok()?.to_str()?.strip_suffix("/fd")?.parse().ok();
    (all, opened.iter().filter_map(whose).collect())
}

#[test]
fn a_launch_waits_for_the_end_of_the_old_process_and_does_not_look_at_it_meanwhile() {
    let world = World::new();
    world.deploy(&[]).success();
    launch_fake(&world, &[]);
    let calls = traced(&world, "kill poll ppoll open openat");
    let after = calls.iter().skip_while(|call| call.name != "kill" || !call.arguments().contains("SIGTERM")).nth(1);
    let after = after.expect("a call after the signal");
    assert!(after.name.ends_with("poll"), "{after:?}");
}

#[test]
fn a_launch_that_replaces_a_running_release_lists_all_processes_once() {
    let world = World::new();
    world.deploy(&[]).success();
    let old = pid(&launch_fake(&world, &[]));
    let opened = opened(&world);
    let (all, whose) = looks(&opened);
    // For who has outlived the leader. (Where the kernel lists no children, it is three times.)
    let most =
        if Path::new("/proc/self/task").join(std::process::id().to_string()).join("children").exists() { 1 } else { 3 };
    assert!((1..=most).contains(&all), "{all} looks through all processes");
    assert_eq!(whose, [world.pid("set1"), old].into(), "the descriptors of these processes alone");
    // Beside the leaders and what it starts, bg-launch asks for its own ancestors.
    let stats: BTreeSet<_> = opened.iter().filter(|path| path.starts_with("/proc") && path.ends_with("stat")).collect();
    assert!(stats.len() <= 20, "{stats:?}");
}

#[test]
fn a_launch_that_replaces_a_release_with_children_looks_into_no_strangers_descriptors() {
    let world = World::new();
    world.deploy(&[]).success();
    let old = pid(&launch_fake(&world, &["--fork-server"]));
    let family = bg_tests::process::children(old).into_iter().chain([old, world.pid("set1")]);
    let (_, whose) = looks(&opened(&world));
    assert_eq!(whose, family.collect());
}
