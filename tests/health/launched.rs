//! An application as bg-launch leaves it, and the record that says so.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use bg_tests::{Ran, World, process, programs};

/// The slot that is deployed to; set1 is the live one.
pub(crate) const SLOT: &str = "set2";

/// An application that leads a session of its own and writes a log.
pub(crate) struct App {
    pub(crate) pid: u32,
    pub(crate) log: PathBuf,
    start_ticks: u64,
}

impl App {
    /// Starts fake-app with these flags in the slot.
    #[track_caller]
    pub(crate) fn launch(world: &World, flags: &[&str]) -> Self {
        let fake_app = programs::ours("fake-app");
        Self::run(world, Command::new("setsid").arg(fake_app).args(flags))
    }

    /// Starts a shell line in the slot.
    #[track_caller]
    pub(crate) fn launch_line(world: &World, line: &str) -> Self {
        Self::run(world, Command::new("setsid").args(["sh", "-c", line]))
    }

    #[track_caller]
    fn run(world: &World, words: &Command) -> Self {
        let log = world.path("app.log");
        let output = File::create(&log).expect("a folder of ours");
        let mut child = world
            .command(Path::new(words.get_program()))
            .args(words.get_args())
            .env("BG_SLOT", SLOT)
            .env("BG_RELEASE", "20261121T193000Z-1a2b3c4d")
            .env("PORT", world.port(SLOT).to_string())
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("a file of ours"))
            .stdout(output)
            .spawn()
            .expect("setsid, which every Linux has");
        let pid = child.id();
        let start_ticks = process::start_ticks(pid).expect("a child that was not waited for");
        // Waited for at once, so that its end is seen by those who look for the process.
        thread::spawn(move || child.wait());
        Self { pid, log, start_ticks }
    }

    /// The record with what bg-launch says of this application.
    pub(crate) fn record(&self, world: &World) -> String {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
        let launch = format!(
            r#","launch":{{"pid":{},"start_ticks":{},"boot_id":"{}","release":"20261121T193000Z-1a2b3c4d","log":"{}"}}}}"#,
            self.pid,
            self.start_ticks,
            boot.trim(),
            self.log.display(),
        );
        record(world).replace("\"points_at\":\"set1\"}}", &format!("\"points_at\":\"set1\"}}{launch}"))
    }

    /// Runs bg-health on it.
    #[track_caller]
    pub(crate) fn health(&self, world: &World, flags: &[&str]) -> Ran {
        world.pipe(self.record(world), "bg-health", flags)
    }
}

/// The record of a deploy to the idle slot, as bg-probe prints it.
pub(crate) fn record(world: &World) -> String {
    format!(
        r#"{{"bg":1,"app":"web","slot":"set2","port":{},"live":"set1","slots":{{"set1":{},"set2":{}}},"dir":"{}","front":"{}","upstream_file":"{}","probe":{{"by":"front","points_at":"set1"}}}}"#,
        world.port("set2"),
        world.port("set1"),
        world.port("set2"),
        world.dir().display(),
        world.nginx.front_url("/profile"),
        world.nginx.upstream_file().display(),
    )
}

/// Runs bg-health on a record without a launch, for applications that this test itself plays.
#[track_caller]
pub(crate) fn health(world: &World, flags: &[&str]) -> Ran {
    world.pipe(record(world), "bg-health", flags)
}

/// Tries until what happened was in time, a few times at most: a busy machine delays everything, but what is
/// too slow by itself is so each time.
#[track_caller]
pub(crate) fn in_time<T>(mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let mut late = Vec::new();
    while late.len() < 8 {
        match attempt() {
            Ok(happened) => return happened,
            Err(what) => late.push(what),
        }
    }
    panic!("never in time: {late:#?}");
}

/// The facts that bg-health put on the record.
#[track_caller]
pub(crate) fn facts(run: &Ran) -> serde_json::Value {
    run.record()["health"].clone()
}
