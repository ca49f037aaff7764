//! Signals that ask for an end: Ctrl-C, a CI runner's TERM, a terminal that closes.
//!
//! The driver must outlive its stages to tidy up, so it does not die of these. It hands them on to the stage that
//! runs, which knows how to end, and starts no other.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Listens for signals from when it is made.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    signal: Arc<AtomicI32>,
    stage: Arc<Mutex<Option<Pid>>>,
}

impl Interrupt {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the handlers can't be installed.
    pub(crate) fn listen() -> Result<Interrupt> {
        let interrupt = Interrupt::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("listen for signals")?;
        let heard = interrupt.clone();
        std::thread::spawn(move || signals.forever().for_each(|signal| heard.pass_on(signal)));
        Ok(interrupt)
    }

    /// The signal that was heard, if one was.
    pub(crate) fn heard(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Says which process runs now; `None` before it is reaped, after which its pid may be anybody's.
    pub(crate) fn runs(&self, stage: Option<Pid>) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn pass_on(&self, signal: i32) {
        self.signal.store(signal, Ordering::SeqCst);
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(pid), Ok(signal)) = (*stage, Signal::try_from(signal)) {
            // It may have ended by itself just now.
            let _ = kill(pid, signal);
        }
    }
}
