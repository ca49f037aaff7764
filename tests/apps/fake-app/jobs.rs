//! What the application does beside its visitors: a job, the work of a companion, a signal that is heard.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::options::Options;

/// How often a job is done.
const TICK: Duration = Duration::from_millis(5);

/// Begins what the flags ask for, before any other thread is there.
///
/// # Errors
/// When the signals can't be blocked.
pub(crate) fn begin(options: &Options) -> io::Result<()> {
    if let Some(file) = options.tell_signals.clone() {
        let heard = [Signal::SIGTSTP, Signal::SIGUSR1, Signal::SIGUSR2].into_iter().collect::<SigSet>();
        heard.thread_block()?;
        thread::spawn(move || {
            while let Ok(signal) = heard.wait() {
                write(&file, signal.as_str());
            }
        });
    }
    let live = env::var_os("BG_LIVE").map(PathBuf::from).unwrap_or_default();
    every_tick(options.job.clone(), move || live.exists());
    every_tick(options.work.clone(), || true);
    Ok(())
}

fn every_tick(file: Option<PathBuf>, is_due: impl Fn() -> bool + Send + 'static) {
    let Some(file) = file else { return };
    let release = env::var("BG_RELEASE").unwrap_or_default();
    thread::spawn(move || {
        loop {
            if is_due() {
                write(&file, &release);
            }
            thread::sleep(TICK);
        }
    });
}

/// One line by one call, so that two processes never mix theirs.
fn write(file: &Path, line: &str) {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    let _ = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
}
