//! The command line that calls nginx, and running it.

use crate::nginx::error_log;
use anyhow::{Context, Result, bail};
use bg_probe::nginx::call::{is_nginx, takes_root};
use bg_probe::say;
use bg_probe::say::exit::Exit;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long nginx may take to test a configuration, or whatever stands before it (`docker exec`) to come to an end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// The words that call nginx, of which there is at least one: `nginx -c FILE`, `sudo nginx`, `docker exec web nginx`.
pub(super) struct CommandLine(Vec<String>);

/// The output of a program, and how it ended.
pub(super) struct Printed(Output);

impl CommandLine {
    /// Splits a command line as a shell does.
    ///
    /// # Errors
    /// [`Exit::Usage`] when it is empty or can't be split.
    pub(super) fn parse(text: &str) -> Result<CommandLine> {
        let words = shell_words::split(text).map_err(|e| Exit::Usage.because(format!("--nginx: {e}")))?;
        if words.is_empty() {
            return Err(Exit::Usage.because("--nginx is empty"));
        }
        Ok(CommandLine(words))
    }

    /// Its words, as they were given.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Where the program is.
    ///
    /// # Errors
    /// When it is missing.
    pub(super) fn program(&self) -> Result<PathBuf> {
        located(self.0.first().context("--nginx is empty")?)
    }

    /// Runs nginx with these arguments.
    ///
    /// # Errors
    /// When the program is missing, can't be run, or takes longer than a minute.
    pub(super) fn run(&self, args: &[&str]) -> Result<Printed> {
        call(&self.0, args)
    }

    /// Runs nginx with these arguments, for a question that takes no root.
    ///
    /// # Errors
    /// Those of [`CommandLine::run`].
    pub(super) fn run_without_root(&self, args: &[&str]) -> Result<Printed> {
        call(self.without_root(), args)
    }

    /// Whether nginx is called by the rules of sudo, and if so, whether those let this user call it with these
    /// arguments.
    pub(super) fn sudo_allows(&self, args: &[&str]) -> Option<bool> {
        let sudo = self.program().ok().filter(|program| program.ends_with("sudo"))?;
        let asked = Command::new(sudo).args(["-n", "-l"]).args(&self.0[1..]).args(args).stdin(Stdio::null()).output();
        Some(asked.is_ok_and(|output| output.status.success()))
    }

    /// Whether the program is nginx itself.
    pub(super) fn is_plain(&self) -> bool {
        self.0.first().is_some_and(|word| is_nginx(word))
    }

    /// Whether it calls an nginx whose files and processes are those seen from here, and not one in a container.
    pub(super) fn is_of_this_machine(&self) -> bool {
        let mut words = self.0.iter().skip_while(|word| takes_root(word) || word.starts_with('-'));
        words.next().is_some_and(|word| is_nginx(word))
    }

    /// Whether what is taken for nginx is a script, which may call it in any way.
    pub(super) fn is_a_script(&self) -> bool {
        let begins = |path: PathBuf| -> std::io::Result<[u8; 2]> {
            let mut begin = [0; 2];
            File::open(path)?.read_exact(&mut begin)?;
            Ok(begin)
        };
        let own = self.without_root().first().and_then(|word| located(word).ok());
        own.is_some_and(|own| begins(own).is_ok_and(|begin| begin == *b"#!"))
    }

    /// The words after nginx itself.
    pub(super) fn options(&self) -> &[String] {
        self.without_root().get(1..).unwrap_or_default()
    }

    /// The command line without what makes it root's, where it is certain what that is: a word of sudo's must not be
    /// taken for a program.
    fn without_root(&self) -> &[String] {
        let as_root = self.0.first().is_some_and(|word| takes_root(word));
        let own = self.0.iter().position(|word| is_nginx(word)).filter(|_| as_root);
        &self.0[own.unwrap_or_default()..]
    }
}

impl Printed {
    /// Whether it ended well.
    pub(super) fn is_success(&self) -> bool {
        self.0.status.success()
    }

    /// Its stdout, where that is text.
    pub(super) fn stdout(&self) -> Option<&str> {
        std::str::from_utf8(&self.0.stdout).ok()
    }

    /// Its stderr.
    pub(super) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// The complaint of nginx, or of the program that calls it.
    pub(super) fn complaint(&self) -> String {
        let text = self.stderr();
        let last = || text.lines().last().map(|line| say::clean(line.trim_start_matches("nginx: ")));
        error_log::complaint(&text).or_else(last).unwrap_or_else(|| self.0.status.to_string())
    }
}

/// Runs the program that is the first of `words`, with the others and `args`.
fn call(words: &[String], args: &[&str]) -> Result<Printed> {
    let program = located(words.first().context("--nginx is empty")?)?;
    let mut command = Command::new(&program);
    // In our own process group, so that sudo can ask for a password on the terminal.
    command.args(&words[1..]).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = || format!("run {}", program.display());
    let child = command.spawn().with_context(run)?;
    let pid = Pid::from_raw(child.id().try_into().with_context(run)?);
    let (sender, receiver) = mpsc::channel();
    // After the time is up the output is of no use, and the receiver is gone.
    let wait = move || drop(sender.send(child.wait_with_output()));
    thread::Builder::new().spawn(wait).with_context(run)?;
    let Ok(output) = receiver.recv_timeout(ENDS_WITHIN) else {
        // It may be root's, as through sudo: then it is left to itself.
        let _ = kill(pid, Signal::SIGKILL);
        bail!("{} {} had not ended within {}", words.join(" "), args.join(" "), say::seconds(ENDS_WITHIN))
    };
    output.map(Printed).with_context(run)
}

/// Where a program is. A user's PATH, and cron's, often has no sbin, where distributions put nginx.
fn located(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let path = std::env::join_paths(folders.chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from)))?;
    let found = which::which_in(name, Some(path), std::env::current_dir().unwrap_or_default());
    found.with_context(|| format!("{name}: not on this machine's PATH, or can't be run; see --nginx"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_sudos_is_not_taken_for_a_program() {
        let own = |line: &str| CommandLine::parse(line).unwrap().without_root().join(" ");
        assert_eq!(own("sudo -n nginx -c f"), "nginx -c f");
        assert_eq!(own("/usr/bin/sudo -u web /opt/sbin/angie"), "/opt/sbin/angie");
        assert_eq!(own("sudo -u web ngx"), "sudo -u web ngx");
        assert_eq!(own("docker exec web nginx"), "docker exec web nginx");
    }

    #[test]
    fn an_nginx_in_a_container_is_not_of_this_machine() {
        let is_here = |line: &str| CommandLine::parse(line).unwrap().is_of_this_machine();
        assert!(is_here("nginx -p /srv") && is_here("sudo -n /usr/sbin/nginx") && is_here("openresty"));
        assert!(!is_here("docker exec web nginx") && !is_here("web-server"));
    }
}
