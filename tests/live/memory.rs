//! Two releases at a time, and the memory for them.

use super::SOON;
use bg_tests::{World, programs, until};
use std::fs;

#[test]
fn a_launch_warns_where_two_releases_may_be_too_many() {
    let world = World::new();
    world.deploy(&[]).success().never_said("of memory");
    // A machine with hardly any memory left, for this one program.
    let meminfo = world.write("meminfo", "MemTotal: 999424 kB\nMemAvailable:     10 kB\n");
    let launch = programs::ours("bg-launch").display().to_string();
    let line = format!("mount --bind {} /proc/meminfo && exec {launch} --slot set2 -- fake-app", meminfo.display());
    let unshare = if nix::unistd::geteuid().is_root() { "unshare -m" } else { "unshare -rm" };
    let run = world.run_line(format!("{unshare} sh -c '{line}'")).success();
    run.said("warning: 0 MB of memory are available, and what runs in set1 uses ");
}

/// Where a process stands when the kernel chooses whom to end for want of memory, `proc_pid_oom_score_adj(5)`.
#[track_caller]
fn place(pid: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("it runs");
    text.trim().parse().expect("a number")
}

#[track_caller]
fn put(pid: u32, place: i32) {
    fs::write(format!("/proc/{pid}/oom_score_adj"), place.to_string()).expect("a process of ours");
}

/// Starts a release in set2, beside set1, which is live; its process once it listens.
#[track_caller]
fn launched_beside(world: &World, command: &[&str]) -> u32 {
    world.run("bg-launch", &[&["--slot", "set2", "--"], command].concat()).success();
    until(SOON, "it listens", || world.listens("set2"));
    world.pid("set2")
}

#[track_caller]
fn switched(world: &World, slot: &str) {
    world.switch(slot).success().never_said("warning");
}

#[test]
fn what_is_booted_is_the_first_to_go_until_it_is_live() {
    let world = World::new();
    world.deploy(&[]).success();
    let (live, usual) = (world.pid("set1"), place(world.pid("set1")));
    assert_eq!(usual, place(std::process::id()), "with nothing beside it there is nobody to spare");
    let booted = launched_beside(&world, &["fake-app"]);
    assert_eq!((place(live), place(booted)), (usual, 800));
    switched(&world, "set2");
    assert_eq!((place(live), place(booted)), (usual, usual));
    // What was live is what a rollback needs: it is as safe as it was.
    switched(&world, "set1");
    assert_eq!((place(live), place(booted)), (usual, usual));
    world.deploy(&[]).success();
    assert_eq!(place(world.pid("set2")), usual);
}

#[test]
fn what_it_has_started_before_the_switch_is_put_back_too_and_what_it_says_itself_is_left() {
    let world = World::new();
    world.deploy(&[]).success();
    let usual = place(world.pid("set1"));
    let app = world.script("app", "sleep 600 & echo $! >child\nsh -c 'echo 900 >/proc/self/oom_score_adj; exec sleep 600' & echo $! >own\nexec fake-app");
    let booted = launched_beside(&world, &[&app]);
    let work = world.dir().join("slots/set2/work");
    let of = |name| fs::read_to_string(work.join(name)).expect("it was written").trim().parse().expect("a pid");
    let (child, own) = (of("child"), of("own"));
    until(SOON, "it has said so", || place(own) == 900);
    assert_eq!((place(booted), place(child)), (800, 800));
    switched(&world, "set2");
    assert_eq!((place(booted), place(child), place(own)), (usual, usual, 900));
}

#[test]
fn it_is_put_back_to_where_it_was() {
    let world = World::new();
    world.deploy(&[]).success();
    let line = "echo 300 >/proc/self/oom_score_adj; exec bg-launch --slot set2 -- fake-app";
    world.run_line(line).success();
    until(SOON, "it listens", || world.listens("set2"));
    let booted = world.pid("set2");
    assert_eq!(place(booted), 800);
    switched(&world, "set2");
    assert_eq!(place(booted), 300);
}

#[test]
fn what_a_killed_switch_has_left_the_first_to_go_is_put_back_by_whoever_comes_next() {
    let world = World::new().link_form();
    world.deploy(&[]).success();
    world.deploy(&[]).success();
    let live = world.pid("set2");
    let usual = place(world.pid("set1"));
    // nginx has moved, and that is all.
    let left = || put(live, 800);
    left();
    switched(&world, "set2");
    assert_eq!(place(live), usual, "the same switch");
    left();
    world.run("bg-launch", &["--live"]).success().said_nothing();
    assert_eq!(place(live), usual, "the watchdog");
    left();
    world.run("bg-launch", &["--slot", "set1", "--", "fake-app"]).success();
    assert_eq!((place(live), place(world.pid("set1"))), (usual, 800), "the next launch");
}

#[test]
fn a_live_release_that_is_started_again_is_not_the_first_to_go() {
    let world = World::new().link_form();
    world.deploy(&[]).success();
    world.deploy(&[]).success();
    for words in [&["--live"][..], &["--slot", "set2", "--current"]] {
        super::kill(&world, "set2");
        world.run("bg-launch", words).success();
        assert_eq!(place(world.pid("set2")), place(world.pid("set1")), "{words:?}");
        until(SOON, "it serves", || world.listens("set2"));
    }
}

#[test]
fn a_switch_that_can_not_put_it_back_warns_and_is_done() {
    let world = World::new();
    world.deploy(&[]).success();
    let booted = launched_beside(&world, &["fake-app"]);
    let switch = programs::ours("bg-switch").display().to_string();
    let unshare = if nix::unistd::geteuid().is_root() { "unshare -m" } else { "unshare -rm" };
    let line = format!("{unshare} sh -c 'mount -o remount,bind,ro /proc && exec {switch} --to set2'");
    let run = world.run_line(&line).success();
    run.printed(r#""to":"set2""#)
        .said(format!("warning: set2 serves, but is still the first to go when memory runs out: pid {booted}: "));
    assert_eq!((world.live().as_deref(), place(booted)), (Some("set2"), 800));
    switched(&world, "set2");
    assert_ne!(place(booted), 800);
}
