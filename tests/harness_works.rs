//! The harness itself: nginx serves and moves, the sample jar runs, and nothing is left over.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bg_tests::{Run, Traffic, World, http, jar, process, programs, sample_jar, until};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn nginx_answers_502_while_nothing_runs() {
    let world = World::new();
    assert_eq!(world.get("/profile").status, 502);
    assert_eq!(world.live(), None);
}

#[test]
fn nginx_serves_the_slot_that_its_file_names() {
    let world = World::new();
    world.start_fake("set1", &["--version-text", "1.0"]);
    world.start_fake("set2", &["--version-text", "1.1"]);
    assert_eq!(world.live().as_deref(), Some("set1"));
    assert_eq!(world.get("/version").body, "1.0");

    world.point_at("set2");
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn the_link_form_moves_without_a_reload() {
    let world = World::new().link_form().both_running();
    assert_eq!(world.live().as_deref(), Some("set1"));

    let live = world.make_dir(world.dir().join("live"));
    world.write(live.join("set2"), "");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn traffic_counts_what_fails() {
    let world = World::new();
    let pid = world.start_fake("set1", &["--version-text", "1.0"]);
    let traffic = Traffic::start(&world.nginx.front_url("/version"));
    until(SOON, "visitors come", || traffic.sent() > 5);
    process::signal(pid, Signal::SIGKILL);
    until(SOON, "nginx answers 502", || world.get("/version").status == 502);
    let seen = traffic.sent();
    until(SOON, "more visitors come", || traffic.sent() > seen + 1);
    let counts = traffic.stop();
    assert!(counts.answers["1.0"] > 5, "{counts}");
    assert!(counts.first_failures[0].ends_with(": 502"), "{counts}");
}

#[test]
fn fake_app_finishes_its_requests_when_it_is_told_to_end() {
    let world = World::new();
    let pid = world.start_fake("set1", &["--hold-ms", "2000"]);
    let url = world.nginx.front_url("/profile");
    let visitor = thread::spawn(move || http::get(&url).map(|response| response.status));
    until(SOON, "the request is held", || process::connections(world.port("set1")) > 0);
    process::signal(pid, Signal::SIGTERM);
    until(SOON, "it accepts no more", || !world.listens("set1"));
    assert_eq!(visitor.join().expect("no panic").ok(), Some(200));
    until(SOON, "it ends", || !process::alive(pid));
}

#[test]
fn the_sample_jar_boots_and_says_its_version() {
    let world = World::new();
    let port = world.port("set1").to_string();
    let mut java = world
        .command(&programs::of_the_system("java"))
        .args(["-Dspring.profiles.active=set1", "-Dsample.boot=200", "-jar"])
        .arg(sample_jar("1.1"))
        .env("SERVER_PORT", &port)
        .stdout(Stdio::null())
        .spawn()
        .expect("java, which was found before");
    let health = || world.get_slot("set1", "/actuator/health").map(|response| response.status);
    until(SOON, "the sample says DOWN", || matches!(health(), Ok(503)));
    until(SOON, "the sample says UP", || matches!(health(), Ok(200)));
    assert_eq!(world.get("/version").body, "1.1");
    assert_eq!(world.live().as_deref(), Some("set1"));

    process::signal(java.id(), Signal::SIGTERM);
    let status = java.wait().expect("a child of ours");
    assert_eq!(status.code(), Some(128 + 15), "Java's way to say that TERM ended it");
}

#[test]
fn jars_that_can_not_run_do_not() {
    let world = World::new();
    let run = |jar| world.command(&programs::of_the_system("java")).arg("-jar").arg(jar).ran();
    run(jar::without_main_class()).said("no main manifest attribute");
    run(jar::truncated()).said("Invalid or corrupt jarfile");
}

#[test]
fn nothing_outlives_a_world() {
    let world = World::new();
    let app = world.start_fake("set1", &[]);
    let nginx = world.nginx.master().expect("nginx runs");
    let detached = format!("setsid fake-app --port {} </dev/null >/dev/null 2>&1 &", world.port("set2"));
    world.run_line(&detached).success();
    until(SOON, "it listens", || world.listens("set2"));

    let folder = world.folder().to_owned();
    let set2 = format!("http://127.0.0.1:{}/", world.port("set2"));
    drop(world);
    assert!(!process::alive(app));
    assert!(!process::alive(nginx));
    assert!(http::get(&set2).is_err());
    assert!(!folder.exists());
}

#[test]
fn what_a_slot_has_on_record_does_not_outlive_it_either() {
    let world = World::new();
    // Started past the world, as after sudo, which clears the environment.
    let mut app = Command::new("sleep").arg("600").process_group(0).spawn().expect("sleep(1)");
    let ticks = process::start_ticks(app.id()).expect("a process that runs");
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("proc(5)");
    let slot = world.make_dir(world.dir().join("slots/set1"));
    let record = format!(
        r#"{{"pid":{},"start_ticks":{ticks},"boot_id":"{}","port":1,"release":"r","command":["sleep"]}}"#,
        app.id(),
        boot_id.trim()
    );
    world.write(slot.join("process.json"), record);

    drop(world);
    assert!(!process::alive(app.id()));
    app.wait().expect("a child of ours");
}

#[test]
fn a_run_that_ended_otherwise_is_shown_with_both_streams() {
    let world = World::new();
    let holds = || world.run_line("echo printed; echo said >&2; exit 3").exit(0);
    let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(holds)).expect_err("it ended with 3");
    let message = failure.downcast_ref::<String>().expect("a text");
    for part in ["not exit 0", "exit status: 3", "stdout:\nprinted\n", "stderr:\nsaid\n"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_copy_and_a_script_may_be_executed_at_once_while_other_threads_fork() {
    let (world, over, began) = (World::new(), AtomicBool::new(false), Instant::now());
    let fork = || {
        while !over.load(Ordering::Relaxed) && began.elapsed() < SOON {
            Command::new("true").status().expect("true(1)");
        }
    };
    thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(fork)));
        let ends = (0..50).flat_map(|n| {
            let script = Command::new(world.script(format!("script-{n}"), "exit 0")).status();
            let copy = world.copy(programs::of_the_system("true"), format!("true-{n}"));
            [script, Command::new(copy).status()]
        });
        let ends: Vec<_> = ends.collect();
        over.store(true, Ordering::Relaxed);
        assert!(ends.iter().all(|end| end.as_ref().is_ok_and(ExitStatus::success)), "{ends:?}");
    });
}
