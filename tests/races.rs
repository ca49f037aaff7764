//! Everything at once: whoever has the lock works alone, the others wait or say who it is, and the result is whole.
//!
//! A normal run has a few rounds of each race, a full one (`BG_TEST_FULL=1`) has 200.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bg_tests::{Run, Running, World, is_full, process, tell, until};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

fn rounds() -> usize {
    if is_full() { 200 } else { 10 }
}

/// A world in which both slots run and set1 serves.
fn both_run(world: World) -> World {
    let world = world.serving();
    world.deploy(&["--version-text", "1.1"]).success();
    world.switch("set1").success();
    world
}

/// The exit code, and what was said.
fn end(running: Running) -> (i32, String) {
    let ended = running.end();
    (ended.code().expect("no signal"), ended.stderr())
}

/// nginx and its file agree on a slot that answers; that slot. Nothing half-done is left.
#[track_caller]
fn assert_whole(world: &World) -> String {
    let live = world.live().expect("nginx serves a slot");
    world.run("bg-probe", &["--slot", "live", "--format", "name"]).success().printed_only(format!("{live}\n"));
    assert!(!world.is_half_switched(), "a switch was not finished");
    assert_eq!(half_done(world), BTreeSet::new());
    live
}

/// The files that have their temporary names still.
fn half_done(world: &World) -> BTreeSet<PathBuf> {
    let mut folders = vec![world.dir(), world.path("nginx")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of ours").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".bg-new") || name == ".incoming" {
                found.insert(entry.path());
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// An nginx that says so when it is called while it is at work for another.
fn jealous_nginx(world: &World) -> (String, PathBuf) {
    let (inside, overlaps) = (world.path("inside"), world.path("overlaps"));
    let lines = format!(
        "mkdir {0} || echo \"$*\" >>{1}\n{2} \"$@\"\nstatus=$?\nrmdir {0}\nexit $status",
        inside.display(),
        overlaps.display(),
        world.nginx.command_line()
    );
    (world.script("nginx-one-by-one", &lines), overlaps)
}

/// The exit codes in the history.
fn codes(world: &World) -> Vec<i64> {
    world.history().iter().map(|line| line["deploy"]["exit"].as_i64().expect("an exit code")).collect()
}

/// The applications that run, by what process.json says of each slot.
fn recorded(world: &World) -> BTreeMap<&'static str, u32> {
    let pid = |slot: &'static str| {
        let pid = world.is_launched(slot).then(|| world.pid(slot));
        pid.filter(|pid| process::alive(*pid)).map(|pid| (slot, pid))
    };
    ["set1", "set2"].into_iter().filter_map(pid).collect()
}

/// The applications that run, by looking at every process.
fn running(world: &World) -> BTreeSet<u32> {
    world.processes().into_iter().filter(|pid| process::alive(*pid)).collect()
}

#[test]
fn of_twenty_deploys_at_once_each_is_done_alone_or_refused() {
    let world = both_run(World::new());
    let before = codes(&world).len();
    let (nginx, overlaps) = jealous_nginx(&world);
    let deploys: Vec<Running> = (0..20)
        .map(|n| world.start("bg-deploy", &["--nginx", &nginx, "--", "fake-app", "--version-text", &format!("2.{n}")]))
        .collect();
    let ended: Vec<(i32, String)> = deploys.into_iter().map(end).collect();
    let done = ended.iter().filter(|(code, _)| *code == 0).count();
    assert!(done > 0, "{ended:?}");
    for (code, said) in ended.iter().filter(|(code, _)| *code != 0) {
        assert!(*code == 6 && said.contains("another deploy holds"), "{code}: {said}");
    }
    assert_eq!(codes(&world)[before..], vec![0; done], "a line for each that was done");
    assert_whole(&world);
    assert!(!overlaps.exists(), "{:?}", fs::read_to_string(overlaps));
    assert_eq!(running(&world), recorded(&world).into_values().collect(), "an application that nobody knows");
}

