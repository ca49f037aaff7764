//! Where the contestants meet: one nginx with the scripts' own site and the two sites that
//! `bg-switch --print-site` prints, all in front of the same two slots.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use bg_tests::{World, programs, until};
use serde_json::Value;

use crate::watch;

/// What `bg-switch` printed before there were shares and a stand-in, with other ports and paths.
const FORMER: &str = include_str!("former.conf");
const FORMER_UPSTREAM: &str = include_str!("former.inc");

/// The movers' names.
pub(crate) const BARE: &str = "tee; nginx -s reload";
pub(crate) const RELOAD: &str = "bg-switch, reload form";
pub(crate) const LINK: &str = "bg-switch, link form";

/// The names of the two slots.
pub(crate) const SLOTS: [&str; 2] = ["set1", "set2"];

/// One nginx, two slots, three sites.
pub(crate) struct Place {
    pub(crate) world: World,
    /// The site of the two shell scripts, in the reload form.
    pub(crate) scripts: Site,
    /// The printed site in the reload form.
    pub(crate) reload: Site,
    /// The printed site in the link form.
    pub(crate) link: Site,
    /// The printed site in the link form, of when there were no shares and no stand-in.
    pub(crate) former: Site,
}

/// A site through which the slots are reached.
pub(crate) struct Site {
    app: &'static str,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    pub(crate) upstream_file: PathBuf,
    dir: PathBuf,
}

/// How a site is moved to a slot.
pub(crate) struct Mover<'a> {
    pub(crate) name: &'static str,
    place: &'a Place,
    pub(crate) site: &'a Site,
    bare: bool,
}

impl Place {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let scripts = Site {
            app: "scripts",
            url: world.nginx.front_url(""),
            upstream_file: world.nginx.upstream_file(),
            dir: world.folder().join("scripts"),
        };
        let reload = Site::printed(&world, "plain", "reload");
        let link = Site::printed(&world, "web", "link");
        let former = Site::former(&world);
        world.nginx.reload();
        Self { world, scripts, reload, link, former }
    }

    /// With an application in each slot, started by hand.
    pub(crate) fn with_applications() -> Self {
        let place = Self::new();
        for slot in SLOTS {
            place.world.start_fake(slot, &[]);
        }
        place
    }

    /// The file written in place and `nginx -s reload`, as `switch.sh` does it, on the scripts' site.
    pub(crate) fn bare(&self) -> Mover<'_> {
        Mover { name: BARE, place: self, site: &self.scripts, bare: true }
    }

    /// `bg-switch` on the scripts' site.
    pub(crate) fn by_reload(&self) -> Mover<'_> {
        Mover { name: RELOAD, place: self, site: &self.scripts, bare: false }
    }

    /// `bg-switch` on the printed site in the reload form.
    pub(crate) fn by_printed_reload(&self) -> Mover<'_> {
        Mover { name: RELOAD, place: self, site: &self.reload, bare: false }
    }

    /// `bg-switch` on the printed site in the link form.
    pub(crate) fn by_link(&self) -> Mover<'_> {
        Mover { name: LINK, place: self, site: &self.link, bare: false }
    }

    /// Waits until no worker of an earlier configuration is left.
    pub(crate) fn settle(&self) {
        until(Duration::from_secs(30), "nginx's old workers are gone", || self.world.nginx.workers().len() == 2);
    }
}

impl Site {
    fn new(world: &World, app: &'static str) -> Self {
        Self {
            app,
            url: format!("http://127.0.0.1:{}", world.free_port()),
            upstream_file: world.folder().join(format!("{app}.inc")),
            dir: world.folder().join(app),
        }
    }

    /// Adds the site that was printed once to nginx, to be seen at its next reload.
    fn former(world: &World) -> Self {
        let site = Self::new(world, "former");
        let in_place = |text: &str| {
            text.replace("127.0.0.1:11111", &format!("127.0.0.1:{}", world.port(SLOTS[0])))
                .replace("127.0.0.1:22222", &format!("127.0.0.1:{}", world.port(SLOTS[1])))
                .replace("127.0.0.1:33333", site.url.trim_start_matches("http://"))
                .replace("/UPSTREAM_FILE", &site.upstream_file.display().to_string())
                .replace("/DIR", &site.dir.display().to_string())
        };
        fs::write(&site.upstream_file, in_place(FORMER_UPSTREAM)).expect("a writable temporary folder");
        world.nginx.add_to_http(site.app, &in_place(FORMER));
        site
    }

    /// Adds the printed site to nginx, to be seen at its next reload.
    fn printed(world: &World, app: &'static str, form: &str) -> Self {
        let site = Self::new(world, app);
        let address = site.url.trim_start_matches("http://");
        let print = |what: &str| {
            let mut command = site.command(world, "bg-switch");
            let output = output(command.args([what, "--form", form, "--listen", address]));
            String::from_utf8(output.stdout).expect("what we print is UTF-8")
        };
        fs::write(&site.upstream_file, print("--print-upstream")).expect("a writable temporary folder");
        world.nginx.add_to_http(app, &print("--print-site"));
        site
    }

    /// One of our programs, for this site.
    pub(crate) fn command(&self, world: &World, program: &str) -> Command {
        let mut command = world.command(&programs::ours(program));
        command
            .env("BG_APP", self.app)
            .env("BG_FRONT", self.front())
            .env("BG_DIR", &self.dir)
            .env("BG_UPSTREAM_FILE", &self.upstream_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The process that bg-launch has started in a slot.
    pub(crate) fn pid(&self, slot: &str) -> u32 {
        let file = self.dir.join(format!("slots/{slot}/process.json"));
        let process: Value = serde_json::from_slice(&fs::read(file).expect("what bg-launch writes")).expect("JSON");
        process["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid")
    }

    /// The URL that answers with the live slot's name.
    pub(crate) fn front(&self) -> String {
        format!("{}/profile", self.url)
    }
}

impl Mover<'_> {
    /// Begins to move the site to the slot.
    pub(crate) fn begin(&self, slot: &str) -> Child {
        let world = &self.place.world;
        if !self.bare {
            return self.site.command(world, "bg-switch").args(["-q", "--to", slot]).spawn().expect("bg-switch");
        }
        let text = format!("set $service_url http://127.0.0.1:{};\n", world.port(slot));
        fs::write(&self.site.upstream_file, text).expect("a writable temporary folder");
        let nginx = world.nginx.command_line();
        let mut words = nginx.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(["-s", "reload"]).stderr(Stdio::null()).spawn().expect("nginx, which was found before")
    }

    /// Moves the site to the slot, and comes back when the command has ended.
    pub(crate) fn go(&self, slot: &str) {
        end(self.begin(slot), self.name);
    }

    /// Moves it and waits until it is so, whatever the command says.
    pub(crate) fn go_and_see(&self, slot: &str) {
        self.go(slot);
        watch::first(&self.site.front(), slot, watch::CALMLY, Duration::from_secs(30));
    }
}

/// Waits for a program that has to succeed.
pub(crate) fn end(mut child: Child, what: &str) {
    let status = child.wait().expect("a child of ours");
    assert!(status.success(), "{what}: {status}");
}

/// Runs a program that has to succeed.
pub(crate) fn output(command: &mut Command) -> Output {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output
}

/// The slot after so many switches, beginning with the first slot live.
pub(crate) fn slot_after(switches: usize) -> &'static str {
    SLOTS[switches % 2]
}
