//! Whose answers count: not those of a process that was there before, and none after a death.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bg_tests::{Run, World, process, programs, until};
use nix::sys::signal::Signal;

use super::launched::{App, SLOT, facts, in_time};

const SOON: Duration = Duration::from_secs(10);
const SEEN_WITHIN: Duration = Duration::from_millis(200);

/// Lets bg-health wait for an application with these flags, kills that once bg-health has begun to ask, and
/// says what was said.
#[track_caller]
fn killed(flags: &[&str], health: &[&str], answers: bool) -> String {
    in_time(|| {
        let (took, said) = killed_once(flags, health, answers);
        if took < SEEN_WITHIN { Ok(said) } else { Err(format!("{took:?}: {said}")) }
    })
}

/// How long bg-health went on after the death, and what it said.
#[track_caller]
fn killed_once(flags: &[&str], health: &[&str], answers: bool) -> (Duration, String) {
    let world = World::new();
    let app = App::launch(&world, flags);
    let mut command = world.command(&programs::ours("bg-health"));
    command.arg("-v").args(health).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a program that was found before");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(app.record(&world).as_bytes()).expect("it reads its record");
    drop(stdin);
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    if answers {
        stderr.read_line(&mut said).expect("a pipe of ours");
        // At the beginning of a nap: one that is too long is then too long in every try.
        let before = naps(child.id());
        until(SOON, "it naps again", || naps(child.id()) > before + 1);
    } else {
        until(SOON, "it asks", || process::connections(world.port(SLOT)) > 0);
    }

    let end = Instant::now();
    process::signal(app.pid, Signal::SIGKILL);
    let status = child.wait().expect("a child of ours");
    let took = end.elapsed();
    assert_eq!(status.code(), Some(8));
    stderr.read_to_string(&mut said).expect("a pipe of ours");
    let mut record = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut record).expect("a pipe of ours");
    assert_eq!(record, "");
    (took, said)
}

/// How often a process has gone to sleep of its own accord, `proc_pid_status(5)`.
fn naps(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
}

/// Starts fake-app in the slot as somebody who was there before, and waits until the clock that tells their
/// ages apart has moved on.
#[track_caller]
pub(super) fn there_before(world: &World, flags: &[&str]) -> u32 {
    let pid = world.start_fake(SLOT, flags);
    let ticks = process::start_ticks(pid);
    until(SOON, "a process that is younger", || {
        let mut probe = world.command(std::path::Path::new("true")).spawn().expect("true");
        let younger = process::start_ticks(probe.id()) > ticks;
        probe.wait().expect("a child of ours");
        younger
    });
    pid
}

#[test]
fn a_death_is_seen_at_once() {
    let said = killed(&["--boot-ms", "60000"], &[], true);
    assert!(said.contains("\nbg-health: the application in set2 exited before it was healthy, after "), "{said}");
    assert!(said.contains("x connection refused ("), "{said}");
    assert!(said.contains("\n  serving   nothing: set1 is live, but does not listen"), "{said}");
}

#[test]
fn a_death_is_seen_at_once_however_seldom_it_is_asked() {
    let said = killed(&["--boot-503-ms", "60000"], &["--interval", "60s"], true);
    assert!(said.contains("exited before it was healthy"), "{said}");
}

#[test]
fn a_death_is_seen_at_once_while_an_answer_is_waited_for() {
    let said = killed(&["--hang"], &["--check-timeout", "60s"], false);
    assert!(said.contains("exited before it was healthy"), "{said}");
}

#[test]
fn a_crash_at_boot_is_told_with_its_log() {
    let world = World::new();
    let app = App::launch(&world, &["--boot-ms", "200", "--crash-at-boot"]);
    let began = Instant::now();
    let said = app.health(&world, &[]).exit(8).printed_nothing().stderr();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(
        said.contains("\n            | Exception in thread \"main\" java.lang.IllegalStateException: Failed"),
        "{said}"
    );
}

#[test]
fn the_word_of_another_process_is_no_health_of_a_dead_one() {
    let world = World::new();
    let app = App::launch(&world, &["--crash-at-boot"]);
    until(SOON, "it ends", || !process::alive(app.pid));
    world.start_fake(SLOT, &[]);
    app.health(&world, &["--successes", "1"]).exit(8).printed_nothing();

    // The same pid in another boot is another process.
    let app = App::launch(&world, &["--listen-port", &world.free_port().to_string()]);
    let line = app.record(&world);
    let (before, _) = line.split_once("\"boot_id\":\"").expect("a launch");
    let (_, after) = line.split_once("\",\"release\"").expect("a launch");
    let line = format!("{before}\"boot_id\":\"another\",\"release\"{after}");
    world.pipe(line, "bg-health", &[]).exit(7).printed_nothing().said("the machine was started anew since");
}

