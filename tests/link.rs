//! The link form: one rename, nothing cut, and the way from one form to the other.

/// From one form to the other: the live slot is kept, the other lines too, and nothing is left half done.
mod convert;

/// A link that is moved and not followed goes back, and it is said why.
mod reasons;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;

use assert_cmd::assert::Assert;
use bg_tests::{KeepAlive, Traffic, World, programs, until};
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
    assert!(said(&moved).contains("switch  set1 -> set2 by link, seen 5 times"), "{}", said(&moved));
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
fn the_printed_file_is_the_one_that_nginx_follows() {
    let world = both_run();
    let printed = world.cmd("bg-switch").arg("--print-upstream").assert().success();
    assert_eq!(String::from_utf8_lossy(&printed.get_output().stdout), world.nginx.read_upstream());
    let printed = world.cmd("bg-switch").args(["--print-upstream", "--form", "reload"]).assert().success();
    printed.stdout(format!("set $service_url http://127.0.0.1:{};\n", world.port("set1")));
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
