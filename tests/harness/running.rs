//! A run under way, for a test that looks at it, signals it, or lets it meet another one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Output};

use nix::sys::signal::Signal;

use crate::{Ran, process};

/// A program that runs. Its streams go into files without a name, so that it never waits for a reader.
#[derive(Debug)]
pub struct Running {
    line: String,
    child: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Starts the command, whose files are kept in that folder.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, folder: &Path) -> Self {
        let file = || tempfile::tempfile_in(folder).expect("a folder of ours");
        let (stdout, stderr) = (file(), file());
        let same = |file: &File| file.try_clone().expect("a file of ours");
        command.stdout(same(&stdout)).stderr(same(&stderr));
        let child = command.spawn().expect("a program that was found before");
        Self { line: format!("{command:?}"), child, stdout, stderr }
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&bytes(&self.stderr)).into_owned()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&bytes(&self.stdout)).into_owned()
    }

    /// Whether it has ended.
    #[track_caller]
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        process::signal(self.id(), signal);
    }

    /// Waits for its end; what it has left.
    #[expect(clippy::must_use_candidate, reason = "that it has ended may be all that a test waits for")]
    #[track_caller]
    pub fn end(mut self) -> Ran {
        let status = self.child.wait().expect("a child of ours");
        Ran::new(self.line, Output { status, stdout: bytes(&self.stdout), stderr: bytes(&self.stderr) })
    }
}

/// Everything in the file, wherever in it the program writes next: it has the same offset as this descriptor.
fn bytes(file: &File) -> Vec<u8> {
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    let read: io::Result<()> = file.read_exact_at(&mut bytes, 0);
    read.map_or_else(|_| Vec::new(), |()| bytes)
}