#[test]
fn a_command_that_goes_into_the_background_is_told_so() {
    let world = World::new();
    let app = App::launch_line(&world, "fake-app --boot-ms 60000 & sleep 0.3");
    app.health(&world, &[]).exit(8).said("likely    the command went into the background (pid ");
}

#[test]
fn the_kernel_is_named_only_where_it_has_ended_a_process_for_want_of_memory() {
    let world = World::new();
    let app = App::launch(&world, &["--crash-after-ms", "300", "--boot-ms", "60000"]);
    let said = app.health(&world, &[]).exit(8).never_said("memory").stderr();
    assert!(said.contains("likely    it ended"), "{said}");

    // The kernel's count, which nobody can raise for a test, is a file in this namespace, and changes while bg-health waits.
    let counts = world.write("vmstat", "pgfault 1\noom_kill 3\n");
    let app = App::launch(&world, &["--boot-ms", "60000"]);
    let record = world.write("record", app.record(&world));
    let (counts, record, pid) = (counts.display(), record.display(), app.pid);
    let line = format!(
        "mount --bind {counts} /proc/vmstat; cd {}; >said
         (until grep -q refused said; do sleep 0.02; done; echo oom_kill 4 >{counts}; kill -KILL {pid}) &
         bg-health -v --timeout 60s <{record} 2>said; code=$?; cat said >&2; exit $code",
        world.folder().display()
    );
    let mut unshare = world.command(&programs::of_the_system("unshare"));
    let died = unshare.args(["--mount", "sh", "-c", &line]).ran().exit(8);
    died.said("likely    memory ran out, and the kernel has ended a process meanwhile; which one: journalctl -k");
}

#[test]
fn a_child_of_the_launched_process_may_answer_for_it() {
    let world = World::new();
    App::launch(&world, &["--fork-server"]).health(&world, &[]).success();
}

#[test]
fn a_listener_older_than_the_launch_is_not_believed() {
    let world = World::new();
    let old = there_before(&world, &["--version-text", "old"]);
    let app = App::launch(&world, &["--boot-ms", "60000"]);
    let said = app.health(&world, &["--timeout", "1s"]).exit(4).printed_nothing().stderr();
    let who = format!("pid {old} ({} --version-text old)", programs::ours("fake-app").display());
    assert!(said.contains(r#"x 200 {"status":"UP"} from pid "#), "{said}");
    assert!(said.contains(&format!("from pid {old} (")) && said.contains("which is older than the launch"), "{said}");
    assert!(said.contains(&format!("is held by {}", &who[..who.len().min(60)])), "{said}");
    assert!(
        said.contains(&format!(
            "stop it: kill {old}; or let bg-launch take it over: bg-launch --slot set2 --adopt --release "
        )),
        "{said}"
    );
    app.health(&world, &["--once"]).exit(4).printed_nothing();
    app.health(&world, &["--timeout", "1s", "--successes", "1"]).exit(4).printed_nothing();
}

#[test]
fn an_older_listener_that_goes_makes_room() {
    let world = World::new();
    // It takes its time, so that the test can see that it was asked.
    let old = there_before(&world, &["--hold-ms", "50"]);
    let go = world.path("go");
    let app = App::launch_line(&world, &format!("until [ -e {} ]; do sleep 0.05; done; exec fake-app", go.display()));
    std::thread::scope(|scope| {
        let health = scope.spawn(|| app.health(&world, &["--successes", "1"]).success());
        until(SOON, "it asks", || process::connections(world.port(SLOT)) > 0);
        process::signal(old, Signal::SIGKILL);
        until(SOON, "the old one ends", || !process::alive(old));
        world.write(&go, "");
        let url = facts(&health.join().expect("no panic"))["url"].clone();
        assert_eq!(url, format!("http://127.0.0.1:{}/actuator/health", world.port(SLOT)));
    });
    let listens = world.get_slot(SLOT, "/env").expect("it listens").body;
    assert!(listens.contains("BG_RELEASE=20261121T193000Z-1a2b3c4d"), "{listens}");
}

#[test]
fn a_port_that_was_taken_is_told_with_its_holder() {
    let world = World::new();
    let old = there_before(&world, &[]);
    let app = App::launch(&world, &[]);
    let refused = app.health(&world, &[]).exit(8);
    refused
        .said("| Exception in thread \"main\" java.lang.IllegalStateException: Web server failed")
        .said(format!("likely    port {} is held by pid {old} (", world.port(SLOT)));
}

#[test]
fn a_listener_that_came_with_the_launch_is_believed() {
    // As a container's proxy does: not of the session, but no older.
    let world = World::new();
    let app = App::launch(&world, &["--listen-port", &world.free_port().to_string()]);
    world.start_fake(SLOT, &[]);
    app.health(&world, &[]).success();
}
