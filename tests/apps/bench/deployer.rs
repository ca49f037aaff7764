//! The contestants of a deploy: the two shell scripts, and `bg-deploy` with either form of the upstream file.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bg_tests::{process, until};

use crate::place::{Place, SLOTS, Site, end};
use crate::{deploy, watch};

const DEPLOY: &str = include_str!("deploy.sh");
const SWITCH: &str = include_str!("switch.sh");

/// As large as a small Spring Boot application.
const JAR_BYTES: usize = 20 << 20;

/// The application can't be up so long before its boot is over, and until then the old release may still answer.
const EARLY: Duration = Duration::from_millis(500);

const LONGEST: Duration = Duration::from_secs(180);

/// One who deploys, again and again, into a place of their own.
pub(crate) struct Deployer {
    pub(crate) name: &'static str,
    place: Place,
    how: How,
    live: usize,
    deploys: usize,
    bytes: usize,
}

enum How {
    Scripts,
    Reload,
    Link,
}

/// When it happened, from the start of the command.
pub(crate) struct Times {
    /// The new application said UP for the first time.
    pub(crate) up: Duration,
    /// nginx gave its first answer.
    pub(crate) served: Duration,
    /// The command ended.
    pub(crate) done: Duration,
}

impl Deployer {
    /// `deploy.sh` and `switch.sh`.
    pub(crate) fn scripts() -> Self {
        let deployer = Self::new(deploy::SCRIPTS, How::Scripts);
        let base = deployer.base();
        fs::create_dir_all(base.join("jar")).expect("a writable temporary folder");
        for (name, text) in [("deploy.sh", DEPLOY), ("switch.sh", SWITCH)] {
            let file = base.join(name);
            fs::write(&file, text).expect("a writable temporary folder");
            end(Command::new("chmod").arg("+x").arg(&file).spawn().expect("chmod"), "chmod");
        }
        for slot in SLOTS {
            let pid = deployer.place.world.start_fake(slot, &[]);
            fs::write(base.join(format!("{slot}.pid")), pid.to_string()).expect("a writable temporary folder");
        }
        deployer
    }

    /// `bg-deploy` on the scripts' site.
    pub(crate) fn reload() -> Self {
        Self::new(deploy::RELOAD, How::Reload).with_both_slots_filled()
    }

    /// `bg-deploy` on the printed site.
    pub(crate) fn link() -> Self {
        Self::new(deploy::LINK, How::Link).with_both_slots_filled()
    }

    /// The same with what is deployed so large.
    pub(crate) fn of_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    fn new(name: &'static str, how: How) -> Self {
        let deployer = Self { name, place: Place::new(), how, live: 0, deploys: 0, bytes: JAR_BYTES };
        fs::create_dir_all(deployer.base().join("build/libs")).expect("a writable temporary folder");
        deployer
    }

    fn with_both_slots_filled(mut self) -> Self {
        // Nothing is live, so the first goes to the first slot.
        self.live = 1;
        for _ in SLOTS {
            self.deploy(Duration::ZERO);
        }
        self
    }

    /// The site that the deploys move.
    pub(crate) fn site(&self) -> &Site {
        match self.how {
            How::Scripts | How::Reload => &self.place.scripts,
            How::Link => &self.place.link,
        }
    }

    /// Deploys an application that boots for so long, and watches from outside.
    pub(crate) fn deploy(&mut self, boot: Duration) -> Times {
        self.deploys += 1;
        self.live = 1 - self.live;
        let version = format!("release-{}", self.deploys);
        self.build(&version);
        let front = format!("{}/version", self.site().url);
        let slot = format!("http://127.0.0.1:{}/version", self.place.world.port(SLOTS[self.live]));
        let began = Instant::now();
        let command = self.begin(boot, &version);
        let done = thread::spawn(move || {
            end(command, "the deploy");
            began.elapsed()
        });
        let up = thread::scope(|scope| {
            let up = scope.spawn(|| {
                let from = boot.saturating_sub(EARLY);
                until(boot.max(EARLY), "the application boots", || began.elapsed() >= from);
                watch::first(&slot, &version, watch::CALMLY, LONGEST) - began
            });
            let served = watch::first(&front, &version, watch::CALMLY, LONGEST) - began;
            (up.join().expect("a watch that does not fail"), served)
        });
        let done = done.join().expect("a deploy that succeeds");
        Times { up: up.0, served: up.1, done }
    }

    /// Waits until nginx has let go of the idle slot: to drain it would count as the programs' time.
    pub(crate) fn settle(&self) {
        let idle = self.place.world.port(SLOTS[1 - self.live]);
        until(LONGEST, "nobody is connected to the idle slot", || process::connections(idle) == 0);
    }

    /// Each version is another file, as from a build.
    fn build(&self, version: &str) {
        let mut bytes = version.as_bytes().to_vec();
        bytes.resize(self.bytes, b'j');
        fs::write(self.jar(), bytes).expect("a writable temporary folder");
    }

    fn begin(&self, boot: Duration, version: &str) -> Child {
        let boot = boot.as_millis().to_string();
        let flags = ["--boot-ms", boot.as_str(), "--version-text", version];
        let (world, site) = (&self.place.world, self.site());
        let mut command = if let How::Scripts = self.how {
            let mut command = world.command(&self.base().join("deploy.sh"));
            command
                .env("BASE_PATH", self.base())
                .env("FRONT", &site.url)
                .env("SET1_PORT", world.port("set1").to_string())
                .env("SET2_PORT", world.port("set2").to_string())
                .env("START", world.fake_app(&flags).join(" "))
                .env("UPSTREAM_FILE", &site.upstream_file)
                .env("RUN_NGINX", world.nginx.command_line());
            command
        } else {
            let mut command = site.command(world, "bg-deploy");
            command.arg("-q").arg(self.jar()).arg("--").args(world.fake_app(&flags));
            command
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the deploy")
    }

    fn base(&self) -> PathBuf {
        self.place.world.folder().join("base")
    }

    /// What is deployed; `bg-launch` would look into a file called `.jar`, and this one is none.
    fn jar(&self) -> PathBuf {
        let name = if let How::Scripts = self.how { "app.jar" } else { "app.bin" };
        self.base().join("build/libs").join(name)
    }
}
