//! bg-switch in the reload form: it moves, it proves, and whatever goes wrong it goes back.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use assert_cmd::assert::Assert;
use bg_tests::{Traffic, World, http, process, programs, until};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
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
    assert!(said(&moved).contains("switch  set1 -> set2 by reload, seen 5 of 5 times at http://127.0.0.1:"));
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
fn a_reload_that_never_takes_place_is_undone() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let _busy = a_busy_port(&world);
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let refused = world.cmd("bg-switch").args(["--to", "set2", "--verify-timeout", "3s"]).assert().code(5).stdout("");
    assert!(said(&refused).contains("bind() to 127.0.0.1:"), "nginx's own words: {}", said(&refused));
    assert!(said(&refused).contains("set1 is serving, seen at the front"), "{}", said(&refused));
    let counts = traffic.stop();
    assert_eq!((counts.failed, counts.answers.len()), (0, 1), "{counts}");
    assert_untouched(&world, &before);
}

#[test]
fn a_file_that_is_broken_elsewhere_is_not_our_downfall() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    world.nginx.add_to_http("broken", "server { listen 127.0.0.1:1 oops; }\n");
    let refused = switch(&world, "set2").code(5).stdout("");
    assert!(said(&refused).contains("configuration: [emerg] invalid parameter \"oops\""), "{}", said(&refused));
    assert!(said(&refused).contains("set1 is serving"), "{}", said(&refused));
    assert_untouched(&world, &before);
}

#[test]
fn without_a_running_nginx_nothing_changes() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    world.nginx.stop();
    let refused = switch(&world, "set2").code(5).stdout("");
    assert!(said(&refused).contains("does it run?"), "{}", said(&refused));
    assert!(said(&refused).contains("set1 was live before, but the front answered connection refused"));
    assert_eq!(world.nginx.read_upstream(), before);
    world.nginx.start();
    assert_untouched(&world, &before);
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
fn a_slot_that_answers_as_another_is_refused() {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &["--other-profile", "real"]);
    let before = world.nginx.read_upstream();
    let refused = world.cmd("bg-switch").args(["--to", "set2", "--verify-timeout", "1s"]).assert().code(5);
    assert!(said(&refused).contains("within 1.0s: the front answered 200 \"real\""), "{}", said(&refused));
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
fn only_the_address_changes_in_the_file() {
    let world = both_run();
    let port = world.port("set1");
    let text = format!(
        "# set $service_url http://127.0.0.1:1; was before\n\n  set\t$service_url  'http://127.0.0.1:{port}' ; # {{ \"\n\
         set $other 'a; b';\r\n# no line end"
    );
    world.nginx.write_upstream(&text);
    world.nginx.reload();
    switch(&world, "set2").success();
    let address = |slot: &str| format!("http://127.0.0.1:{}", world.port(slot));
    let expected = text.replace(&format!("'{}'", address("set1")), &address("set2"));
    assert_eq!(world.nginx.read_upstream(), expected);
}

#[test]
fn a_file_that_is_not_ours_to_write_is_left_alone() {
    let world = both_run();
    let line = world.nginx.read_upstream();
    for text in ["# nothing here\n", &format!("{line}{line}"), "set $service_url", ""] {
        world.nginx.write_upstream(text);
        let refused = switch(&world, "set2").code(1).stdout("");
        assert!(said(&refused).contains("expected one line like `set $service_url http://127.0.0.1:8081;`"));
        assert_eq!(world.nginx.read_upstream(), text);
    }
}

#[test]
fn a_missing_file_is_made() {
    let world = both_run();
    fs::remove_file(world.nginx.upstream_file()).expect("the upstream file");
    switch(&world, "set2").success();
    assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn mode_owner_and_link_of_the_file_are_kept() {
    let world = both_run();
    let (link, file) = (world.nginx.upstream_file(), world.folder().join("elsewhere.inc"));
    fs::rename(&link, &file).expect("our folder");
    symlink(&file, &link).expect("our folder");
    fs::set_permissions(&file, Permissions::from_mode(0o604)).expect("our folder");
    let root = nix::unistd::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&file, Some(4711), Some(4712)).expect("root may");
    }
    let owner = fs::metadata(&file).map(|meta| (meta.uid(), meta.gid(), meta.mode() & 0o777)).expect("our file");
    switch(&world, "set2").success();
    assert_eq!(fs::read_link(&link).expect("still a link"), file);
    let now = fs::metadata(&file).map(|meta| (meta.uid(), meta.gid(), meta.mode() & 0o777)).expect("our file");
    assert_eq!(now, owner);
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_file_that_can_not_be_written_is_the_systems_refusal() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    // Root may write anywhere; but nobody can put a file where a folder is.
    let beside = world.nginx.upstream_file().with_file_name(".service-url.inc.bg-new");
    fs::create_dir(&beside).expect("our folder");
    let refused = switch(&world, "set2").code(1).stdout("");
    assert!(said(&refused).contains(&beside.display().to_string()), "{}", said(&refused));
    fs::remove_dir(&beside).expect("our folder");
    assert_untouched(&world, &before);
}

