//! The programs under test, run in a [`World`]: to their end, in a pipeline, or under way.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::{Ran, Run, Running, World, programs};

/// No program may take longer; a test that means to wait says so itself.
const LONGEST: Duration = Duration::from_secs(120);

impl World {
    /// One of our programs in this world, to run and assert on.
    #[track_caller]
    #[must_use]
    pub fn cmd(&self, program: &str) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::from_std(self.command(&programs::ours(program)));
        command.timeout(LONGEST);
        command
    }

    /// A shell line in this world, with our programs on the PATH: a pipeline as people type it.
    #[track_caller]
    #[must_use]
    pub fn shell(&self, line: &str) -> assert_cmd::Command {
        let mut shell = self.command(Path::new("/bin/sh"));
        shell.args(["-c", line]);
        let mut command = assert_cmd::Command::from_std(shell);
        command.timeout(LONGEST);
        command
    }

    /// Runs one of our programs with these words; an empty pipe is its stdin.
    #[track_caller]
    pub fn run(&self, program: &str, words: &[&str]) -> Ran {
        self.cmd(program).args(words).ran()
    }

    /// Runs one of our programs with these words, and with this on its stdin.
    #[track_caller]
    pub fn pipe(&self, stdin: impl Into<Vec<u8>>, program: &str, words: &[&str]) -> Ran {
        self.cmd(program).args(words).write_stdin(stdin).ran()
    }

    /// Runs a shell line with our programs on the PATH: a pipeline as people type it.
    #[track_caller]
    pub fn run_line(&self, line: impl AsRef<str>) -> Ran {
        self.shell(line.as_ref()).ran()
    }

    /// `bg-deploy -- fake-app` with these flags.
    #[track_caller]
    pub fn deploy(&self, flags: &[&str]) -> Ran {
        self.cmd("bg-deploy").arg("--").args(self.fake_app(flags)).ran()
    }

    /// `bg-deploy --rollback`.
    #[track_caller]
    pub fn rollback(&self) -> Ran {
        self.run("bg-deploy", &["--rollback"])
    }

    /// `bg-switch --to` this slot.
    #[track_caller]
    pub fn switch(&self, to: &str) -> Ran {
        self.run("bg-switch", &["--to", to])
    }

    /// Starts one of our programs with these words, and does not wait for it.
    #[track_caller]
    #[must_use]
    pub fn start(&self, program: &str, words: &[&str]) -> Running {
        Running::start(self.command(&programs::ours(program)).args(words).stdin(Stdio::null()), self.folder())
    }

    /// The same with this file as its stdin.
    #[track_caller]
    #[must_use]
    pub fn start_reading(&self, stdin: File, program: &str, words: &[&str]) -> Running {
        Running::start(self.command(&programs::ours(program)).args(words).stdin(stdin), self.folder())
    }
}