#[test]
fn deploys_that_wait_are_done_one_after_another() {
    let world = both_run(World::new());
    let count = if is_full() { 20 } else { 6 };
    let before = codes(&world).len();
    let (nginx, overlaps) = jealous_nginx(&world);
    let words = ["--wait", "10m", "--nginx", &nginx, "--", "fake-app"];
    let deploys: Vec<Running> = (0..count).map(|_| world.start("bg-deploy", &words)).collect();
    for (code, said) in deploys.into_iter().map(end) {
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(codes(&world)[before..], vec![0; count]);
    // Each went to the slot that the one before had left.
    assert_eq!(assert_whole(&world), if count % 2 == 0 { "set1" } else { "set2" });
    assert!(!overlaps.exists(), "{:?}", fs::read_to_string(overlaps));
    assert_eq!(running(&world), recorded(&world).into_values().collect());
}

#[test]
fn two_switches_race_and_nginx_is_where_the_last_one_went() {
    let link = both_run(World::new().link_form());
    let reload = both_run(World::new());
    let (nginx, overlaps) = jealous_nginx(&reload);
    let (mut refused, mut both) = (0, 0);
    for round in 0..rounds() {
        let world = if round % 2 == 0 { &link } else { &reload };
        let wait = if round % 4 < 2 { "0s" } else { "60s" };
        let racer = |to| world.start("bg-switch", &["--to", to, "--wait", wait, "--nginx", &nginx]);
        let ended = [racer("set1"), racer("set2")].map(end);
        let live = assert_whole(world);
        match (ended[0].0, ended[1].0) {
            (0, 0) => both += 1,
            (0, 6) if wait == "0s" => assert_eq!(live, "set1", "{ended:?}"),
            (6, 0) if wait == "0s" => assert_eq!(live, "set2", "{ended:?}"),
            _ => panic!("round {round}: {ended:?}"),
        }
        refused += usize::from(ended.iter().any(|(code, _)| *code == 6));
    }
    assert!(!overlaps.exists(), "{:?}", fs::read_to_string(overlaps));
    assert!(refused > 0, "nobody was ever in anybody's way");
    tell(&format!("races: {} rounds of two switches, {refused} refused one, {both} did both", rounds()));
}

#[test]
fn a_launch_never_stops_the_slot_that_a_switch_moves_to() {
    let world = both_run(World::new().link_form());
    let mut ways = BTreeMap::<(i32, i32), usize>::new();
    for round in 0..rounds() {
        let wait = if round % 2 == 0 { "0s" } else { "60s" };
        let launch = ["--slot", "set2", "--drain", "0s", "--wait", wait, "--", "fake-app"];
        let switch = ["--to", "set2", "--wait", wait];
        // Now one, now the other, now both at once; a launch looks around before it takes the lock.
        let mut launch = world.start("bg-launch", &launch);
        if round % 3 > 0 {
            let id = launch.id();
            until(SOON, "the launch has the lock", || world.holder() == Some(id) || launch.has_ended());
        }
        let switch = world.start("bg-switch", &switch);
        let (launched, switched) = (end(launch), end(switch));
        *ways.entry((launched.0, switched.0)).or_default() += 1;
        match (launched.0, switched.0) {
            // The launch came first; the switch found a slot where nothing listens, or nothing that was ready yet.
            (0, 0 | 5) | (7, 0) => {}
            (0 | 7, 6) | (6, 0 | 5) if wait == "0s" => {}
            _ => panic!("round {round}: {launched:?} {switched:?}"),
        }
        let live = assert_whole(&world);
        assert_eq!(world.get("/version").status, 200);
        assert_eq!(live == "set2", switched.0 == 0, "{launched:?} {switched:?}");
        // set1 is untouched in any case.
        assert_eq!(world.get_slot("set1", "/version").expect("set1 runs").body, "1.0");
        until(SOON, "set2 listens again", || world.listens("set2"));
        world.switch("set1").success();
    }
    assert_eq!(running(&world), recorded(&world).into_values().collect());
    assert!(ways.keys().any(|(launched, switched)| *launched == 6 || *switched == 6), "nobody was in anybody's way");
    tell(&format!("races: {} rounds of a launch and a switch, by exit codes {ways:?}", rounds()));
}

#[test]
fn a_stage_takes_the_lock_alone_and_inherits_it_from_its_driver() {
    let world = both_run(World::new());
    let file = File::options().read(true).write(true).open(world.dir().join("lock")).expect("the lock");
    let held = Flock::lock(file, FlockArg::LockExclusive).expect("nobody else has it");
    let launch = ["--slot", "set2", "--", "fake-app"];
    let before = recorded(&world);
    world.switch("set2").exit(6).said("another deploy holds");
    world.run("bg-switch", &["--convert", "link"]).exit(6).said("another deploy holds");
    world.run("bg-launch", &launch).exit(6).said("another deploy holds");
    world.run("bg-launch", &["--slot", "set2", "--stop"]).exit(6);
    world.deploy(&[]).exit(6);
    assert_eq!(recorded(&world), before);
    // What only looks does not need it.
    world.run("bg-probe", &[]).success();
    world.run("bg-health", &["--slot", "set2"]).success();

    // An open lock is not a held one, another file is not the lock, and a number alone is nothing.
    let lock = world.dir().join("lock").display().to_string();
    for given in [&format!("exec 9<>{lock};"), "exec 9</dev/null;", ""] {
        world.run_line(format!("{given} BG_LOCK_FD=9 bg-switch --to set2")).exit(6);
    }
    drop(held);

    // As bg-deploy hands it down: open and held, and named by its number.
    let under = |words: &str| world.shell(&format!("exec 9<>{lock}; flock 9; export BG_LOCK_FD=9; {words}"));
    let line = "bg-switch --to set2 && bg-launch --slot set1 -- fake-app | bg-health && bg-switch --wait 9s --to set1";
    under(line).ran().success();
    world.switch("set2").success();
}

#[test]
fn a_driver_that_is_killed_leaves_the_lock_to_its_stage() {
    let world = both_run(World::new());
    let words = ["--health-timeout", "60s", "--", "fake-app", "--boot-503-ms", "2000"];
    let driver = world.start("bg-deploy", &words);
    // Not those that only read their settings and look, before anything begins.
    let waits =
        |line: &str| line.contains("bg-health") && !line.contains("--read-settings") && !line.contains("--check");
    let was_given_its_record = |pid| !holds(driver.id(), &stdin_of(pid));
    let is_health = |pid: &u32| waits(&command(*pid)) && was_given_its_record(*pid);
    let health = || process::children(driver.id()).into_iter().find(is_health);
    let mut found = None;
    until(SOON, "bg-health waits", || {
        found = health();
        found.is_some()
    });
    let health = found.expect("it was just there");
    let pid = driver.id();
    driver.signal(Signal::SIGKILL);
    assert_eq!(driver.end().code(), None);
    // Its record goes nowhere now, so it ends when it is done, and not before.
    assert!(process::alive(health));
    world.deploy(&[]).exit(6).said(format!("(pid {pid}) of "));
    assert!(process::alive(health), "too late to have seen anything");
    world.run("bg-deploy", &["--wait", "60s", "--", "fake-app", "--version-text", "1.3"]).success();
    until(SOON, "the health check is gone", || !process::alive(health));
    assert_eq!(assert_whole(&world), "set2");
    assert_eq!(world.get("/version").body, "1.3");
}

/// The pipe that is a process's stdin.
fn stdin_of(pid: u32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/fd/0")).unwrap_or_default()
}

/// Whether a process has this pipe open, at either end.
fn holds(pid: u32, pipe: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|leads_to| leads_to == pipe))
}

fn command(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}
