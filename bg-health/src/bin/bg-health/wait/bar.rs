//! What a terminal shows while the wait goes on: how long already, and what was answered last.

use crate::args::Args;
use bg_probe::site::slot::Name;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A bar on stderr. It is not there with -q, with -v, and where stderr is no terminal; when it is dropped, its
/// line is empty again.
pub(crate) struct Bar {
    bar: ProgressBar,
    slot: Name,
}

impl Bar {
    /// The bar of a wait for `slot`.
    pub(crate) fn new(args: &Args, slot: &Name) -> Bar {
        // It would be drawn over the lines of -v.
        let hidden = args.voice.quiet || args.voice.verbose || args.once;
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(millis(*args.timeout)), target);
        let template = format!("health  {{bar:24}} {{elapsed}} of {}  {{wide_msg}}", args.timeout);
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Bar { bar, slot: slot.clone() }
    }

    /// Shows how long it has been.
    pub(crate) fn advance(&self, elapsed: Duration) {
        self.bar.set_position(millis(elapsed));
    }

    /// Shows what was answered last.
    pub(crate) fn say(&self, answer: &str) {
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
