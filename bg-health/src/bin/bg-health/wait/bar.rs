//! What a terminal shows while the wait goes on: how long already, and what was answered last.

use bg_probe::say::Voice;
use bg_probe::site::slot::{Name, Slot};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A bar on stderr. It is not there with -q, with -v, and where stderr is no terminal; when it is dropped, its
/// line is empty again.
pub(crate) struct Bar {
    bar: ProgressBar,
    slot: Name,
}

impl Bar {
    /// The bar of a wait for `slot` that may take so long.
    pub(crate) fn new(voice: Voice, timeout: Duration, slot: &Slot) -> Bar {
        // It would be drawn over the lines of -v.
        let is_hidden = voice.quiet || voice.verbose;
        let target = if is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(millis(timeout)), target);
        let timeout = humantime::format_duration(timeout);
        let template = format!("health  {{bar:24}} {{elapsed}} of {timeout}  {{wide_msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Bar { bar, slot: slot.name.clone() }
    }

    /// Shows how long it has been.
    pub(crate) fn advance(&self, elapsed: Duration) {
        self.bar.set_position(millis(elapsed));
    }

    /// Shows what was answered last.
    pub(crate) fn show(&self, answer: &str) {
        self.bar.set_message(format!("{}: {answer}", self.slot));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
