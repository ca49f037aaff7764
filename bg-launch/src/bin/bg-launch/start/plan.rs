//! Everything there is to know before a release is started.

use crate::release::Release;
use crate::start::mode::Mode;
use crate::start::surroundings::Surroundings;
use anyhow::Result;
use bg_probe::os::process::Process;
use bg_probe::site::launched::Launched;
use bg_probe::site::route::Route;
use bg_probe::site::settings::{Site, text_of};
use bg_probe::site::slot::Slot;

/// A release that is about to be started in a slot.
pub(crate) struct Plan<'a> {
    pub(crate) site: &'a Site,
    pub(crate) slot: &'a Slot,
    pub(crate) release: &'a Release,
    /// The command, filled in.
    pub(crate) command: &'a [String],
    pub(crate) mode: &'a Mode,
    /// What the application takes over.
    pub(crate) surroundings: &'a Surroundings,
    /// What it is to be there.
    pub(crate) role: Role<'a>,
}

/// What is started.
#[derive(Clone, Copy)]
pub(crate) enum Role<'a> {
    /// The application of a slot.
    Slot {
        /// The live slot beside this one, which memory is kept for.
        beside: Option<&'a Slot>,
        /// Whether visitors have been in this release, as far as is known.
        served: Option<bool>,
    },
    /// What the release of this slot has running once, beside the application.
    Companion {
        /// The slot.
        of: &'a Slot,
    },
}

impl Plan<'_> {
    /// The live slot beside this one.
    pub(crate) fn beside(&self) -> Option<&Slot> {
        match self.role {
            Role::Slot { beside, .. } => beside,
            Role::Companion { .. } => None,
        }
    }

    /// Whether it is a companion.
    pub(crate) fn is_companion(&self) -> bool {
        matches!(self.role, Role::Companion { .. })
    }

    /// Whether it is the first to go when memory runs out.
    pub(crate) fn gives_way(&self) -> bool {
        self.beside().is_some()
    }

    /// What the application gets of our own in its environment.
    ///
    /// # Errors
    /// When the folder's path is not UTF-8.
    pub(crate) fn variables(&self) -> Result<Vec<(&'static str, String)>> {
        let of = match self.role {
            Role::Slot { .. } => self.slot,
            Role::Companion { of } => of,
        };
        let live = Route::mark(&self.site.dir, &self.site.slots, of);
        let mut variables = vec![
            ("BG_APP", self.site.app.to_string()),
            ("BG_SLOT", self.slot.name.to_string()),
            ("BG_RELEASE", self.release.name.clone()),
            ("BG_LIVE", text_of(&live)?.to_owned()),
        ];
        // The port is the application's: a companion that took it would keep visitors away.
        if !self.is_companion() {
            variables.extend(["PORT", "SERVER_PORT"].map(|name| (name, self.slot.port.to_string())));
        }
        Ok(variables)
    }

    /// What is to be written down of it, as far as both ways to start it have that.
    pub(crate) fn launched(&self, process: Process) -> Launched {
        Launched {
            process,
            port: self.slot.port,
            release: self.release.name.clone(),
            log: None,
            unit: None,
            user: self.mode.user.as_ref().map(|user| user.name.clone()),
            stop_signal: Some(self.mode.stop_signal),
            oom_score_adj: None,
            quieted: None,
            served: match self.role {
                Role::Slot { served, .. } => served,
                Role::Companion { .. } => None,
            },
        }
    }

    /// Writes it down as the slot's.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write_down(&self, launched: &Launched) -> Result<()> {
        launched.write_down(&self.site.dir, &self.slot.name)
    }
}
