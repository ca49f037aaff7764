//! nginx as a program: its command line, and what it says of itself.

pub(crate) mod dump;
pub(crate) mod error_log;
pub(crate) mod groups;
pub(crate) mod workers;

use crate::nginx::dump::Dump;
use crate::nginx::error_log::ErrorLog;
use crate::nginx::workers::Master;
use anyhow::{Context, Result, bail};
use bg_probe::nginx::conf::{self, Directive};
use bg_probe::say;
use bg_probe::say::exit::Exit;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Where distributions put the pid file when the configuration does not say.
const USUAL_PID: [&str; 2] = ["/run/nginx.pid", "/usr/local/nginx/logs/nginx.pid"];

/// Where they put the error log.
const USUAL_LOG: &str = "/var/log/nginx/error.log";

/// How long nginx may take to test a configuration, or whatever stands before it (`docker exec`) to come to an end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How nginx is called.
pub(crate) struct Nginx {
    words: Vec<String>,
    pid_file: Option<PathBuf>,
}

/// An nginx whose configuration was found good.
pub(crate) struct Tested {
    /// Its master process, where it runs on this machine and can be found.
    pub(crate) master: Option<Master>,
    log: Option<ErrorLog>,
}

impl Nginx {
    /// nginx as the operator calls it.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a command line that can't be split.
    pub(crate) fn new(command_line: &str, pid_file: Option<PathBuf>) -> Result<Nginx> {
        let words = shell_words::split(command_line).map_err(|e| Exit::Usage.because(format!("--nginx: {e}")))?;
        if words.is_empty() {
            return Err(Exit::Usage.because("--nginx is empty"));
        }
        Ok(Nginx { words, pid_file })
    }

