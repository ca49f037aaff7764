//! The most memory that a program held.

use std::fs;
use std::process::{Command, Stdio};

use bg_tests::programs;

use crate::place::output;

/// The peak resident set of one run, in KiB, by GNU time: a process of its own, and smaller than what it starts,
/// since the kernel counts what a program was before its `execve(2)` too.
pub(crate) fn peak(command: &Command) -> f64 {
    let report = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut time = Command::new(programs::of_the_system("time"));
    time.args(["-f", "%M", "-o"]).arg(report.path()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => time.env(name, value),
            None => time.env_remove(name),
        };
    }
    output(time.stdin(Stdio::null()));
    let text = fs::read_to_string(report.path()).unwrap_or_default();
    text.trim().parse().unwrap_or_else(|_| panic!("{command:?}: time said {text:?}"))
}
