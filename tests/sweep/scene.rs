//! A server on which one program is run again and again, each time from the same beginning: both slots run, one is
//! live, and nothing is half done.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use bg_tests::{KeepAlive, Nginx, Run, Strace, World, http, process, programs, until};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::scripts::Scripts;

/// How long one run may take, whatever happens in it.
const LONGEST: Duration = Duration::from_secs(60);

/// The share of the visitors that a run moves.
pub(crate) const SHARE: usize = 10;

/// Whoever watches the visitors must have heard of one: a watch that has proven nothing ends with 9.
const WATCH: [&str; 9] =
    ["--slot", "live", "--watch", "300ms", "--watch-errors", "50%", "--watch-requests=1", "--watch-quiet", "back"];

/// What visitors get from a site that is closed.
pub(crate) const PAGE: &str = "<p>closed</p>\n";

/// Longer than nginx lets two generations of its workers answer.
const STEADY: Duration = Duration::from_millis(200);

/// The two forms of the upstream file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Reload,
    Link,
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// `bg-launch` of a new release into the idle slot, which runs an old one.
    Launch,
    /// `bg-switch` to the idle slot.
    Switch,
    /// `bg-switch` of a tenth of the visitors to the idle slot, in the link form.
    Share,
    /// `bg-switch --close` of a site that is open.
    Close,
    /// `bg-switch --open` of a site that is closed.
    Open,
    /// `bg-switch --drain on` of a host that is not drained.
    Drain,
    /// `bg-switch --preview on`, of a pass to the idle slot.
    Pass,
    /// `bg-switch` to the idle slot, of all but those who were in the live one.
    Linger,
    /// `bg-switch --convert` to the other form.
    Convert,
    /// `bg-launch --companion` after nginx has moved: that of the other slot is stopped, and the live one's started.
    Companion,
    /// `bg-health --watch` of the live slot, with the answers that its visitors get.
    Watch,
    /// `bg-deploy` of a new release.
    Deploy,
    /// The same, of which a share of the visitors gets its answers first.
    Ramp,
    /// `bg-deploy --prepare` of one.
    Prepare,
    /// `bg-deploy --finish` of what is prepared.
    Finish,
    /// `bg-deploy --abandon` of that.
    Abandon,
}

impl Act {
    /// Whether bg-deploy does it, with stages that can be struck.
    pub(crate) fn is_driven(self) -> bool {
        matches!(self, Act::Deploy | Act::Ramp | Act::Prepare | Act::Finish | Act::Abandon)
    }
}

/// What there was before a run.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// The slot that served.
    pub(crate) live: String,
    /// What it answered at `/version`.
    pub(crate) version: String,
    /// The other slot.
    pub(crate) idle: String,
    /// What that one answered, past nginx.
    pub(crate) idle_version: Option<String>,
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) act: Act,
    pub(crate) before: Before,
    /// The release that the idle slot held before another was prepared there.
    pub(crate) held_before: Option<String>,
    /// The URL of the site that can be closed or watched, where one can.
    pub(crate) door: String,
    /// The URL of the site that knows cookies, where one does.
    pub(crate) own: String,
    /// A second nginx with the same site: what the first would serve after its own restart.
    pub(crate) twin: Nginx,
    form: Form,
    round: u32,
    /// Who comes all the time, where visitors are watched.
    pub(crate) visitors: Option<KeepAlive>,
    /// bg-deploy once more, with scripts beside it by which its stages can be traced.
    scripts: Scripts,
}

impl Scene {
    /// A server whose upstream file has `form`, on which `act` is going to be done.
    #[track_caller]
    pub(crate) fn new(act: Act, form: Form) -> Self {
        let world = World::new()
            .env("BG_HEALTH_SUCCESSES", "1")
            .env("BG_HEALTH_TIMEOUT", "10s")
            .env("BG_LAUNCH_DRAIN", "1s")
            .env("BG_LAUNCH_STOP_TIMEOUT", "5s")
            .env("BG_LAUNCH_KEEP", "3")
            .env("BG_SWITCH_VERIFY_TIMEOUT", "5s")
            .env("BG_WAIT", "20s");
        let world = if form == Form::Link { world.link_form() } else { world };
        let (world, door) = match act {
            Act::Close | Act::Open | Act::Drain => with_a_door(world, ""),
            Act::Watch => with_a_door(world, "watch"),
            _ => (world, String::new()),
        };
        let (world, own) = match act {
            Act::Pass => with_a_door(world, "preview"),
            Act::Linger => with_a_door(world, "sticky"),
            _ => (world, String::new()),
        };
        let work = format!("fake-app --work {}", world.word("work"));
        let world = if act == Act::Companion { world.env("BG_LAUNCH_COMPANION", &work) } else { world };
        if matches!(act, Act::Share | Act::Ramp) {
            give_kinds(&world);
        } else {
            make_routes(&world);
        }
        let twin = world.nginx.twin(&world.path("twin"));
        let before = Before { live: String::new(), version: String::new(), idle: String::new(), idle_version: None };
        let held_before = None;
        let scripts = Scripts::new();
        let mut scene =
            Self { world, act, before, held_before, door, own, twin, form, round: 0, visitors: None, scripts };
        for _ in 0..2 {
            scene.renew_artifact();
            scene.world.cmd("bg-deploy").args(scene.release()).ran().success();
        }
        scene.visitors = (act == Act::Watch).then(|| KeepAlive::start("GET", &scene.door, 1));
        scene
    }

