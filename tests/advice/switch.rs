use super::{deploying, follow};
use bg_tests::{Ran, Run, World, process};
use std::os::unix::process::CommandExt;

/// `bg-switch --to set2` with little patience.
#[track_caller]
fn refused(world: &World, more: &[&str]) -> Ran {
    let run = world.run("bg-switch", &[&["--to", "set2", "--verify-timeout", "1s"], more].concat());
    assert!(run.code() != Some(0), "{run}");
    run
}

#[test]
fn folders_that_the_workers_may_not_enter_are_opened_by_the_printed_line() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: else nginx's workers own the folder");
    let world = World::new().link_form().both_running();
    for to in ["set2", "set1"] {
        world.switch(to).success();
    }
    // Two of them, of which only the first is named.
    for closed in [world.dir(), world.dir().join("routes")] {
        world.chmod(closed, 0o700);
    }
    let check = world.run("bg-switch", &["--check"]).exit(1);
    let line = refused(&world, &[]).advice("(mode 700): let them in: ");
    assert_eq!(check.advice("(mode 700): let them in: "), line);
    world.run_line(line).success();
    world.switch("set2").exit(5);
    world.chmod(world.dir().join("routes"), 0o755);
    world.switch("set2").success();
}

#[test]
fn a_folder_that_the_workers_group_may_not_enter_is_opened_by_the_printed_line() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it gives a folder to nginx's group");
    let world = World::new().link_form().both_running();
    world.make_dir(world.dir());
    world.chmod(world.dir(), 0o705);
    std::os::unix::fs::chown(world.dir(), None, Some(65534)).expect("root may");
    let line = refused(&world, &[]).advice("(mode 705): let them in: ");
    world.run_line(line).success();
    world.switch("set2").success();
}

#[test]
fn a_file_that_nginx_has_not_read_is_read_by_the_printed_line() {
    let world = World::new().both_running();
    world.run("bg-switch", &["--convert", "link"]).success();
    // Another program has changed it, and nginx goes on with what it knew.
    let link = world.nginx.read_upstream();
    world.point_at("set1");
    // Until its time tells it from what nginx has read: that of a process is in clock ticks.
    let mut run = None;
    bg_tests::until(super::SOON, "the file is seen to be newer", || {
        world.nginx.write_upstream(&link);
        let refused = refused(&world, &[]);
        let is_seen = refused.stderr().contains("reload nginx: ");
        run = Some(refused);
        is_seen
    });
    let run = run.expect("it was just there");
    follow(&world, &run, "reload nginx: ").success();
    bg_tests::until(super::SOON, "it is moved", || world.run("bg-switch", &["--to", "set2"]).code() == Some(0));
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_front_that_never_names_a_slot_is_done_without_by_the_printed_line() {
    let world = World::new();
    let nothing = world.nginx.front_url("/nothing-here");
    let world = deploying(world.env("BG_FRONT", &nothing).env("BG_SWITCH_VERIFY_TIMEOUT", "1s"), "").set1_running();
    let (world, file) = world.by_file();
    let run = world.run_line(format!("bg-deploy --env-file {file}")).exit(5);
    follow(&world, &run, "or go without one: ").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_front_that_never_names_a_slot_is_done_without_where_no_file_has_it() {
    let world = World::new();
    let nothing = world.nginx.front_url("/nothing-here");
    let world = deploying(world.env("BG_FRONT", &nothing).env("BG_SWITCH_VERIFY_TIMEOUT", "1s"), "").set1_running();
    let run = world.run("bg-deploy", &[]).exit(5);
    follow(&world, &run, "or go without one: ").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_slot_in_which_nothing_runs_is_started_by_the_printed_line() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    world.run("bg-launch", &["--slot", "set1", "--stop"]).success();
    let run = world.run("bg-switch", &["--to", "set1"]).exit(5);
    follow(&world, &run, "Start its release first: ").success();
    bg_tests::until(super::SOON, "it listens", || world.listens("set1"));
    world.switch("set1").success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_record_without_a_health_verdict_is_switched_to_by_the_printed_line() {
    let world = World::new().both_running();
    let slots = format!("set1={},set2={}", world.port("set1"), world.port("set2"));
    let world = world.env("BG_SLOTS", "set1=1,set2=2");
    let run = world.run_line(format!("bg-probe --slots {slots} | bg-switch --nginx '{}'", world.nginx.command_line()));
    follow(&world, &run.exit(3), "name the slot yourself: ").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn an_upgrade_of_nginx_is_finished_or_undone_by_the_printed_lines() {
    for words in ["finish the upgrade with ", "or go back to the old nginx with "] {
        let world = World::new().both_running();
        let old = world.nginx.upgrade();
        let refused = refused(&world, &[]);
        let line = refused.advice(words);
        let line = line.split(", or go back").next().expect("a line");
        world.run_line(line).success();
        if words.starts_with("finish") {
            process::gone(old);
        }
        let moved = || world.run("bg-switch", &["--to", "set2"]).code() == Some(0);
        bg_tests::until(super::SOON, "one nginx is left", moved);
    }
}

#[test]
fn a_user_who_may_not_replace_the_file_switches_by_either_printed_line() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it switches as another user");
    for words in ["Run this as root: ", "; or, once: "] {
        let world = World::new().with_sudo().both_running();
        let program = world.copy_of("bg-switch");
        world.make_dir(world.dir());
        std::os::unix::fs::chown(world.dir(), Some(65534), Some(65534)).expect("root may");
        let switch = || world.command(&program).args(["--to", "set2"]).uid(65534).gid(65534).ran();
        let run = switch().exit(1);
        follow(&world, &run, words).success();
        if words.contains("once") {
            switch().success();
        }
        assert_eq!(world.live().as_deref(), Some("set2"));
    }
}
