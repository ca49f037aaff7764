//! Signals that ask for an end: Ctrl-C, a CI runner's TERM, a terminal that closes.
//!
//! The driver must outlive its stages to tidy up, so these do not end it. It hands them on to the stage that runs,
//! and starts no other.

use anyhow::{Context, Result};
use bg_probe::os::signals::{ASK_FOR_AN_END, heeded};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::unistd::Pid;
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Listens for signals from when it is made.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    /// Set by the handler itself: a stage that a terminal's Ctrl-C has ended as well must not be seen to end first.
    signal: Arc<AtomicUsize>,
    stage: Arc<Mutex<Option<Pid>>>,
}

impl Interrupt {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the handlers can't be installed, or no thread can be started to wait for them.
    pub(crate) fn listen() -> Result<Interrupt> {
        let heeded: Vec<i32> = heeded().into_iter().map(|signal| signal as i32).collect();
        let interrupt = Interrupt::default();
        for signal in &heeded {
            let number = usize::try_from(*signal).context("its number")?;
            flag::register_usize(*signal, Arc::clone(&interrupt.signal), number).context("listen for signals")?;
        }
        let mut signals = Signals::new(heeded).context("listen for signals")?;
        let heard = interrupt.clone();
        let hand_on = move || signals.forever().for_each(|_| heard.hand_on());
        std::thread::Builder::new().spawn(hand_on).context("start a thread that listens for signals")?;
        Ok(interrupt)
    }

    /// The signal that was heard, if one was.
    pub(crate) fn heard(&self) -> Option<Signal> {
        i32::try_from(self.signal.load(Ordering::SeqCst)).ok().and_then(|signal| Signal::try_from(signal).ok())
    }

    /// Forgets the signal that was heard, once what it asked for is done.
    pub(crate) fn forget(&self) {
        self.signal.store(0, Ordering::SeqCst);
    }

    /// Notes which process runs now. A signal that came while it was started is handed on immediately.
    pub(crate) fn runs(&self, stage: Pid) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
        self.hand_on();
    }

    /// Notes that it has ended. Reap it only after this: then its pid may be another process's.
    pub(crate) fn runs_no_more(&self) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn hand_on(&self) {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(pid), Some(signal)) = (*stage, self.heard()) {
            // It may have ended by itself just now.
            let _ = kill(pid, signal);
        }
    }
}

/// The exit code of what a signal has ended.
pub(crate) fn code_of(signal: Signal) -> u8 {
    128 + u8::try_from(signal as i32).unwrap_or_default()
}

/// Does something with the signals blocked in this thread; a process that is started then keeps them blocked.
///
/// # Errors
/// When the mask can't be changed.
pub(crate) fn held_back<T>(act: impl FnOnce() -> T) -> Result<T> {
    let signals: SigSet = ASK_FOR_AN_END.into_iter().collect();
    let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("block signals")?;
    let done = act();
    before.thread_set_mask().context("unblock signals")?;
    Ok(done)
}
