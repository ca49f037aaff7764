//! One blow at a program: at which call of which process it is killed, or refused with which error.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;

use bg_tests::Strace;
use bg_tests::strace::Call;
use nix::errno::Errno;

use super::call::errors;

/// Where and how a program is struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blow {
    /// The program, one of those that take part.
    pub(crate) target: &'static str,
    /// Whether it is struck in the process it has started, before that becomes the application.
    pub(crate) in_child: bool,
    /// The name of the call.
    pub(crate) call: String,
    /// Counted from 1.
    pub(crate) n: usize,
    /// The error it gets; `None` where it is killed.
    pub(crate) error: Option<Errno>,
}

impl Blow {
    /// Every blow at the `n`th such call.
    pub(crate) fn all(target: &'static str, call: &str, n: usize) -> impl Iterator<Item = Self> {
        let blow = Self { target, in_child: false, call: call.to_owned(), n, error: None };
        let refused = errors(call).iter().map(|errno| Self { error: Some(*errno), ..blow.clone() });
        [blow.clone()].into_iter().chain(refused.collect::<Vec<_>>())
    }

    /// Every blow at the process that bg-launch starts, until it is the application. Its calls are known: those of one
    /// that is traced to its end can't be counted, for that end is the application's.
    pub(crate) fn all_in_child() -> Vec<Self> {
        let points = [("setsid", 1), ("dup2", 1), ("dup2", 2), ("dup2", 3), ("dup2", 4), ("execve", 2)];
        let blows = points.iter().flat_map(|(call, n)| Self::all("bg-launch", call, *n));
        blows.map(|blow| Self { in_child: true, ..blow }).collect()
    }

    /// The trace in which it is struck. Of the files a program opens, only those count that it `writes`.
    pub(crate) fn strace(&self, log: &Path, writes: &[PathBuf]) -> Strace {
        let strace = Strace::of(&self.call, log);
        let strace = if self.call.starts_with("open") { strace.only_on(writes) } else { strace };
        let strace = if self.in_child { strace.with_children() } else { strace };
        match self.error {
            Some(errno) => strace.fail_at(&self.call, self.n, errno),
            None => strace.kill_at(&self.call, self.n),
        }
    }

    /// What is wrong with how the program ended after it was refused at `call`.
    pub(crate) fn faults_of(&self, output: &Output, call: &Call) -> Vec<String> {
        let Some(errno) = self.error else { return Vec::new() };
        let said = String::from_utf8_lossy(&output.stderr);
        let mut faults = Vec::new();
        let code = output.status.code();
        // A watch that was kept from seeing anything has proven nothing.
        let is_unproven = code == Some(9) && said.contains("not proven");
        if said.contains("panicked") || !(is_unproven || matches!(code, Some(0 | 1 | 5))) {
            faults.push(format!("it ended with {}", output.status));
        }
        if code != Some(0) && !says(&said, errno, call) {
            faults.push(format!("it did not say what failed: {errno} at {}", call.arguments()));
        }
        if !faults.is_empty() {
            faults.push(format!("it said: {said}"));
        }
        faults
    }
}

/// Whether one line has the error in words, and the file it came from if it came from one.
fn says(said: &str, errno: Errno, call: &Call) -> bool {
    // In the words of the C library or in those of nix.
    let words = [io::Error::from(errno).to_string(), errno.desc().to_owned()];
    let words = words.each_ref().map(|words| words.split(" (os error").next().unwrap_or_default());
    let is_about_a_file = !matches!(call.name.as_str(), "fcntl" | "connect" | "dup2" | "dup3");
    let paths = if is_about_a_file { call.paths() } else { Vec::new() };
    said.lines().any(|line| {
        let names = paths.is_empty() || paths.iter().any(|path| names(line, path));
        names && words.iter().any(|words| line.contains(words))
    })
}

/// Whether a line names a file, or the one whose place it is to take.
fn names(line: &str, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let place = name.strip_suffix(".bg-new").and_then(|name| name.strip_prefix('.')).unwrap_or(&name);
    [path.to_owned(), path.with_file_name(place)].iter().any(|path| line.contains(&path.display().to_string()))
}

impl fmt::Display for Blow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, in_child, call, n, error } = self;
        let whose = if *in_child { "'s child" } else { "" };
        match error {
            Some(errno) => write!(out, "{target}{whose}: {errno:?} from {call} {n}"),
            None => write!(out, "{target}{whose}: killed at {call} {n}"),
        }
    }
}