#[test]
fn a_link_that_leads_nowhere_is_not_replaced_by_a_file() {
    let world = both_run();
    let link = world.nginx.upstream_file();
    fs::remove_file(&link).expect("the upstream file");
    symlink(world.folder().join("nowhere"), &link).expect("our folder");
    let refused = switch(&world, "set2").code(1);
    assert!(said(&refused).contains("is a symbolic link that leads nowhere"), "{}", said(&refused));
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
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
fn who_interrupts_it_is_back_where_he_was() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let _busy = a_busy_port(&world);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let refusals = world.nginx.error_log().matches("bind() to").count();
        let mut command = world.command(&programs::ours("bg-switch"));
        command.args(["--to", "set2", "--verify-timeout", "60s"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("bg-switch, which was found before");
        let tried = || world.nginx.error_log().matches("bind() to").count() > refusals;
        until(SOON, "nginx tries the new configuration", tried);
        assert_ne!(world.nginx.read_upstream(), before);
        process::signal(child.id(), signal);
        let output = child.wait_with_output().expect("a child of ours");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{signal}: {said}");
        assert!(said.contains("a signal interrupted the switch to set2"), "{said}");
        assert_untouched(&world, &before);
    }
}

#[test]
fn killed_before_the_reload_the_same_command_finishes() {
    let world = both_run();
    let deadly = wrapper(&world, "ngx", "[ \"$last\" = -t ] && kill -9 $PPID");
    kill_half_way(&world, &deadly);
    assert_eq!(world.live().as_deref(), Some("set1"), "nginx has read nothing");
    assert!(world.nginx.read_upstream().contains(&world.port("set2").to_string()), "but the file has changed");

    let probed = world.cmd("bg-probe").args(["--format", "name"]).assert().success().stdout("set2\n");
    assert!(said(&probed).contains("an earlier switch to set2 was cut short; nginx serves set1"), "{}", said(&probed));
    let finished = switch(&world, "set2").success();
    assert!(said(&finished).contains("an earlier switch to set2 was cut short"), "{}", said(&finished));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(!world.dir().join("switching.json").exists());
}

#[test]
fn killed_after_the_reload_the_way_back_is_open_too() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let nginx = world.nginx.command_line();
    let deadly = wrapper(&world, "ngx", &format!("[ \"$last\" = reload ] && {nginx} \"$@\" && kill -9 $PPID"));
    kill_half_way(&world, &deadly);
    // Whoever comes next: also a deploy, whose bg-launch has no nginx to ask.
    world.shell("bg-launch --slot idle --adopt -- fake-app </dev/null | bg-health").assert().success();
    world.cmd("bg-probe").args(["--slot", "live", "--format", "name"]).assert().success().stdout("set2\n");
    assert_eq!(world.live().as_deref(), Some("set2"));
    switch(&world, "set1").success();
    assert_untouched(&world, &before);
    switch(&world, "set2").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

fn kill_half_way(world: &World, nginx: &str) {
    let mut command = world.command(&programs::ours("bg-switch"));
    let status = command.args(["--to", "set2", "--nginx", nginx]).stdout(Stdio::null()).status();
    assert_eq!(status.expect("bg-switch, which was found before").code(), None, "it was killed");
    assert!(world.dir().join("switching.json").exists());
}

#[test]
fn an_edit_that_was_never_reloaded_is_settled_by_who_names_the_slot() {
    let world = both_run();
    let line = |slot: &str| format!("set $service_url http://127.0.0.1:{};\n", world.port(slot));
    world.nginx.write_upstream(&line("set2"));
    world.cmd("bg-probe").assert().code(7);
    world.nginx.add_to_http("broken", "oops;\n");
    // What goes back is what nginx serves, not what the file said.
    let refused = switch(&world, "set2").code(5);
    assert!(said(&refused).contains("set1 is serving"), "{}", said(&refused));
    assert_untouched(&world, &line("set1"));

    world.nginx.add_to_http("broken", "");
    world.nginx.write_upstream(&line("set2"));
    switch(&world, "set1").success();
    assert_untouched(&world, &line("set1"));
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

#[test]
fn an_unprivileged_user_is_refused_and_nothing_is_left() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let program = a_copy_for_all(&world);
    let mut command = world.command(&program);
    for folder in [world.dir(), world.nginx.upstream_file().parent().expect("a folder").to_owned()] {
        fs::create_dir_all(&folder).expect("our folder");
    }
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(world.dir(), Some(65534), Some(65534)).expect("root may");
        nobody(&mut command);
    } else {
        let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
        fs::set_permissions(folder, Permissions::from_mode(0o555)).expect("our folder");
    }
    let refused = assert_cmd::Command::from_std(command).args(["--to", "set2"]).assert().code(1).stdout("");
    assert!(said(&refused).contains("Permission denied"), "{}", said(&refused));
    let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("our folder");
    assert_untouched(&world, &before);
}

/// The program where everybody may run it.
fn a_copy_for_all(world: &World) -> PathBuf {
    let copy = world.folder().join("bg-switch");
    fs::copy(programs::ours("bg-switch"), &copy).expect("our folder");
    copy
}

fn nobody(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.uid(65534).gid(65534);
}
