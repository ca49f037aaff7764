//! The harness itself: nginx serves and moves, the sample jar runs, and nothing is left over.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use bg_tests::{Traffic, World, http, jar, process, programs, sample_jar, until};
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
    let world = World::new().link_form();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    assert_eq!(world.live().as_deref(), Some("set1"));

    let live = world.dir().join("live");
    fs::create_dir_all(&live).expect("a folder of ours");
    fs::write(live.join("set2"), "").expect("a folder of ours");
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
    let visitor = std::thread::spawn(move || http::get(&url).map(|response| response.status));
    until(SOON, "the request is held", || established(world.port("set1")));
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
    let reason = |jar| {
        let output = world.command(&programs::of_the_system("java")).arg("-jar").arg(jar).output();
        String::from_utf8_lossy(&output.expect("java, which was found before").stderr).into_owned()
    };
    assert!(reason(jar::without_main_class()).contains("no main manifest attribute"));
    assert!(reason(jar::truncated()).contains("Invalid or corrupt jarfile"));
}

#[test]
fn nothing_outlives_a_world() {
    let world = World::new();
    let app = world.start_fake("set1", &[]);
    let nginx = world.nginx.master().expect("nginx runs");
    let detached = format!("setsid fake-app --port {} </dev/null >/dev/null 2>&1 &", world.port("set2"));
    world.shell(&detached).assert().success();
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
    let slot = world.dir().join("slots/set1");
    fs::create_dir_all(&slot).expect("a folder of ours");
    let record = format!(
        r#"{{"pid":{},"start_ticks":{ticks},"boot_id":"{}","port":1,"release":"r","command":["sleep"]}}"#,
        app.id(),
        boot_id.trim()
    );
    fs::write(slot.join("process.json"), record).expect("a folder of ours");

    drop(world);
    assert!(!process::alive(app.id()));
    app.wait().expect("a child of ours");
}

/// True if some connection to the port is established, from `/proc/net/tcp`.
fn established(port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let local = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&local) && fields[3] == "01"
    })
}
