//! The link form: one rename, nothing cut, and the way from one form to the other.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use bg_tests::{KeepAlive, Traffic, World, http, programs, until};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

const SOON: Duration = Duration::from_secs(20);
const NOBODY: u32 = 65534;

/// Both slots run, nginx looks at the link, and serves set1.
fn both_run() -> World {
    let world = World::new().link_form();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    world
}

/// The same in the scripts' own site: the reload form.
fn both_run_in_the_reload_form() -> World {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    world
}

/// The printed site beside the scripts' own, with the same upstream file; the front is its `/_bg/slot`.
fn printed_site(world: World) -> (World, String) {
    let listen = format!("127.0.0.1:{}", world.free_port());
    let printed = world.cmd("bg-switch").args(["--print-site", "--listen", &listen]).assert().success();
    world.nginx.add_to_http("site", &String::from_utf8_lossy(&printed.get_output().stdout));
    world.nginx.reload();
    let url = format!("http://{listen}");
    (world.env("BG_FRONT", &format!("{url}/_bg/slot")), url)
}

fn switch(world: &World, to: &str) -> Assert {
    world.cmd("bg-switch").args(["--to", to, "--verify-timeout", "1s"]).assert()
}

fn convert(world: &World, form: &str) -> Assert {
    world.cmd("bg-switch").args(["--convert", form, "--verify-timeout", "2s"]).assert()
}

