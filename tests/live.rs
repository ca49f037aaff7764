//! The live slot's release runs, after a crash and after a reboot: what cron calls, by `bg-launch --live`.

/// Two releases at a time, and the memory for them.
mod memory;
/// What is started again has the environment and the limits of its launch.
mod surroundings;
/// Launched by root, run as somebody else.
mod user;

use std::fs;
use std::time::Duration;

use bg_tests::{World, process, until};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_live_release_that_crashed_comes_back() {
    let world = deployed_twice(World::new());
    let idle = world.pid("set1");
    kill(&world, "set2");
    let started = world.run("bg-launch", &["--live"]).success();
    // Cron mails what is said: that it had to be started again is worth a mail.
    started.printed_nothing().said("launch  release ");
    until(SOON, "it serves", || world.live().as_deref() == Some("set2"));
    assert_eq!(world.get("/version").body, "second");
    assert_eq!(world.pid("set1"), idle);
}

#[test]
fn launch_live_does_and_says_nothing_when_the_release_runs() {
    let world = deployed_twice(World::new());
    let before = [world.pid("set1"), world.pid("set2")];
    silent(&world);
    assert_eq!([world.pid("set1"), world.pid("set2")], before);
    world.run("bg-launch", &["--live", "-v"]).success().said("runs already in set2");
}

#[test]
fn after_a_reboot_the_live_slot_alone_is_started() {
    for world in [World::new(), World::new().link_form()] {
        let world = deployed_twice(world);
        reboot(&world);
        world.run("bg-launch", &["--live"]).success();
        until(SOON, "it serves", || world.live().as_deref() == Some("set2"));
        assert_eq!(world.get("/version").body, "second");
        assert!(!world.listens("set1"));
        silent(&world);
    }
}

#[test]
fn after_a_reboot_a_rollback_is_remembered_too() {
    let world = deployed_twice(World::new());
    world.rollback().success();
    reboot(&world);
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "it serves", || world.live().as_deref() == Some("set1"));
    assert_eq!(world.get("/version").body, "first");
}

#[test]
fn a_front_that_nginx_answers_by_itself_is_believed_where_there_is_no_file() {
    let world = deployed_twice(World::new());
    reboot(&world);
    world.nginx.add_to_location("slot", "if ($uri = /profile) { return 200 set1; }\n");
    world.nginx.reload();
    let world = world.env("BG_UPSTREAM_FILE", "/nowhere/service-url.inc");
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "set1 listens", || world.listens("set1"));
    assert!(!world.listens("set2"));
}

#[test]
fn launch_live_exits_7_when_no_witness_names_the_slot() {
    let world = deployed_twice(World::new());
    reboot(&world);
    let world = world.env("BG_UPSTREAM_FILE", "/nowhere/service-url.inc");
    world.run("bg-launch", &["--live"]).exit(7).printed_nothing().said("/nowhere/service-url.inc");
    assert!(!world.listens("set1") && !world.listens("set2"));
}

#[test]
fn launch_live_does_not_start_a_booting_release_twice() {
    let world = World::new();
    world.deploy(&["--boot-ms", "2000"]).success();
    let slot = world.live().expect("it serves");
    kill(&world, &slot);
    world.run("bg-launch", &["--live"]).success();
    let booting = world.pid(&slot);
    assert!(!world.listens(&slot));
    silent(&world);
    assert_eq!(world.pid(&slot), booting);
    until(SOON, "it serves", || world.live().as_deref() == Some(slot.as_str()));
}

#[test]
fn launch_live_says_nothing_before_the_first_deploy() {
    silent(&World::new());
}

#[test]
fn launch_live_leaves_a_strangers_process() {
    let world = deployed_twice(World::new());
    kill(&world, "set2");
    let stranger = world.start_fake("set2", &[]);
    let refused = world.run("bg-launch", &["--live"]).exit(7).printed_nothing();
    let said = refused.said(format!("is held by pid {stranger} (")).said("Nothing was touched").stderr();
    assert!(process::alive(stranger));
    // And what it advises works.
    let (_, advice) = said.split_once("If it is not meant to serve: ").expect("two commands");
    let (kill, again) = advice.trim().split_once("; then: ").expect("two commands");
    world.run_line(kill).success();
    until(SOON, "it is gone", || !world.listens("set2"));
    world.run_line(again).success();
    until(SOON, "the release serves", || world.listens("set2") && world.get("/version").body == "second");
}

