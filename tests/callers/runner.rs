//! A runner of CI steps that does all that runners do: it reads the step's output to its end, however long somebody
//! holds it, and then kills the step's process group and every process that has the runner's marks.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bg_tests::{World, process, programs, sample_jar};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A JVM on a busy machine takes its time; a step that hangs takes for ever.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// By these the runners of GitHub and Jenkins find what a job has left.
const MARKS: [&str; 3] = ["RUNNER_TRACKING_ID", "BUILD_ID", "JENKINS_NODE_COOKIE"];

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bg-deploy/package/examples");

pub(crate) struct Runner<'a> {
    pub(crate) world: &'a World,
    variables: Vec<(OsString, OsString)>,
    path: OsString,
}

/// A step that runs.
pub(crate) struct Step<'a> {
    runner: &'a Runner<'a>,
    child: Child,
}

/// A step that has ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    /// What it printed, on either stream.
    pub(crate) output: String,
}

impl<'a> Runner<'a> {
    /// A runner on the world's server, whose settings are in a file there.
    pub(crate) fn new(world: &'a World) -> Runner<'a> {
        let command = world.command(Path::new("true"));
        let all: Vec<(OsString, OsString)> =
            command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        let (settings, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(name, _)| name.as_encoded_bytes().starts_with(b"BG_"));
        let lines = settings.iter().map(|(name, value)| format!("{}='{}'\n", name.display(), value.display()));
        world.write("web.env", lines.collect::<String>());
        let (paths, variables) = others.into_iter().partition(|(name, _)| name == "PATH");
        let runner =
            Runner { world, variables, path: Vec::into_iter(paths).map(|(_, path): (_, OsString)| path).collect() };
        let temp = world.word(world.make_dir(runner.workspace().join("temp")));
        world.script(runner.workspace().join("gradlew"), "test -e build/libs/app.jar");
        runner.set("CI", "true").set("RUNNER_TEMP", &temp)
    }

    /// Sets a variable for every step.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// What a variable of every step is set to.
    #[track_caller]
    pub(crate) fn variable(&self, name: &str) -> String {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.to_str().expect("UTF-8").to_owned()
    }

    /// Puts a folder before all others on the steps' PATH.
    pub(crate) fn with_path(mut self, first: &Path) -> Self {
        let folders: Vec<PathBuf> = std::env::split_paths(&self.path).collect();
        self.path = std::env::join_paths([first.to_owned()].iter().chain(&folders)).expect("no colons");
        self
    }

    pub(crate) fn path(&self) -> &OsString {
        &self.path
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.world.path("workspace")
    }

    /// Where CodeDeploy's agent copies the jar to.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.world.path("incoming")
    }

    /// Puts what a build of this version leaves into the workspace.
    pub(crate) fn check_out(&self, version: &str) {
        let libs = self.workspace().join("build/libs");
        self.world.copy(sample_jar(version), libs.join("app.jar"));
        self.world.write(libs.join("app-plain.jar"), "by-product");
    }

    /// The text of an example, with this server's places in those of a real one.
    #[track_caller]
    pub(crate) fn example(&self, name: &str) -> String {
        let text = fs::read_to_string(Path::new(EXAMPLES).join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        self.here(&text)
    }

    fn here(&self, text: &str) -> String {
        let settings = self.world.path("web.env");
        let text = text.replace("/etc/bg/web.env", settings.to_str().expect("UTF-8"));
        text.replace("/opt/web/incoming", self.incoming().to_str().expect("UTF-8"))
    }

    /// Starts a step as GitHub's runner does, by `bash -e`.
    pub(crate) fn step(&'a self, script: &str) -> Step<'a> {
        self.spawn(Command::new("bash").arg("-e"), script)
    }

    /// Starts a line as cron does.
    pub(crate) fn cron(&'a self, line: &str) -> Step<'a> {
        self.spawn(&mut Command::new("/bin/sh"), line)
    }

    /// Starts a step as another user, who finds the programs where everybody may run them.
    pub(crate) fn step_as(&'a self, user: u32, script: &str) -> Step<'a> {
        let bin = self.world.path("bin");
        for program in ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy"] {
            self.world.copy(programs::ours(program), bin.join(program));
        }
        let folders = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        self.spawn(Command::new("bash").env("PATH", folders).uid(user).gid(user), script)
    }

    fn spawn(&'a self, shell: &mut Command, script: &str) -> Step<'a> {
        let own: Vec<(OsString, OsString)> =
            shell.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        shell.env_clear().env("PATH", &self.path).envs(self.variables.iter().map(|(name, value)| (name, value)));
        shell.envs(MARKS.map(|mark| (mark, self.mark()))).envs(own);
        shell.arg("-c").arg(self.here(script)).current_dir(self.workspace()).process_group(0);
        let child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Step { runner: self, child: child.expect("a shell") }
    }

    fn mark(&self) -> String {
        self.world.folder().display().to_string()
    }

    /// Kills all that has the runner's marks: the end of a job.
    pub(crate) fn clean_up(&self) {
        for mark in MARKS {
            process::end_marked(mark, &self.mark());
        }
    }
}

impl Step<'_> {
    /// Waits until nobody holds the step's output any more, then kills its process group.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let streams = [read(self.child.stdout.take()), read(self.child.stderr.take())];
        let heard = streams.map(|stream| stream.recv_timeout(SOON));
        let [Ok(output), Ok(errors)] = heard else {
            self.kill();
            panic!("the step hangs: after {SOON:?} somebody still holds its output");
        };
        Ended { code: self.finish(), output: output + &errors }
    }

    /// Closes both pipes at once, as a runner that lost its connection; the exit code of the step.
    pub(crate) fn end_unheard(mut self) -> i32 {
        drop((self.child.stdout.take(), self.child.stderr.take()));
        self.finish()
    }

    /// Kills it in the middle, in all ways.
    pub(crate) fn cancel(mut self) {
        self.kill();
        self.child.wait().expect("a child of ours");
        self.runner.clean_up();
    }

    fn finish(&mut self) -> i32 {
        let ended = self.child.wait().expect("a child of ours");
        self.kill();
        ended.code().unwrap_or(-1)
    }

    fn kill(&self) {
        // That it is empty by now is what we hope for.
        let _ = killpg(Pid::from_raw(i32::try_from(self.child.id()).expect("a pid fits")), Signal::SIGKILL);
    }
}

impl Ended {
    /// What it printed.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}", self.output);
        self.output
    }
}

fn read(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    let mut stream = stream.expect("a pipe");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        // Nobody waits any more where the step was killed.
        let _ = sender.send(read.map_or_else(|why| why.to_string(), |_| String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}
