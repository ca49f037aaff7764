//! A change of what nginx serves, with all that any such change needs.

use crate::means::Means;
use crate::nginx::Nginx;
use crate::proof::{Reloaded, Witnesses};
use anyhow::{Context, Result};
use bg_probe::live::front::{Answer, FRONT_WITHIN, Front};
use bg_probe::os::signals::heeded;
use bg_probe::say::Voice;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A change that is under way, from which a signal means: undo, then end.
#[derive(Clone)]
pub(crate) struct Change<'a> {
    pub(crate) site: &'a Site,
    pub(crate) nginx: &'a Nginx,
    /// How long nginx may take until it is seen to serve the slot.
    pub(crate) within: Duration,
    pub(crate) voice: Voice,
    front: Option<Rc<Front>>,
    interrupted: Arc<AtomicBool>,
}

impl<'a> Change<'a> {
    /// Begins a change of this site: signals are noted from here on.
    ///
    /// # Errors
    /// When signals can't be listened for, or the front's host can't be looked up.
    pub(crate) fn begin(site: &'a Site, means: &'a Means) -> Result<Change<'a>> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in heeded() {
            signal_hook::flag::register(signal as i32, Arc::clone(&interrupted)).context("listen for signals")?;
        }
        let front = Front::of(site)?.map(Rc::new);
        Ok(Change { site, nginx: &means.nginx, within: means.within, voice: means.voice, front, interrupted })
    }

    /// The front, where there is one to ask.
    pub(crate) fn front(&self) -> Option<&Front> {
        self.front.as_deref()
    }

    /// The front's answer now.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.front().map(|front| front.ask(FRONT_WITHIN))
    }

    /// The slot that nginx serves, where the front names it.
    pub(crate) fn serving(&self) -> Option<Slot> {
        match self.answer()? {
            Answer::Slot(slot) => Some(slot),
            Answer::NoSlot(_) | Answer::Limited(_) => None,
        }
    }

    /// The same change, for one that moves nothing. There a front that names no slot, as one whose live slot is down, is
    /// no reason to refuse: the workers are then the evidence.
    pub(crate) fn that_moves_nothing(&self) -> Change<'a> {
        let front = self.front.clone().filter(|_| self.serving().is_some());
        Change { front, ..self.clone() }
    }

    /// The witnesses that can prove it, given the reload that was sent, if one was.
    pub(crate) fn witnesses<'b>(&'b self, reloaded: Option<Reloaded<'b>>) -> Witnesses<'b> {
        Witnesses { front: self.front(), reloaded, interrupted: &self.interrupted }
    }

    /// Whether the operator has interrupted it.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
