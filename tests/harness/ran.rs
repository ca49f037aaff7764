//! A run that has ended, and what a test holds of it: the exit code, what was said on stderr, and what was printed on
//! stdout. Whatever does not hold, the failure shows the whole run, at the test's own line.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use predicates::Predicate;
use predicates::boolean::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

/// What a run has left: its exit code and both of its streams.
#[derive(Clone, Debug)]
pub struct Ran {
    line: String,
    output: Output,
}

/// Runs a command to its end.
pub trait Run {
    /// What it has left.
    #[track_caller]
    fn ran(&mut self) -> Ran;
}

impl Run for assert_cmd::Command {
    #[track_caller]
    fn ran(&mut self) -> Ran {
        let line = format!("{self:?}");
        Ran::new(line, self.output().expect("a program that was found before, and ends in time"))
    }
}

impl Run for std::process::Command {
    #[track_caller]
    fn ran(&mut self) -> Ran {
        let line = format!("{self:?}");
        Ran::new(line, self.output().expect("a program that was found before"))
    }
}

// What holds is passed on, for the next thing to hold or for a look; a test is free to drop it.
#[expect(
    clippy::return_self_not_must_use,
    clippy::must_use_candidate,
    reason = "a test has held what it wanted to hold"
)]
impl Ran {
    #[track_caller]
    pub(crate) fn new(line: String, output: Output) -> Self {
        let ran = Self { line, output };
        assert!(!ran.stderr().lines().any(has_a_changed_command), "a command begins a sentence: {ran}");
        ran
    }

    /// It ended with 0.
    #[track_caller]
    pub fn success(self) -> Self {
        self.exit(0)
    }

    /// It ended with this code.
    #[track_caller]
    pub fn exit(self, code: i32) -> Self {
        assert!(self.code() == Some(code), "not exit {code}: {self}");
        self
    }

    /// This is somewhere in what it said on stderr.
    #[track_caller]
    pub fn said(self, part: impl AsRef<str>) -> Self {
        let wanted = contains(part.as_ref());
        assert!(wanted.eval(&self.stderr()), "stderr: {wanted}? {self}");
        self
    }

    /// This is nowhere in what it said on stderr.
    #[track_caller]
    pub fn never_said(self, part: impl AsRef<str>) -> Self {
        let unwanted = contains(part.as_ref()).not();
        assert!(unwanted.eval(&self.stderr()), "stderr: {unwanted}? {self}");
        self
    }

    /// This is all that it said on stderr.
    #[track_caller]
    pub fn said_only(self, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        assert!(self.output.stderr == text.as_bytes(), "not {text:?} alone was said: {self}");
        self
    }

    /// It said nothing.
    #[track_caller]
    pub fn said_nothing(self) -> Self {
        self.said_only("")
    }

    /// This is somewhere in what it printed on stdout.
    #[track_caller]
    pub fn printed(self, part: impl AsRef<str>) -> Self {
        let wanted = contains(part.as_ref());
        assert!(wanted.eval(&self.stdout()), "stdout: {wanted}? {self}");
        self
    }

    /// This is nowhere in what it printed on stdout.
    #[track_caller]
    pub fn never_printed(self, part: impl AsRef<str>) -> Self {
        let unwanted = contains(part.as_ref()).not();
        assert!(unwanted.eval(&self.stdout()), "stdout: {unwanted}? {self}");
        self
    }

    /// This is all that it printed on stdout.
    #[track_caller]
    pub fn printed_only(self, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        assert!(self.output.stdout == text.as_bytes(), "not {text:?} alone was printed: {self}");
        self
    }

    /// It printed nothing.
    #[track_caller]
    pub fn printed_nothing(self) -> Self {
        self.printed_only("")
    }

    /// Its exit code; `None` where a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// The signal that ended it.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.output.status.signal()
    }

    /// What it printed.
    #[track_caller]
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap_or_else(|_| panic!("no UTF-8 was printed: {self}"))
    }

    /// What it said; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The one record that it printed.
    #[track_caller]
    #[must_use]
    pub fn record(&self) -> Value {
        serde_json::from_slice(&self.output.stdout)
            .unwrap_or_else(|why| panic!("no record was printed ({why}): {self}"))
    }
}

/// Whether a sentence begins with a command, which its capital letter has changed: nobody could copy it.
fn has_a_changed_command(line: &str) -> bool {
    const PROGRAMS: [&str; 14] = [
        "Sudo",
        "Chmod",
        "Chown",
        "Apt",
        "Dnf",
        "Yum",
        "Mv",
        "Rm",
        "Kill",
        "Echo",
        "Printf",
        "Systemctl",
        "Setsebool",
        "Semanage",
    ];
    line.split(". ").skip(1).any(|sentence| {
        let first = sentence.split(' ').next().unwrap_or_default();
        PROGRAMS.contains(&first) || first.starts_with("Bg-") || sentence.starts_with("Install -")
    })
}

/// The line, how it ended, and both streams.
impl fmt::Display for Ran {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, output } = self;
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        write!(out, "{line}\nended with {}\nstdout:\n{stdout}\nstderr:\n{stderr}", output.status)
    }
}
