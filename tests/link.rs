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

use bg_tests::{KeepAlive, Ran, Run, Traffic, World, until};

const SOON: Duration = Duration::from_secs(20);
const NOBODY: u32 = 65534;

/// The printed site beside the scripts' own, with the same upstream file; the front is its `/_bg/slot`.
fn printed_site(world: World) -> (World, String) {
    let listen = format!("127.0.0.1:{}", world.free_port());
    let printed = world.run("bg-switch", &["--print-site", "--listen", &listen]).success();
    world.nginx.add_to_http("site", &printed.stdout());
    world.nginx.reload();
    let url = format!("http://{listen}");
    (world.env("BG_FRONT", &format!("{url}/_bg/slot")), url)
}

fn switch(world: &World, to: &str) -> Ran {
    world.run("bg-switch", &["--to", to, "--verify-timeout", "1s"])
}

fn convert(world: &World, form: &str) -> Ran {
    world.run("bg-switch", &["--convert", form, "--verify-timeout", "2s"])
}

/// The slot that the link names.
fn linked(world: &World) -> Option<String> {
    let target = fs::read_link(world.dir().join("live")).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

#[test]
fn a_switch_is_seen_at_the_next_request() {
    let world = World::new().link_form().both_running();
    let (file, workers) = (world.nginx.read_upstream(), world.nginx.workers());
    let run = switch(&world, "set2").success();
    run.printed("\"form\":\"link\",").printed("\"front\"").said("switch  set1 -> set2 by link, seen 5 times");
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert_eq!(linked(&world).as_deref(), Some("set2"));
    switch(&world, "set1").success();
    assert_eq!(world.live().as_deref(), Some("set1"));
    assert_eq!((world.nginx.read_upstream(), world.nginx.workers()), (file, workers), "no rewrite, no reload");
}

#[test]
fn no_new_connection_gets_the_old_slot_after_switch_has_exited() {
    let world = World::new().link_form().both_running();
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
fn no_request_is_lost_over_a_hundred_switches_under_load() {
    let (world, url) = printed_site(World::new().both_running());
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
fn switch_by_link_needs_neither_root_nor_the_nginx_program() {
    let world = World::new().link_form().both_running();
    world.make_dir(world.dir());
    let mut command = world.command(&world.copy_of("bg-switch"));
    if nix::unistd::geteuid().is_root() {
        chown(world.dir(), Some(NOBODY), Some(NOBODY)).expect("root may");
        command.uid(NOBODY).gid(NOBODY);
    }
    command.args(["--to", "set2", "--nginx", "/nowhere/nginx"]);
    command.ran().success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn switch_writes_nothing_when_the_slot_serves_already() {
    let world = World::new().link_form().both_running();
    switch(&world, "set1").success();
    assert_eq!(linked(&world).as_deref(), Some("set1"), "nginx serves set1 without it as well, applications look");
    switch(&world, "set2").success();
    let identity = || fs::symlink_metadata(world.dir().join("live")).map(|link| (link.ino(), link.ctime_nsec())).ok();
    let before = identity();
    switch(&world, "set2").success().said("set2 serves already");
    assert_eq!(identity(), before);
}

#[test]
fn print_upstream_prints_the_file_that_nginx_follows() {
    let world = World::new().link_form().both_running();
    let printed = world.run("bg-switch", &["--print-upstream"]).success();
    assert_eq!(printed.stdout(), world.nginx.read_upstream());
    let run = world.run("bg-switch", &["--print-upstream", "--form", "reload"]).success();
    run.printed_only(world.upstream_line("set1"));
}

#[test]
fn deploys_and_the_way_back_work_through_the_link() {
    let world = World::new().link_form();
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2"), ("1.2", "set1")] {
        world.deploy(&["--version-text", version]).success();
        assert_eq!((world.live().as_deref(), world.get("/version").body.as_str()), (Some(slot), version));
        world.run("bg-probe", &["--slot", "live", "--format", "name"]).printed_only(format!("{slot}\n"));
    }
    let traffic = Traffic::start(&world.nginx.front_url("/version"));
    world.rollback().success();
    assert_eq!((world.live().as_deref(), world.get("/version").body.as_str()), (Some("set2"), "1.1"));
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
}

#[test]
fn the_folder_may_be_named_by_a_link_of_roots_or_of_this_user() {
    for looks_at in ["state", "link"] {
        let world = World::new().link_form();
        world.make_dir("state");
        let link = world.link("state", "link").display().to_string();
        let (state, file) = (world.word("state/"), world.nginx.read_upstream());
        world.nginx.write_upstream(&file.replace(&state, &world.word(format!("{looks_at}/"))));
        world.nginx.reload();
        let world = world.env("BG_DIR", &link);
        for version in ["1.0", "1.1"] {
            world.deploy(&["--version-text", version]).success();
            assert_eq!(world.get("/version").body, version);
        }
        world.rollback().success();
        assert_eq!(world.get("/version").body, "1.0");
        world.run("bg-deploy", &["--check", "--", "fake-app"]).success();
        world.run_line("bg-probe | bg-launch -- fake-app | bg-health | bg-switch").success();
    }
}

#[test]
fn a_folder_named_by_another_users_link_is_refused_before_anything_is_touched() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for form in ["link", "reload"] {
        let world = if form == "link" { World::new().link_form() } else { World::new() }.serving();
        let running = world.processes();
        let link = world.link("state", "link");
        std::os::unix::fs::lchown(&link, Some(NOBODY), Some(NOBODY)).expect("root may");
        let world = world.env("BG_DIR", &link.display().to_string());
        let said = format!("{} is a link that another user (nobody) has made", link.display());
        for (program, words) in [
            ("bg-deploy", &["--", "fake-app"][..]),
            ("bg-deploy", &["--rollback"]),
            ("bg-launch", &["--slot", "set2", "--", "fake-app"]),
            ("bg-switch", &["--to", "set2"]),
        ] {
            world.run(program, words).exit(1).said(&said).said("Give --dir as ").never_said("launch  ");
        }
        world.run("bg-probe", &[]).exit(1).said(&said);
        let check = world.run("bg-deploy", &["--check", "--", "fake-app"]).exit(1);
        check.printed(format!("fail    {said}"));
        assert_eq!(world.processes(), running);
    }
}