    /// The program that is run.
    pub(crate) fn program(&self) -> &'static str {
        match self.act {
            Act::Launch | Act::Companion => "bg-launch",
            Act::Switch | Act::Share | Act::Convert | Act::Close | Act::Open | Act::Drain | Act::Pass | Act::Linger => {
                "bg-switch"
            }
            Act::Watch => "bg-health",
            Act::Deploy | Act::Ramp | Act::Prepare | Act::Finish | Act::Abandon => "bg-deploy",
        }
    }

    /// Sees to it that the next run has something to do.
    #[track_caller]
    pub(crate) fn begin(&mut self) {
        if self.act == Act::Convert && self.now() != self.form {
            let form = name(self.form);
            self.world.run("bg-switch", &["--convert", form]).success();
        }
        if self.act == Act::Share {
            self.world.run("bg-switch", &["--share", "0"]).success();
            // What a share of before has left: the run removes it.
            for file in ["set2.7", "set1.8"] {
                self.world.write(self.world.dir().join("routes/set2+1-00000001").join(file), "");
            }
        }
        if self.act == Act::Switch {
            // The run says anew who may stand in.
            let _ = fs::remove_dir_all(self.world.dir().join("backed"));
        }
        if matches!(self.act, Act::Close | Act::Open) {
            let word = if self.act == Act::Close { "--open" } else { "--close" };
            self.world.run("bg-switch", &[word]).success();
        }
        if self.act == Act::Drain {
            self.world.run("bg-switch", &["--drain", "off"]).success();
        }
        if self.act == Act::Companion {
            self.look();
            self.world.switch(&self.before.idle).success();
            let logs = self.world.dir().join("slots/companion/logs");
            for name in self.world.names(&logs) {
                self.world.remove(logs.join(name));
            }
        }
        match self.act {
            Act::Pass => drop(self.world.run("bg-switch", &["--preview", "off"]).success()),
            Act::Linger => drop(self.world.run("bg-switch", &["--linger", "0"]).success()),
            _ => {}
        }
        self.renew_artifact();
        if matches!(self.act, Act::Finish | Act::Abandon) {
            self.look();
            self.held_before = self.world.held(&self.before.idle);
            self.world.cmd("bg-deploy").arg("--prepare").args(self.release()).ran().success();
        }
        // As a folder from before it remembered whose it is: the run writes that too.
        match fs::remove_file(self.world.dir().join("app")) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("a file of ours: {error}"),
            _ => self.look(),
        }
    }

    /// Gets ready to run the same command a second time.
    #[track_caller]
    pub(crate) fn begin_again(&mut self) {
        // Nothing is deployed into a slot that has a share.
        if self.act == Act::Ramp && self.share() == SHARE {
            self.world.run("bg-switch", &["--share", "0"]).success();
        }
        // A switch goes where it was to go; a deploy goes on from where it is.
        if matches!(self.act, Act::Deploy | Act::Ramp) {
            self.look();
        }
    }

    /// Looks who serves, once that does not change any more: who was killed may have told nginx to reload just before.
    #[track_caller]
    fn look(&mut self) {
        let serving = || Self::serving(&self.world.nginx).expect("a slot that is live");
        let (mut now, mut since) = (serving(), Instant::now());
        until(LONGEST, "one slot serves", || {
            let next = serving();
            if next != now {
                (now, since) = (next, Instant::now());
            }
            since.elapsed() > STEADY
        });
        let (live, version) = now;
        let idle = if live == "set1" { "set2" } else { "set1" }.to_owned();
        let idle_version = self.world.get_slot(&idle, "/version").ok().map(|answer| answer.body);
        self.before = Before { live, version, idle, idle_version };
    }

    /// Runs it as it is.
    #[track_caller]
    pub(crate) fn run(&self) -> Output {
        let program = programs::ours(self.program());
        output(self.command(&[], &program))
    }

    /// Runs it with some of its targets under strace.
    #[track_caller]
    pub(crate) fn run_under(&self, traces: &[(&str, Strace)]) -> Output {
        let words = |target: &str| {
            let trace = traces.iter().find(|(traced, _)| *traced == target);
            trace.map(|(_, strace)| strace.words()).unwrap_or_default()
        };
        let program = match self.act {
            act if act.is_driven() => self.scripts.deploy_with(words),
            _ => programs::ours(self.program()),
        };
        output(self.command(&words(self.program()), &program))
    }

    /// The slot that serves when the run has done its work.
    pub(crate) fn goal(&self) -> Option<&str> {
        match self.act {
            Act::Launch
            | Act::Convert
            | Act::Share
            | Act::Close
            | Act::Open
            | Act::Drain
            | Act::Companion
            | Act::Pass
            | Act::Watch
            | Act::Prepare
            | Act::Abandon => Some(&self.before.live),
            Act::Switch | Act::Linger | Act::Finish => Some(&self.before.idle),
            // A deploy that is cut short after the switch has done its work: the next one goes on from there.
            Act::Deploy | Act::Ramp => None,
        }
    }

    /// The slots that may serve at any moment of the run.
    pub(crate) fn may_serve(&self) -> Vec<&str> {
        let both = matches!(self.act, Act::Switch | Act::Linger | Act::Share | Act::Deploy | Act::Ramp | Act::Finish);
        let idle = both.then_some(self.before.idle.as_str());
        [self.before.live.as_str()].into_iter().chain(idle).collect()
    }

    /// How many visitors of a hundred are answered by the slot that was idle.
    pub(crate) fn share(&self) -> usize {
        let url = self.world.nginx.front_url("/profile");
        let slot_of = |number: u8| {
            let answer = http::request("GET", &url, &[("X-Bg-Visitor", &number.to_string())], b"");
            answer.map(|answer| answer.body).unwrap_or_default()
        };
        (1..=100).filter(|number| slot_of(*number) == self.before.idle).count()
    }

    /// The form the upstream file is to have in the end.
    pub(crate) fn form_at_the_end(&self) -> Form {
        match (self.act, self.form) {
            (Act::Convert, Form::Reload) => Form::Link,
            (Act::Convert, Form::Link) => Form::Reload,
            (_, form) => form,
        }
    }

    /// The form the upstream file has now.
    pub(crate) fn now(&self) -> Form {
        if self.world.nginx.read_upstream().contains("-f ") { Form::Link } else { Form::Reload }
    }

    /// What a slot's `process.json` says; `None` where nothing was launched there.
    pub(crate) fn launched(&self, slot: &str) -> Option<Value> {
        let file = self.world.dir().join("slots").join(slot).join("process.json");
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Every folder that the programs write in.
    pub(crate) fn folders(&self) -> [PathBuf; 2] {
        let upstream = self.world.nginx.upstream_file();
        [self.world.dir(), upstream.parent().expect("a file in a folder").to_owned()]
    }

    /// While it leads somewhere, nginx says what it has answered to visitors.
    pub(crate) fn gate(&self) -> PathBuf {
        self.world.dir().join("watch/gate")
    }

    /// The file that is deployed.
    pub(crate) fn artifact(&self) -> PathBuf {
        self.world.path("app.bin")
    }

    /// The slot that an nginx sends to, and the release that runs there: of one answer, for while nginx reloads, the
    /// next may come from the other slot.
    pub(crate) fn serving(nginx: &Nginx) -> Result<(String, String), String> {
        let environment = Self::ask(nginx, "/env")?;
        let said = |name: &str| environment.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        said("BG_SLOT=").zip(said("BG_RELEASE=")).ok_or_else(|| "what answers was not launched".to_owned())
    }

    /// What an nginx answers at a path.
    pub(crate) fn ask(nginx: &Nginx, path: &str) -> Result<String, String> {
        match http::get(&nginx.front_url(path)) {
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            Ok(answer) => Err(format!("{path} is answered {}", answer.status)),
            Err(error) => Err(format!("{path} is not answered: {error}")),
        }
    }

    /// The processes of this world that no `process.json` and no nginx accounts for.
    pub(crate) fn strays(&self) -> Vec<u32> {
        let known: Vec<u64> =
            ["set1", "set2", "companion"].iter().filter_map(|slot| self.launched(slot)?.get("pid")?.as_u64()).collect();
        let session = |pid: &u32| process::family(*pid).map(|(_, _, session)| u64::from(session));
        let stray = |pid: &u32| session(pid).is_some_and(|session| !known.contains(&session));
        let attends = |pid: &u32| process::command_line(*pid).iter().any(|word| word == "--attend");
        let is_meant = |pid: &u32| self.act == Act::Linger && attends(pid);
        self.world.processes().into_iter().filter(|pid| stray(pid) && !is_meant(pid)).collect()
    }

    /// Stops and starts the nginx.
    #[track_caller]
    pub(crate) fn restart_nginx(&self) {
        self.world.nginx.stop();
        until(LONGEST, "nginx has ended", || self.world.nginx.master().is_none());
        self.world.nginx.start();
    }

    fn command(&self, words: &[String], program: &Path) -> Command {
        let mut command = match words.split_first() {
            None => self.world.command(program),
            Some((first, rest)) => {
                let mut command = self.world.command(Path::new(first));
                command.args(rest).arg(program);
                command
            }
        };
        match self.act {
            Act::Launch => command.args(["--slot", "idle"]).args(self.release()),
            Act::Companion => command.args(["--slot", "live", "--companion"]),
            Act::Switch => command.args(["--to", &self.before.idle]),
            Act::Pass => command.args(["--preview", "on"]),
            Act::Linger => command.args(["--to", &self.before.idle, "--linger", "10m"]),
            Act::Close => command.arg("--close").arg(self.world.write(self.world.path("page.html"), PAGE)),
            Act::Open => command.arg("--open"),
            Act::Drain => command.args(["--drain", "on", "--drain-idle", "10ms"]),
            Act::Share => command.args(["--to", &self.before.idle, "--share", &SHARE.to_string()]),
            Act::Convert => command.args(["--convert", name(self.form_at_the_end())]),
            Act::Watch => command.args(WATCH),
            Act::Deploy => command.args(self.release()),
            Act::Ramp => command.args(["--ramp", &format!("{SHARE}=50ms")]).args(self.release()),
            Act::Prepare => command.arg("--prepare").args(self.release()),
            Act::Finish => command.arg("--finish"),
            Act::Abandon => command.arg("--abandon"),
        };
        command
    }

    fn release(&self) -> Vec<String> {
        let artifact = self.artifact().display().to_string();
        [vec![artifact, "--".to_owned()], self.world.fake_app(&[])].concat()
    }

    /// Another content is another release, so that each run makes one and removes an old one.
    fn renew_artifact(&mut self) {
        self.round += 1;
        self.world.write(self.artifact(), format!("round {}\n", self.round));
    }
}