    /// Where the program is. A user's PATH, and cron's, often has no sbin, where distributions put nginx.
    ///
    /// # Errors
    /// When it is missing.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let name = self.words.first().context("--nginx is empty")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        let path = std::env::join_paths(folders.chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from)))?;
        let found = which::which_in(name, Some(path), std::env::current_dir().unwrap_or_default());
        found.with_context(|| format!("{name}: not on this machine's PATH, or can't be run; see --nginx"))
    }

    /// What it says its version is, `nginx/1.22.1`; `None` where it, or what calls it, does not say.
    pub(crate) fn version(&self) -> Option<String> {
        let said = self.run(&["-v"]).ok()?;
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        text.lines().find_map(|line| line.strip_prefix("nginx version: ")).map(say::clean)
    }

    /// Whether this user may have it read its configuration again, by a signal to its master or by the rules of sudo;
    /// `None` where only the attempt could tell, as through `docker exec`.
    pub(crate) fn may_reload(&self) -> Option<bool> {
        // Signal 0 is the question alone (kill(2)).
        if self.running().is_some_and(|master| kill(Pid::from_raw(master.pid()), None).is_ok()) {
            return Some(true);
        }
        let program = self.program().ok()?;
        if program.file_name()? == "sudo" {
            let asked = Command::new(&program)
                .args(["-n", "-l"])
                .args(&self.words[1..])
                .args(["-s", "reload"])
                .stdin(Stdio::null())
                .output();
            return Some(asked.is_ok_and(|said| said.status.success()));
        }
        (program.file_name()? == "nginx").then(|| geteuid().is_root())
    }

    /// Has nginx test its configuration (`nginx -t`).
    ///
    /// # Errors
    /// [`Exit::NotMoved`] when nginx finds it bad, in nginx's own words.
    pub(crate) fn test(&self) -> Result<Tested> {
        let output = self.run(&["-t"])?;
        if !output.status.success() {
            return Err(Exit::NotMoved.because(format!("nginx -t refused the configuration: {}", complaint(&output))));
        }
        let main = self.is_on_this_machine().then(|| main_file(&output)).flatten();
        let in_file =
            main.as_deref().and_then(|file| conf::parse(&std::fs::read_to_string(file).ok()?).ok()).unwrap_or_default();
        let directives = [self.given(), in_file].concat();
        let named = |name: &str| {
            let found = directives.iter().find(|directive| directive.texts().first() == Some(&name))?;
            found.words.get(1).map(|word| self.absolute(Path::new(&word.text)))
        };
        Ok(Tested {
            master: main.is_some().then(|| self.master(named("pid"))).flatten(),
            log: ErrorLog::now(named("error_log").unwrap_or_else(|| USUAL_LOG.into())),
        })
    }

    /// Has nginx read its configuration again: SIGHUP to its master where that is known and allowed, which is all
    /// that `nginx -s reload` does after it has parsed the configuration once more, else `nginx -s reload`.
    ///
    /// # Errors
    /// [`Exit::NotMoved`] when it can't be told.
    pub(crate) fn reload(&self, master: Option<&Master>) -> Result<()> {
        if master.is_some_and(|master| kill(Pid::from_raw(master.pid()), Signal::SIGHUP).is_ok()) {
            return Ok(());
        }
        let output = self.run(&["-s", "reload"])?;
        if output.status.success() {
            return Ok(());
        }
        Err(Exit::NotMoved.because(format!("nginx could not be told to reload (does it run?): {}", complaint(&output))))
    }

    /// The whole configuration as nginx reads it (`nginx -T`); `None` where nginx or sudo will not say.
    pub(crate) fn dump(&self) -> Option<Dump> {
        let output = self.run(&["-T"]).ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| Dump::parse(&text))
    }

    /// The whole configuration, from its files where nginx does not print it: a file that is missing, or a permission,
    /// keeps it from doing so. `None` where nothing of it can be seen.
    pub(crate) fn configuration(&self) -> Option<Dump> {
        self.dump().or_else(|| {
            let tested = self.run(&["-t"]).ok().filter(|_| self.is_on_this_machine())?;
            Some(Dump::read(&main_file(&tested)?)).filter(|dump| !dump.files.is_empty())
        })
    }

    /// The master process of the nginx that runs, where it can be found; also where this user may not test its
    /// configuration.
    pub(crate) fn running(&self) -> Option<Master> {
        match self.test() {
            Ok(tested) => tested.master,
            Err(_) => self.is_on_this_machine().then(|| self.master(None)).flatten(),
        }
    }

    fn run(&self, args: &[&str]) -> Result<Output> {
        let program = self.program()?;
        let mut command = Command::new(&program);
        // In our own process group, so that sudo can ask for a password on the terminal.
        command.args(&self.words[1..]).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = || format!("run {}", program.display());
        let child = command.spawn().with_context(run)?;
        let pid = Pid::from_raw(child.id().try_into().with_context(run)?);
        let (said, heard) = mpsc::channel();
        // Who has stopped listening does not want to know.
        let wait = move || drop(said.send(child.wait_with_output()));
        thread::Builder::new().spawn(wait).with_context(run)?;
        heard.recv_timeout(ENDS_WITHIN).map_or_else(
            |_| {
                // It may be root's, as through sudo: then it is left to itself.
                let _ = kill(pid, Signal::SIGKILL);
                bail!("{} {} had not ended within {}", self.words.join(" "), args.join(" "), say::seconds(ENDS_WITHIN))
            },
            |output| output.with_context(run),
        )
    }

    /// Whether this is an nginx whose files and processes are those seen from here, and not one in a container.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        let is = |word: &str, name: &str| Path::new(word).file_name().is_some_and(|file| file == name);
        let as_root = |word: &str| is(word, "sudo") || is(word, "doas");
        let mut words = self.words.iter().map(String::as_str).skip_while(|word| as_root(word) || word.starts_with('-'));
        words.next().is_some_and(|word| is(word, "nginx"))
    }

    fn master(&self, configured: Option<PathBuf>) -> Option<Master> {
        if let Some(file) = &self.pid_file {
            return Master::from(file);
        }
        match configured {
            Some(file) => Master::from(&file),
            None => USUAL_PID.iter().find_map(|file| Master::from(Path::new(file))),
        }
    }

    /// The directives on the command line, as in `nginx -g 'pid /run/web.pid;'`.
    fn given(&self) -> Vec<Directive> {
        let words = self.words.iter().zip(self.words.iter().skip(1));
        words.filter(|(flag, _)| *flag == "-g").filter_map(|(_, text)| conf::parse(text).ok()).flatten().collect()
    }

    /// A path of the configuration, which may be relative to the prefix given by `-p`.
    fn absolute(&self, path: &Path) -> PathBuf {
        let prefix = self.words.iter().skip_while(|word| *word != "-p").nth(1);
        prefix.map_or_else(|| path.to_owned(), |prefix| Path::new(prefix).join(path))
    }
}

impl Tested {
    /// What nginx has complained of in its error log since it was tested.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.log.as_ref()?.complaint()
    }

    /// Whether nginx has said since it was tested that it goes on with the configuration it has.
    pub(crate) fn has_refused(&self) -> bool {
        self.log.as_ref().zip(self.master.as_ref()).is_some_and(|(log, master)| log.has_given_up(master.pid()))
    }
}

/// What nginx, or what calls it, says is wrong.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = || text.lines().last().map(|line| say::clean(line.trim_start_matches("nginx: ")));
    error_log::complaint(&text).or_else(last).unwrap_or_else(|| output.status.to_string())
}

/// The main file of the configuration, from `nginx: the configuration file FILE syntax is ok`, or, where it is not,
/// from `nginx: configuration file FILE test failed`.
fn main_file(output: &Output) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(&output.stderr);
    let between = |line: &str, before, after| Some(PathBuf::from(line.strip_prefix(before)?.strip_suffix(after)?));
    text.lines().find_map(|line| {
        between(line, "nginx: the configuration file ", " syntax is ok")
            .or_else(|| between(line, "nginx: configuration file ", " test failed"))
    })
}
