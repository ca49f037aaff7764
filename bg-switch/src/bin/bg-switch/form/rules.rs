//! The rules of a form of the upstream file, which every form has of its own.

use crate::form::change::Change;
use crate::form::obstacle::Obstacle;
use crate::nginx::Nginx;
use crate::proof::Evidence;
use anyhow::Result;
use bg_probe::cli::preflight::Finding;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::say::Voice;
use bg_probe::site::route::Route;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;

/// A move of nginx from slot to slot.
pub(crate) struct Move<'a> {
    /// The upstream file as it was found; `None` where there is none yet.
    pub(crate) upstream: Option<&'a Upstream>,
    /// The slot that serves, where one does.
    pub(crate) from: Option<&'a Slot>,
    /// The slot that is to serve.
    pub(crate) to: &'a Slot,
    /// Where the visitors are to go: all of them to that slot, or a share.
    pub(crate) route: &'a Route,
    /// Whether a share is taken back by it.
    pub(crate) takes_back: bool,
}

/// Everything that `bg-switch` does in a form.
pub(crate) trait Rules {
    /// Moves nginx and waits for the proof; which evidence there was.
    ///
    /// # Errors
    /// [`bg_probe::say::exit::Exit::NotMoved`] when nginx refuses or is not seen to move. All is back as it was then,
    /// and the message has what was seen of that. A share that was taken back stays so on disk.
    fn switch(&self, change: &Change, to_do: &Move) -> Result<Evidence>;

    /// The text of a new upstream file for the first slot, as `--print-upstream` prints it.
    ///
    /// # Errors
    /// When a path can't stand in nginx's configuration.
    fn text(&self, site: &Site, nginx: &Nginx, voice: Voice) -> Result<String>;

    /// The directives that a file gets which is converted to this form while `live` serves. The files that they look at
    /// are in place when this returns, so that nginx may read them at any moment.
    ///
    /// # Errors
    /// When a path can't stand in nginx's configuration, or those files can't be made.
    fn directives(&self, site: &Site, nginx: &Nginx, before: &Upstream, live: &Slot) -> Result<String>;

    /// The obstacles that may keep nginx from following a switch, as far as they can be known from outside.
    fn obstacles(&self, site: &Site, nginx: &Nginx) -> Vec<Obstacle>;

    /// Whether a switch has nginx test its configuration.
    fn tests_configuration(&self) -> bool;

    /// The findings of a preflight about a switch.
    fn findings(&self, site: &Site, nginx: &Nginx, upstream: Option<&Upstream>) -> Vec<Finding>;
}