/// Has the routes of both slots made, of which the files would be most of what there is to strike: the switch of a share
/// makes as many.
#[track_caller]
fn make_routes(world: &World) {
    let (before, link) = (world.nginx.read_upstream(), world.dir().join("live"));
    for slot in ["set2", "set1"] {
        world.start_fake(slot, &[]);
    }
    let forms: &[_] = if before.contains("-f ") { &["link"] } else { &["link", "reload"] };
    for form in forms {
        world.run("bg-switch", &["--convert", form]).success();
        for slot in ["set2", "set1"] {
            world.run("bg-switch", &["--to", slot]).success();
        }
    }
    for pid in world.processes() {
        process::signal(pid, Signal::SIGKILL);
        process::gone(pid);
    }
    assert!(link.is_symlink(), "a route");
}

/// Installs the printed site beside the scripts' one. The twin listens there as well, with the same files.
#[track_caller]
fn with_a_door(world: World, extras: &str) -> (World, String) {
    let listen = format!("127.0.0.1:{}", world.free_port());
    let words = ["--print-site", "--with", extras, "--listen", &format!("{listen} reuseport")];
    let printed = world.run("bg-switch", &words).success().stdout();
    // The groups of the link form are there already.
    let (_, beyond) = printed.split_once("\nupstream web_set1.backed").expect("a group");
    world.nginx.add_to_http("site", &format!("upstream web_set1.backed{beyond}"));
    world.nginx.reload();
    let world = world.env("BG_FRONT", &format!("http://{listen}/_bg/slot"));
    (world, format!("http://{listen}/profile"))
}

/// Gives the site what the printed one has above its server.
#[track_caller]
fn give_kinds(world: &World) {
    let printed = world.run("bg-switch", &["--print-site"]).success().stdout();
    let (above, _) = printed.split_once("\nserver {").expect("a server");
    world.nginx.add_to_http("groups", above);
    world.nginx.reload();
    world.run("bg-switch", &["--convert", "link"]).success();
}

fn output(command: Command) -> Output {
    let mut command = assert_cmd::Command::from_std(command);
    command.timeout(LONGEST).output().expect("a program that was found before")
}

fn name(form: Form) -> &'static str {
    match form {
        Form::Reload => "reload",
        Form::Link => "link",
    }
}