#[test]
fn launch_live_says_nothing_of_what_served_before_anything_was_deployed_there() {
    let world = World::new().set1_running();
    world.run("bg-launch", &["--slot", "set2", "--", "sleep", "600"]).success();
    silent(&world);
}

#[test]
fn launch_live_does_nothing_while_a_deploy_runs() {
    let world = deployed_twice(World::new());
    let open = std::net::TcpStream::connect(("127.0.0.1", world.port("set1"))).expect("it listens");
    let stop = ["--slot", "set1", "--stop", "--drain", "100s"];
    let deploy = world.start("bg-launch", &stop);
    let (name, signed) = (format!("(pid {}) of ", deploy.id()), format!("\"pid\":{},", deploy.id()));
    let lock = world.dir().join("lock");
    until(SOON, "it holds the lock", || fs::read_to_string(&lock).is_ok_and(|text| text.contains(&signed)));
    kill(&world, "set2");
    silent(&world);
    assert!(!world.listens("set2"));
    world.run("bg-launch", &["--live", "-v"]).success().said(&name);
    drop(open);
    deploy.end().success();
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "it is back", || world.listens("set2"));
}

#[test]
fn launch_live_check_starts_nothing() {
    let world = deployed_twice(World::new());
    kill(&world, "set2");
    let checked = world.run("bg-launch", &["--live", "--check"]);
    checked.printed("java");
    assert!(!world.listens("set2"));
}

#[test]
fn launch_exits_2_when_release_is_given_with_live_or_print_unit() {
    let world = World::new();
    for way in ["--live", "--print-unit"] {
        let refused = world.run("bg-launch", &[way, "--release", "2026"]).exit(2).printed_nothing();
        refused.said("--release <NAME>").said(way);
    }
}

#[test]
fn the_printed_unit_says_every_setting() {
    let world = World::new().env("BG_LAUNCH_KEEP", "7").env("BG_FRONT_HOST", "www.example.com");
    let unit = world.run("bg-launch", &["--print-unit", "--user", "www-data"]).success().stdout();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let dir = format!("--dir={}", world.dir().display());
    let file = format!("--upstream-file={}", world.nginx.upstream_file().display());
    let slots = format!("--slots=set1={},set2={}", world.port("set1"), world.port("set2"));
    let expected = [
        "--live",
        "--via=systemd",
        "--app=web",
        &slots,
        &dir,
        &file,
        "--keep=7",
        "--front-host=www.example.com",
        "--user=www-data",
    ];
    for word in expected {
        assert!(line.split(' ').any(|said| said == word), "{word} in {line}");
    }
}

/// The world with the first release in set1, and the second in set2, which serves.
fn deployed_twice(world: World) -> World {
    for (version, slot) in [("first", "set1"), ("second", "set2")] {
        world.deploy(&["--version-text", version]).success();
        assert_eq!(world.live().as_deref(), Some(slot));
    }
    world
}

/// `--live` succeeds without a word.
#[track_caller]
fn silent(world: &World) {
    world.run("bg-launch", &["--live"]).success().printed_nothing().said_nothing();
}

#[track_caller]
fn kill(world: &World, slot: &str) {
    let pid = world.pid(slot);
    process::signal(pid, Signal::SIGKILL);
    until(SOON, "it is gone", || !process::alive(pid));
}

/// Leaves of both applications what a reboot leaves: their files, with the boot of that time in them.
#[track_caller]
fn reboot(world: &World) {
    for slot in ["set1", "set2"] {
        kill(world, slot);
        let mut json = world.process(slot);
        // By now somebody else has that number.
        json["pid"] = std::process::id().into();
        json["boot_id"] = "the boot before".into();
        world.write(world.process_file(slot), json.to_string());
    }
}
