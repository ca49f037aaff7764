//! Who is in the slot: the live one and strangers are left alone.

use super::{SOON, facts, launch, launch_fake, pid};
use bg_tests::{World, process, until};
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
        launch(&world, words).exit(7).printed_nothing().said("set2 is live");
    }
    assert!(process::alive(app));
    assert_eq!(world.releases(), [""; 0]);
}

#[test]
fn a_slot_that_went_live_since_the_record_was_made_is_refused() {
    let world = World::new().set1_running();
    let app = pid(&launch_fake(&world, &[]));
    let record = world.run("bg-probe", &[]).success().stdout();
    assert!(record.contains(r#""slot":"set2""#));

    world.point_at("set2");
    let releases = world.releases();
    let refused = world.pipe(record, "bg-launch", &["--", "fake-app"]);
    refused.exit(7).printed_nothing().said("set2 is live");
    assert!(process::alive(app));
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert_eq!(world.releases(), releases);
}

#[test]
fn a_stranger_on_the_port_is_refused_by_pid_and_command() {
    let world = World::new();
    let stranger = world.start_fake("set2", &["--version-text", "by-hand"]);
    let refused = launch(&world, &["--", "fake-app"]).exit(7).printed_nothing();
    refused.said(format!("pid {stranger} (")).said("fake-app --version-text by-hand");
    assert!(process::alive(stranger));
    assert_eq!(world.releases(), [""; 0]);
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
    let launched = launched.said(format!("stopped pid {} (adopted)", stranger.id()));
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
    let launched = world.run("bg-launch", &["--slot", "set1", "--", "sh", "-c", &both]).success();
    until(SOON, "both ports are taken", || world.listens("set1") && world.listens("set2"));
    launch(&world, &["--adopt", "--", "fake-app"]).exit(7).said("the other slot's, too");
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
    let file = world.process_file("set2");
    for (ticks, boot) in [(ticks - 1, boot_id.as_str()), (ticks, "another boot")] {
        let known = format!(
            r#"{{"pid":{},"start_ticks":{ticks},"boot_id":"{boot}","port":1,"release":"r","log":"l"}}"#,
            somebody.id()
        );
        world.write(&file, known);
        launch(&world, &["--stop"]).success().said("nothing runs in set2");
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
    let holder = world.start("bg-launch", &stop);
    let lock = world.dir().join("lock");
    until(SOON, "it holds the lock", || world.holder() == Some(holder.id()));
    let named = format!("--drain 100s (pid {}) of ", holder.id());
    launch(&world, &["--stop"]).exit(6).printed_nothing().said(&named);
    assert!(process::alive(app));

    let waiting = ["--slot", "set2", "--wait", "100s", "--", "fake-app"];
    let mut waits = world.start("bg-launch", &waiting);
    until(SOON, "the second waits", || process::open_files(waits.id()).contains(&lock));
    assert!(!waits.has_ended());
    drop(open);
    holder.end().success();
    waits.end().success();
    until(SOON, "what the second launched listens", || world.listens("set2"));
}
