//! Who is in the slot: the live one and strangers are left alone.

use super::{SOON, facts, launch, launch_fake, names_in, pid, stderr};
use bg_tests::{World, process, until};
use predicates::str::contains;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_live_slot_is_refused() {
    let world = World::new();
    let app = world.start_fake("set2", &[]);
    world.point_at("set2");
    for words in [&["--", "fake-app"][..], &["--adopt", "--", "fake-app"], &["--stop"], &["--adopt", "--stop"]] {
        launch(&world, words).code(7).stdout("").stderr(contains("set2 is live"));
    }
    assert!(process::alive(app));
    assert_eq!(names_in(&world, "releases"), [""; 0]);
}

#[test]
fn a_slot_that_went_live_since_the_record_was_made_is_refused() {
    let world = World::new();
    world.start_fake("set1", &[]);
    let app = pid(&launch_fake(&world, &[]));
    let record = world.cmd("bg-probe").assert().success().get_output().stdout.clone();
    assert!(String::from_utf8_lossy(&record).contains(r#""slot":"set2""#));

    world.point_at("set2");
    let releases = names_in(&world, "releases");
    let refused = world.cmd("bg-launch").args(["--", "fake-app"]).write_stdin(record).assert();
    refused.code(7).stdout("").stderr(contains("set2 is live"));
    assert!(process::alive(app));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert_eq!(names_in(&world, "releases"), releases);
}

#[test]
fn a_stranger_on_the_port_is_refused_by_pid_and_command() {
    let world = World::new();
    let stranger = world.start_fake("set2", &["--version-text", "by-hand"]);
    let refused = launch(&world, &["--", "fake-app"]).code(7).stdout("");
    let said = stderr(&refused);
    assert!(said.contains(&format!("pid {stranger} (")), "{said}");
    assert!(said.contains("fake-app --version-text by-hand"), "{said}");
    assert!(process::alive(stranger));
    assert_eq!(names_in(&world, "releases"), [""; 0]);
}

#[test]
fn an_adopted_stranger_is_stopped_alone() {
    let world = World::new();
    let mut stranger = world
        .command(Path::new("/bin/sh"))
        .args(["-c", &format!("sleep 600 & echo $!; exec fake-app --port {}", world.port("set2"))])
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh(1)");
    let mut line = String::new();
    BufReader::new(stranger.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let mate: u32 = line.trim().parse().expect("a pid");
    until(SOON, "the stranger listens", || world.listens("set2"));

    let launched = launch(&world, &["--adopt", "--", "fake-app"]).success();
    assert!(stderr(&launched).contains(&format!("stopped pid {} (adopted)", stranger.id())));
    assert!(!process::alive(stranger.id()));
    assert!(process::alive(mate), "what else is in its group was not asked to go");
    assert!(process::alive(pid(&facts(&launched))));
    stranger.wait().expect("a child of ours");
}

#[test]
fn what_was_launched_in_the_other_slot_is_not_adopted() {
    let world = World::new();
    let (first, second) = (world.port("set1"), world.port("set2"));
    let both = format!("fake-app --port {first} & fake-app --port {second} & wait");
    let launched = world.cmd("bg-launch").args(["--slot", "set1", "--", "sh", "-c", &both]).assert().success();
    until(SOON, "both ports are taken", || world.listens("set1") && world.listens("set2"));
    launch(&world, &["--adopt", "--", "fake-app"]).code(7).stderr(contains("the other slot's, too"));
    assert!(process::alive(pid(&facts(&launched))));
    assert!(world.listens("set1") && world.listens("set2"));
}

#[test]
fn a_process_with_a_recycled_pid_is_a_stranger() {
    let world = World::new();
    launch_fake(&world, &[]);
    launch(&world, &["--stop"]).success();
    let mut somebody = Command::new("sleep").arg("600").process_group(0).spawn().expect("sleep(1)");
    let ticks = process::start_ticks(somebody.id()).expect("a process that runs");
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("proc(5)").trim().to_owned();
    let file = world.dir().join("slots/set2/process.json");
    for (ticks, boot) in [(ticks - 1, boot_id.as_str()), (ticks, "another boot")] {
        let known = format!(
            r#"{{"pid":{},"start_ticks":{ticks},"boot_id":"{boot}","port":1,"release":"r","log":"l"}}"#,
            somebody.id()
        );
        fs::write(&file, known).expect("a file of ours");
        launch(&world, &["--stop"]).success().stderr(contains("nothing runs in set2"));
        assert!(process::alive(somebody.id()));
    }
    launch_fake(&world, &[]);
    assert!(process::alive(somebody.id()));
    somebody.kill().and_then(|()| somebody.wait()).expect("a child of ours");
}

#[test]
fn a_held_lock_is_waited_for_or_names_its_holder() {
    let world = World::new();
    let app = pid(&launch_fake(&world, &[]));
    let open = std::net::TcpStream::connect(("127.0.0.1", world.port("set2"))).expect("it listens");
    let stop = ["--slot", "set2", "--stop", "--drain", "100s"];
    let mut holder = world.command(&bg_tests::programs::ours("bg-launch")).args(stop).spawn().expect("bg-launch");
    let name = format!("bg-launch (pid {})", holder.id());
    let lock = world.dir().join("lock");
    until(SOON, "it holds the lock", || fs::read_to_string(&lock).is_ok_and(|text| text.starts_with(&name)));
    launch(&world, &["--stop"]).code(6).stdout("").stderr(contains(&name));
    assert!(process::alive(app));

    let waiting = ["--slot", "set2", "--wait", "100s", "--", "fake-app"];
    let mut waits = world.command(&bg_tests::programs::ours("bg-launch"));
    let mut waits = waits.args(waiting).stdout(Stdio::null()).spawn().expect("bg-launch");
    until(SOON, "the second waits", || has_open(waits.id(), &lock));
    assert_eq!(waits.try_wait().expect("a child of ours"), None);
    drop(open);
    assert!(holder.wait().expect("a child of ours").success());
    assert!(waits.wait().expect("a child of ours").success());
    until(SOON, "what the second launched listens", || world.listens("set2"));
}

fn has_open(pid: u32, file: &Path) -> bool {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    fds.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target == file)
}
