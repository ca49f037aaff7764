//! bg-switch in the reload form: it moves, it proves, and whatever goes wrong it goes back.

/// Which nginx it is: one beside the distribution's own, or one of another name.
mod elsewhere;

/// The upstream file: only the address in it changes, and a file that is not ours stays as it is.
mod file;

/// What goes wrong, is interrupted or killed is undone, and the old slot goes on serving.
mod undone;

/// Two nginxes at once: an upgrade under way.
mod upgraded;

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;
use std::time::Duration;

use assert_cmd::assert::Assert;
use bg_tests::{World, http};
use nix::fcntl::{Flock, FlockArg};
use predicates::str::contains;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// Both slots run, and nginx serves set1.
fn both_run() -> World {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    world
}

fn switch(world: &World, to: &str) -> Assert {
    world.cmd("bg-switch").args(["--to", to]).assert()
}

fn said(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// A program that nginx is called by; `before` runs first, with `$last` as the last argument.
fn wrapper(world: &World, name: &str, before: &str) -> String {
    let path = world.folder().join(name);
    let nginx = world.nginx.command_line();
    fs::write(&path, format!("#!/bin/sh\nfor last; do :; done\n{before}\nexec {nginx} \"$@\"\n")).expect("our folder");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("our folder");
    path.display().to_string()
}

/// Another site in the same nginx wants a port that somebody else has.
fn a_busy_port(world: &World) -> TcpListener {
    let port = world.free_port();
    let busy = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    world.nginx.add_to_http("busy", &format!("server {{ listen 127.0.0.1:{port}; }}\n"));
    busy
}

/// Everything as it was: the bytes, the slot at the front, and nothing left beside the file or to settle.
#[track_caller]
fn assert_untouched(world: &World, before: &str) {
    assert_eq!(world.nginx.read_upstream(), before);
    assert_eq!(world.live().as_deref(), Some("set1"));
    assert!(!world.dir().join("switching.json").exists());
    let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
    let names: Vec<_> = fs::read_dir(folder).expect("our folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("bg-new")), "{names:?}");
}

#[test]
fn it_moves_and_says_by_which_evidence() {
    let world = both_run();
    let moved = switch(&world, "set2").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
    let line = String::from_utf8_lossy(&moved.get_output().stdout).into_owned();
    let record: Value = serde_json::from_str(&line).expect("a record");
    let fact = |key: &str| record["switch"][key].as_str().unwrap_or_default().to_owned();
    assert_eq!((fact("from"), fact("to")), ("set1".into(), "set2".into()));
    assert_eq!((fact("form"), fact("evidence")), ("reload".into(), "front".into()));
    assert!(said(&moved).contains("switch  set1 -> set2 by reload, seen 5 times at http://127.0.0.1:"));
}

#[test]
fn no_fresh_connection_gets_the_old_slot_once_it_has_exited() {
    let world = both_run();
    no_stale_answer(&world, 20);
}

#[test]
fn where_the_workers_can_not_be_watched_it_is_as_certain() {
    let world = both_run();
    let world = {
        let wrapped = wrapper(&world, "docker-exec-nginx", "");
        world.env("BG_NGINX", &wrapped)
    };
    no_stale_answer(&world, 10);
}

/// Each visitor comes by himself, right after the exit: one of nginx's workers alone would not be noticed.
#[track_caller]
fn no_stale_answer(world: &World, switches: usize) {
    for to in ["set2", "set1"].into_iter().cycle().take(switches) {
        switch(world, to).success();
        let url = world.nginx.front_url("/profile");
        let ask = || (0..10).map(|_| http::get(&url).expect("an answer").body).collect::<Vec<_>>();
        let answers = thread::scope(|scope| {
            let visitors: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            visitors.into_iter().flat_map(|visitor| visitor.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert!(answers.iter().all(|answer| answer == to), "{to}: {answers:?}");
    }
}

#[test]
fn a_slot_where_nothing_listens_is_refused() {
    let world = World::new();
    world.start_fake("set1", &[]);
    let before = world.nginx.read_upstream();
    let refused = switch(&world, "set2").code(5);
    assert!(said(&refused).contains("nothing listens on port"), "{}", said(&refused));
    assert_untouched(&world, &before);
}

#[test]
fn where_it_is_already_nothing_is_written() {
    let world = both_run();
    let identity = || fs::metadata(world.nginx.upstream_file()).map(|meta| (meta.ino(), meta.mtime_nsec())).ok();
    let (before, workers) = (identity(), world.nginx.workers());
    let assert = switch(&world, "set1").success();
    assert!(said(&assert).contains("set1 serves already"), "{}", said(&assert));
    assert_eq!((identity(), world.nginx.workers()), (before, workers));
}

#[test]
fn without_a_front_new_workers_are_the_evidence() {
    let world = both_run().env("BG_FRONT", "-");
    let old = world.nginx.workers();
    let moved = switch(&world, "set2").success().stdout(contains("\"evidence\":\"workers\""));
    assert!(said(&moved).contains("seen in nginx's workers"), "{}", said(&moved));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(world.nginx.workers().iter().any(|worker| !old.contains(worker)));

    let before = world.nginx.read_upstream();
    let _busy = a_busy_port(&world);
    let refused = world.cmd("bg-switch").args(["--to", "set1", "--verify-timeout", "1s"]).assert().code(5);
    assert!(said(&refused).contains("old workers still took connections"), "{}", said(&refused));
    assert_eq!(world.nginx.read_upstream(), before);
}

#[test]
fn with_neither_front_nor_workers_nothing_is_switched() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let wrapped = wrapper(&world, "ngx", "");
    let refused = world.cmd("bg-switch").args(["--to", "set2", "--front", "-", "--nginx", &wrapped]).assert().code(5);
    assert!(said(&refused).contains("nothing could prove the switch"), "{}", said(&refused));
    assert_untouched(&world, &before);
}

#[test]
fn a_missing_nginx_is_said_before_anything_is_written() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let inode = || fs::metadata(world.nginx.upstream_file()).map(|meta| meta.ino()).ok();
    let file = inode();
    let refused = world.cmd("bg-switch").args(["--to", "set2", "--nginx", "no-such-nginx -c x"]).assert().code(1);
    assert_eq!(inode(), file);
    assert!(said(&refused).contains("no-such-nginx: not on this machine's PATH"), "{}", said(&refused));
    assert_untouched(&world, &before);
}

#[test]
fn a_record_needs_a_verdict_and_the_process_it_is_about() {
    let world = World::new();
    world.start_fake("set1", &[]);
    let before = world.nginx.read_upstream();
    let launched = world.shell("bg-probe | bg-launch -- fake-app").assert().success();
    let unjudged = launched.get_output().stdout.clone();
    let refused = world.cmd("bg-switch").write_stdin(unjudged.clone()).assert().code(3).stdout("");
    assert!(said(&refused).contains("no health verdict for set2"), "{}", said(&refused));
    let judged = world.cmd("bg-health").write_stdin(unjudged).assert().success().get_output().stdout.clone();

    world.shell("bg-launch --slot set2 -- fake-app </dev/null | bg-health").assert().success();
    let refused = world.cmd("bg-switch").write_stdin(judged).assert().code(5).stdout("");
    assert!(said(&refused).contains("set2 no longer runs pid"), "{}", said(&refused));
    assert_untouched(&world, &before);
}

#[test]
fn who_holds_the_lock_is_left_alone() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    fs::create_dir_all(world.dir()).expect("our folder");
    let file = File::create(world.dir().join("lock")).expect("our folder");
    let held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).expect("flock(2)");
    let refused = switch(&world, "set2").code(6).stdout("");
    assert!(said(&refused).contains("another deploy holds"), "{}", said(&refused));
    assert_untouched(&world, &before);
    drop(held);
    switch(&world, "set2").success();
}