fn said(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// The slot that the link names.
fn linked(world: &World) -> Option<String> {
    let target = fs::read_link(world.dir().join("live")).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

#[test]
fn a_switch_is_seen_at_the_next_request() {
    let world = both_run();
    let (file, workers) = (world.nginx.read_upstream(), world.nginx.workers());
    let moved = switch(&world, "set2").success().stdout(contains("\"form\":\"link\",").and(contains("\"front\"")));
    assert!(said(&moved).contains("switch  set1 -> set2 by link, seen 5 of 5 times"), "{}", said(&moved));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert_eq!(linked(&world).as_deref(), Some("set2"));
    switch(&world, "set1").success();
    assert_eq!(world.live().as_deref(), Some("set1"));
    assert_eq!((world.nginx.read_upstream(), world.nginx.workers()), (file, workers), "no rewrite, no reload");
}

#[test]
fn no_fresh_connection_gets_the_old_slot_once_it_has_exited() {
    let world = both_run();
    for to in ["set2", "set1"].into_iter().cycle().take(20) {
        switch(&world, to).success();
        let ask = || (0..10).map(|_| world.get("/profile").body).collect::<Vec<_>>();
        let answers = thread::scope(|scope| {
            let visitors: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            visitors.into_iter().flat_map(|visitor| visitor.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert!(answers.iter().all(|answer| answer == to), "{to}: {answers:?}");
    }
}

#[test]
fn nothing_is_lost_over_a_hundred_switches_under_load() {
    let (world, url) = printed_site(both_run_in_the_reload_form());
    convert(&world, "link").success();
    let visitors = [("GET", "/profile"), ("POST", "/echo")]
        .map(|(method, path)| KeepAlive::start(method, &format!("{url}{path}"), 8));
    until(SOON, "visitors come", || visitors.iter().all(|visitors| visitors.sent() > 100));
    for to in ["set2", "set1"].into_iter().cycle().take(100) {
        switch(&world, to).success();
    }
    for visitors in visitors {
        assert!(visitors.sent() > 1000, "{} requests", visitors.sent());
        assert_eq!(visitors.stop(), Vec::<String>::new());
    }
}

#[test]
fn it_needs_no_root_and_no_nginx_program() {
    let world = both_run();
    let program = world.folder().join("bg-switch");
    fs::copy(programs::ours("bg-switch"), &program).expect("our folder");
    fs::create_dir_all(world.dir()).expect("our folder");
    let mut command = world.command(&program);
    if nix::unistd::geteuid().is_root() {
        chown(world.dir(), Some(NOBODY), Some(NOBODY)).expect("root may");
        command.uid(NOBODY).gid(NOBODY);
    }
    command.args(["--to", "set2", "--nginx", "/nowhere/nginx"]);
    assert_cmd::Command::from_std(command).assert().success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn where_it_is_already_nothing_is_written() {
    let world = both_run();
    switch(&world, "set1").success();
    assert_eq!(linked(&world), None, "nginx serves set1 without a link as well");
    switch(&world, "set2").success();
    let identity = || fs::symlink_metadata(world.dir().join("live")).map(|link| (link.ino(), link.ctime_nsec())).ok();
    let before = identity();
    let assert = switch(&world, "set2").success();
    assert!(said(&assert).contains("set2 serves already"), "{}", said(&assert));
    assert_eq!(identity(), before);
}

#[test]
fn a_slot_that_does_not_answer_as_itself_is_undone() {
    let world = World::new().link_form();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &["--other-profile", "real"]);
    let refused = switch(&world, "set2").code(5).stdout("");
    assert!(said(&refused).contains("within 1.0s: the front answered 200 \"real\""), "{}", said(&refused));
    assert!(said(&refused).contains("The link is as it was; set1 is serving, seen at the front"), "{}", said(&refused));
    assert_eq!((world.live().as_deref(), linked(&world)), (Some("set1"), None));
}

#[test]
fn workers_that_may_not_enter_the_folder_are_the_reason() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: else nginx's workers own the folder");
    let world = both_run();
    fs::create_dir(world.dir()).expect("our folder");
    fs::set_permissions(world.dir(), Permissions::from_mode(0o700)).expect("our folder");
    let reason = format!("may not enter {} (mode 700): chmod o+x it", world.dir().display());
    let refused = switch(&world, "set2").code(5);
    assert!(said(&refused).contains(&format!("nginx's workers (uid {NOBODY}) {reason}")), "{}", said(&refused));

    let refused =
        world.cmd("bg-switch").args(["--to", "set2", "--nginx", "/nowhere", "--verify-timeout", "1s"]).assert().code(5);
    assert!(said(&refused).contains(&format!("nginx's workers {reason}")), "{}", said(&refused));
    assert_eq!(linked(&world), None);

    fs::set_permissions(world.dir(), Permissions::from_mode(0o711)).expect("our folder");
    switch(&world, "set2").success();
}

#[test]
fn a_cache_of_open_files_is_the_reason() {
    let world = both_run();
    world.nginx.add_to_http("cache", "open_file_cache max=100;\nopen_file_cache_errors on;\n");
    world.nginx.add_to_location("worker", "add_header X-Worker $pid;\n");
    world.nginx.reload();
    let workers = world.nginx.workers();
    let mut asked = BTreeSet::new();
    until(SOON, "each worker has looked", || {
        let ask = || http::get(&world.nginx.front_url("/profile")).expect("an answer");
        let answers = thread::scope(|scope| {
            let visitors: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            visitors.into_iter().map(|visitor| visitor.join().expect("no panic")).collect::<Vec<_>>()
        });
        asked.extend(answers.iter().filter_map(|answer| answer.header("x-worker")?.parse::<u32>().ok()));
        asked.is_superset(&workers)
    });
    let refused = switch(&world, "set2").code(5);
    assert!(said(&refused).contains("open_file_cache is on"), "{}", said(&refused));
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn a_file_that_nginx_has_not_read_is_the_reason() {
    let world = both_run_in_the_reload_form();
    let printed = world.cmd("bg-switch").arg("--print-upstream").assert().success();
    let started = Instant::now();
    until(SOON, "nginx is older than the file", || started.elapsed() > Duration::from_millis(300));
    world.nginx.write_upstream(&String::from_utf8_lossy(&printed.get_output().stdout));
    let refused = switch(&world, "set2").code(5);
    assert!(said(&refused).contains("was changed after nginx last read its configuration"), "{}", said(&refused));
    assert!(said(&refused).contains("set1 is serving, seen at the front"), "{}", said(&refused));
    assert_eq!((world.live().as_deref(), linked(&world)), (Some("set1"), None));
}

#[test]
fn a_reason_that_does_not_hold_is_not_given() {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &["--other-profile", "real"]);
    convert(&world, "link").success();
    let refused = switch(&world, "set2").code(5);
    assert!(!said(&refused).contains("likely"), "{}", said(&refused));
}

#[test]
fn a_file_that_looks_at_another_folder_is_refused() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let elsewhere = world.folder().join("elsewhere");
    let refused = world.cmd("bg-switch").args(["--to", "set2", "--dir"]).arg(&elsewhere).assert().code(1).stdout("");
    assert!(said(&refused).contains(&format!("looks at {}", world.dir().join("live").display())), "{}", said(&refused));
    assert!(!elsewhere.join("live").exists());
    assert_eq!((world.nginx.read_upstream(), world.live().as_deref()), (before, Some("set1")));
}

#[test]
fn the_printed_file_is_the_one_that_nginx_follows() {
    let world = both_run();
    let printed = world.cmd("bg-switch").arg("--print-upstream").assert().success();
    assert_eq!(String::from_utf8_lossy(&printed.get_output().stdout), world.nginx.read_upstream());
    let printed = world.cmd("bg-switch").args(["--print-upstream", "--form", "reload"]).assert().success();
    printed.stdout(format!("set $service_url http://127.0.0.1:{};\n", world.port("set1")));
}

#[test]
fn the_scripts_site_converts_there_and_back_and_keeps_the_slot() {
    let world = both_run_in_the_reload_form();
    world.point_at("set2");
    let before = format!("# who is live\n{}set $other yes; # kept\n", world.nginx.read_upstream());
    world.nginx.write_upstream(&before);
    world.nginx.reload();
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let converted = convert(&world, "link").success();
    assert!(said(&converted).contains("has the link form now; set2 serves as before"), "{}", said(&converted));
    let text = world.nginx.read_upstream();
    assert!(text.contains(&format!("set $service_url http://127.0.0.1:{};", world.port("set1"))), "{text}");
    assert!(text.starts_with("# who is live\n") && text.ends_with("set $other yes; # kept\n"), "{text}");
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(said(&convert(&world, "link").success()).contains("nothing was changed"));

    convert(&world, "reload").success();
    assert_eq!(world.nginx.read_upstream(), before);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
    switch(&world, "set1").success();
}

#[test]
fn the_printed_site_converts_to_its_groups() {
    let (world, url) = printed_site(both_run_in_the_reload_form());
    let traffic = Traffic::start(&format!("{url}/profile"));
    convert(&world, "link").success();
    let text = world.nginx.read_upstream();
    assert!(text.contains("http://web_set1;") && text.contains("http://web_set2;"), "{text}");
    switch(&world, "set2").success();
    convert(&world, "reload").success();
    assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_conversion_that_fails_leaves_the_old_bytes() {
    let world = both_run_in_the_reload_form();
    let before = world.nginx.read_upstream();
    world.nginx.add_to_http("broken", "oops;\n");
    let refused = convert(&world, "link").code(5);
    assert!(said(&refused).contains("unknown directive \"oops\""), "{}", said(&refused));
    assert_eq!(world.nginx.read_upstream(), before);
    assert!(!world.dir().join("switching.json").exists());
}

#[test]
fn a_conversion_that_was_killed_is_undone_by_the_next_switch() {
    let world = both_run_in_the_reload_form();
    kill_a_conversion(&world);
    assert!(world.nginx.read_upstream().contains("if (-f"), "half-way");
    assert_eq!(world.live().as_deref(), Some("set1"));

    let moved = switch(&world, "set2").success().stdout(contains("\"form\":\"reload\""));
    assert!(said(&moved).contains("was cut short and is undone"), "{}", said(&moved));
    assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_conversion_that_was_killed_does_not_pull_nginx_back_later() {
    let world = both_run_in_the_reload_form();
    kill_a_conversion(&world);
    world.point_at("set2");
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let moved = switch(&world, "set2").success();
    assert!(said(&moved).contains("set2 serves since, and stays"), "{}", said(&moved));
    let counts = traffic.stop();
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
}

/// Ends in the moment between the new file and the reload.
fn kill_a_conversion(world: &World) {
    let wrapper = world.folder().join("ngx");
    let nginx = world.nginx.command_line();
    let script = format!("#!/bin/sh\nfor last; do :; done\n[ \"$last\" = -t ] && kill -9 $PPID\nexec {nginx} \"$@\"\n");
    fs::write(&wrapper, script).expect("our folder");
    fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).expect("our folder");
    let mut command = world.command(&programs::ours("bg-switch"));
    let status = command.args(["--convert", "link", "--nginx"]).arg(&wrapper).stdout(Stdio::null()).status();
    assert_eq!(status.expect("bg-switch, which was found before").code(), None, "it was killed");
}

#[test]
fn a_conversion_moves_nothing_where_nginx_can_not_look_at_the_link() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: else nginx's workers own the folder");
    let world = both_run_in_the_reload_form();
    world.point_at("set2");
    fs::create_dir(world.dir()).expect("our folder");
    fs::set_permissions(world.dir(), Permissions::from_mode(0o700)).expect("our folder");
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let converted = convert(&world, "link").success();
    assert!(said(&converted).contains("warning: nginx's workers (uid 65534) may not enter"), "{}", said(&converted));
    switch(&world, "set1").code(5);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
}

#[test]
fn a_conversion_does_not_need_a_live_slot() {
    let world = World::new();
    let converted = convert(&world, "link").success();
    assert!(said(&converted).contains("set1 serves as before"), "{}", said(&converted));
    world.start_fake("set1", &[]);
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn deploys_and_the_way_back_work_through_the_link() {
    let world = World::new().link_form();
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2"), ("1.2", "set1")] {
        world.deploy_fake(&["--version-text", version]).success();
        assert_eq!((world.live().as_deref(), world.get("/version").body.as_str()), (Some(slot), version));
        world.cmd("bg-probe").args(["--slot", "live", "--format", "name"]).assert().stdout(format!("{slot}\n"));
    }
    let traffic = Traffic::start(&world.nginx.front_url("/version"));
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!((world.live().as_deref(), world.get("/version").body.as_str()), (Some("set2"), "1.1"));
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
}
