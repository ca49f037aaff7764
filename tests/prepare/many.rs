use bg_tests::{World, http};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// One of several applications behind one nginx.
struct App<'a> {
    world: &'a World,
    name: &'static str,
    front: String,
    slots: String,
}

impl App<'_> {
    fn settings(&self, command: &mut Command) {
        command.env("BG_APP", self.name).env("BG_SLOTS", &self.slots).env("BG_FRONT", self.url("/_bg/slot"));
        command.env("BG_DIR", self.world.path(self.name)).env("BG_UPSTREAM_FILE", self.file());
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.front)
    }

    fn file(&self) -> String {
        self.world.word(format!("{}.inc", self.name))
    }

    #[track_caller]
    fn start(&self, program: &str, words: &[&str]) -> Child {
        let mut command = self.world.command(&bg_tests::programs::ours(program));
        self.settings(&mut command);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("a program of ours")
    }

    #[track_caller]
    fn print(&self, words: &[&str]) -> String {
        let mut command = self.world.command(&bg_tests::programs::ours("bg-switch"));
        self.settings(&mut command);
        let output = command.args(words).output().expect("a program of ours");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn version(&self) -> String {
        http::get(&self.url("/version")).expect("an answer").body
    }
}

/// Runs it for all of them at once.
#[track_caller]
fn all(apps: &[App], words: &[&str]) {
    let running: Vec<Child> = apps.iter().map(|app| app.start("bg-deploy", words)).collect();
    for child in running {
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn several_applications_are_prepared_at_once_and_finished_at_once_and_none_meets_another() {
    let world = World::new();
    let app = |name| App {
        world: &world,
        name,
        front: format!("127.0.0.1:{}", world.free_port()),
        slots: format!("set1={},set2={}", world.free_port(), world.free_port()),
    };
    let apps = ["web", "web-api", "webapi"].map(app);
    for app in &apps {
        world.write(app.file(), app.print(&["--print-upstream"]));
        world.nginx.add_to_http(app.name, &app.print(&["--print-site", "--listen", &app.front]));
    }
    world.nginx.reload();
    let release = |version: &'static str| ["--", "fake-app", "--version-text", version];
    all(&apps, &release("1.0"));
    all(&apps, &[&["--prepare"][..], &release("1.1")].concat());
    for app in &apps {
        assert_eq!(app.version(), "1.0", "{}", app.name);
    }
    let began = Instant::now();
    all(&apps, &["--finish"]);
    let took = began.elapsed();
    for app in &apps {
        assert_eq!(app.version(), "1.1", "{}", app.name);
    }
    bg_tests::tell(&format!("three applications finished at once: {} ms", took.as_millis()));
    // What one of them does under its lock is nothing to the others.
    let slow = apps[0].start("bg-deploy", &["--", "fake-app", "--boot-ms", "2000"]);
    all(&apps[1..], &["--rollback"]);
    assert!(slow.wait_with_output().expect("its end").status.success());
    for app in &apps[1..] {
        assert_eq!(app.version(), "1.0", "{}", app.name);
    }
}
