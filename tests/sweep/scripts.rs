//! The programs as bg-deploy looks for them, beside itself, with scripts in place of the stages: so each can be traced
//! alone, while the others and the application run free.

use std::fs;
use std::path::PathBuf;

use bg_tests::{programs, write_executable};
use tempfile::TempDir;

/// The programs that bg-deploy runs.
pub(crate) const STAGES: [&str; 4] = ["bg-probe", "bg-launch", "bg-health", "bg-switch"];

pub(crate) struct Scripts(TempDir);

impl Scripts {
    #[track_caller]
    pub(crate) fn new() -> Self {
        // In the target folder, for the link to bg-deploy can't lead to another file system.
        let folder = tempfile::tempdir_in(programs::folder()).expect("a writable target folder");
        for stage in STAGES {
            let script = folder.path().join(stage);
            // Never written while somebody may start it (ETXTBSY): what changes is in a file it reads.
            write_executable(&script, "#!/bin/sh\n. \"$0.line\"\n");
        }
        fs::hard_link(programs::ours("bg-deploy"), folder.path().join("bg-deploy")).expect("a writable target folder");
        Self(folder)
    }

    /// The bg-deploy whose stages are called with these words before them.
    #[track_caller]
    pub(crate) fn deploy_with(&self, words: impl Fn(&str) -> Vec<String>) -> PathBuf {
        for stage in STAGES {
            let mut words = words(stage);
            words.push(programs::ours(stage).display().to_string());
            let line = format!("exec '{}' \"$@\"\n", words.join("' '"));
            fs::write(self.0.path().join(format!("{stage}.line")), line).expect("a writable target folder");
        }
        self.0.path().join("bg-deploy")
    }
}
