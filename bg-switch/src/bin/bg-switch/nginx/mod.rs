//! nginx as a program: its command line, and what it says of itself.

pub(crate) mod dump;
pub(crate) mod error_log;
pub(crate) mod groups;
mod places;
pub(crate) mod upgrade;
pub(crate) mod workers;

use crate::nginx::dump::Dump;
use crate::nginx::error_log::ErrorLog;
use crate::nginx::places::{Built, Places};
use crate::nginx::upgrade::Upgrade;
use crate::nginx::workers::Master;
use anyhow::{Context, Result, bail};
use bg_probe::say;
use bg_probe::say::exit::Exit;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What nginx is called, and what those are called that were made from it.
const NAMES: [&str; 5] = ["nginx", "openresty", "tengine", "angie", "freenginx"];

/// How long nginx may take to test a configuration, or whatever stands before it (`docker exec`) to come to an end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How nginx is called.
pub(crate) struct Nginx {
    words: Vec<String>,
    pid_file: Option<PathBuf>,
    /// The main file of its configuration, once it has said so: a script may call it with another than its own.
    main: OnceCell<PathBuf>,
    /// How it was built, asked once.
    built: OnceCell<Option<Built>>,
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
        Ok(Nginx { words, pid_file, main: OnceCell::new(), built: OnceCell::new() })
    }

    /// Where the program is.
    ///
    /// # Errors
    /// When it is missing.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        located(self.words.first().context("--nginx is empty")?)
    }

    /// What it says its version is, `nginx/1.22.1`; `None` where it, or what calls it, does not say.
    pub(crate) fn version(&self) -> Option<String> {
        let said = self.run(&["-v"]).ok()?;
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        text.lines().find_map(|line| Some(line.split_once(" version: ")?.1)).map(say::clean)
    }

    /// Whether this user may have it read its configuration again, by a signal to its master or by the rules of sudo;
    /// `None` where only the attempt could tell, as through `docker exec`.
    pub(crate) fn may_reload(&self) -> Option<bool> {
        // Signal 0 is the question alone (kill(2)).
        if self.running().is_some_and(|master| kill(Pid::from_raw(master.pid()), None).is_ok()) {
            return Some(true);
        }
        let program = self.program().ok()?;
        if program.ends_with("sudo") {
            let asked = Command::new(&program)
                .args(["-n", "-l"])
                .args(&self.words[1..])
                .args(["-s", "reload"])
                .stdin(Stdio::null())
                .output();
            return Some(asked.is_ok_and(|said| said.status.success()));
        }
        program.to_str().is_some_and(is_nginx).then(|| geteuid().is_root())
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
        if let Some(file) = main_file(&output) {
            // Once it is known it stays so.
            let _ = self.main.set(file);
        }
        let places = self.places();
        Ok(Tested { master: self.master(&places), log: places.error_log.and_then(ErrorLog::now) })
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
            Err(_) => self.master(&self.places()),
        }
    }

    /// The binary upgrade of nginx that is under way, where one is.
    pub(crate) fn upgrade(&self) -> Option<Upgrade> {
        let pid_file = self.pid_file.clone().or_else(|| self.places().pid)?;
        Upgrade::of(&pid_file)
    }

    fn run(&self, args: &[&str]) -> Result<Output> {
        self.call(&self.words, args)
    }

    /// Runs the program that is the first of `words`, with the others and `args`.
    fn call(&self, words: &[String], args: &[&str]) -> Result<Output> {
        let program = located(words.first().context("--nginx is empty")?)?;
        let mut command = Command::new(&program);
        // In our own process group, so that sudo can ask for a password on the terminal.
        command.args(&words[1..]).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
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

    /// Whether this is an nginx whose files and processes are those seen from here, and not one in a container. Whoever
    /// says where its pid file is says that too.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        let mut words = self.words.iter().skip_while(|word| takes_root(word) || word.starts_with('-'));
        self.pid_file.is_some() || words.next().is_some_and(|word| is_nginx(word))
    }

    /// The command line without what makes it root's, where it is certain what that is: a word of sudo's must not be
    /// taken for a program.
    fn own_words(&self) -> &[String] {
        let as_root = self.words.first().is_some_and(|word| takes_root(word));
        let own = self.words.iter().position(|word| is_nginx(word)).filter(|_| as_root);
        &self.words[own.unwrap_or_default()..]
    }

    /// Where its files are; nowhere, where it is not one of this machine.
    fn places(&self) -> Places {
        if !self.is_on_this_machine() {
            return Places::default();
        }
        let words = self.own_words();
        let built = self.built.get_or_init(|| self.ask_how_built()).as_ref();
        Places::of(words.get(1..).unwrap_or_default(), built, self.main.get().map(PathBuf::as_path))
    }

    /// That takes no root.
    fn ask_how_built(&self) -> Option<Built> {
        let said = self.call(self.own_words(), &["-V"]).ok()?;
        Built::parse(&String::from_utf8_lossy(&said.stderr))
    }

    fn master(&self, places: &Places) -> Option<Master> {
        Master::from(self.pid_file.as_ref().or(places.pid.as_ref())?)
    }
}

/// Where a program is. A user's PATH, and cron's, often has no sbin, where distributions put nginx.
fn located(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let path = std::env::join_paths(folders.chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from)))?;
    let found = which::which_in(name, Some(path), std::env::current_dir().unwrap_or_default());
    found.with_context(|| format!("{name}: not on this machine's PATH, or can't be run; see --nginx"))
}

fn is_nginx(word: &str) -> bool {
    NAMES.iter().any(|name| Path::new(word).ends_with(name))
}

fn takes_root(word: &str) -> bool {
    ["sudo", "doas"].iter().any(|name| Path::new(word).ends_with(name))
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
    let between = |line: &str, before, after| {
        let (_, rest) = line.split_once(before)?;
        rest.strip_suffix(after).map(PathBuf::from)
    };
    text.lines().find_map(|line| {
        between(line, ": the configuration file ", " syntax is ok")
            .or_else(|| between(line, ": configuration file ", " test failed"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_sudos_is_not_taken_for_a_program() {
        let own = |line: &str| Nginx::new(line, None).unwrap().own_words().join(" ");
        assert_eq!(own("sudo -n nginx -c f"), "nginx -c f");
        assert_eq!(own("/usr/bin/sudo -u web /opt/sbin/angie"), "/opt/sbin/angie");
        assert_eq!(own("sudo -u web ngx"), "sudo -u web ngx");
        assert_eq!(own("docker exec web nginx"), "docker exec web nginx");
    }

    #[test]
    fn an_nginx_in_a_container_is_not_on_this_machine_unless_its_pid_file_is_given() {
        let is_here = |line: &str| Nginx::new(line, None).unwrap().is_on_this_machine();
        assert!(is_here("nginx -p /srv") && is_here("sudo -n /usr/sbin/nginx") && is_here("openresty"));
        assert!(!is_here("docker exec web nginx") && !is_here("web-server"));
        assert!(Nginx::new("web-server", Some("/run/web.pid".into())).unwrap().is_on_this_machine());
    }
}
