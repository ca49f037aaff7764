//! What a command line asks for, free of how it was typed.

use crate::check::Expectation;
use crate::check::warmup::Requests;
use crate::subject::Subject;
use crate::visitors::limits::Limits;
use crate::wait::pace::Pace;
use bg_probe::say::Voice;
use bg_probe::site::settings::{Settings, Site};
use std::time::Duration;

/// What is asked for.
pub(crate) enum Order {
    /// Report whether the release that serves would pass the check that the next one has to pass.
    Preflight { site: Site, expectation: Expectation, limits: Option<Limits>, as_json: bool, voice: Voice },
    /// Report what would keep the health of the record's slot from being asked for.
    Foresee { settings: Settings, expectation: Expectation, limits: Option<Limits>, voice: Voice },
    /// Check once.
    Once { subject: Subject, expectation: Expectation },
    /// Wait until the slot is healthy, then warm it up.
    Wait { subject: Subject, expectation: Expectation, pace: Pace, warmup: Requests },
    /// Watch for this long whether a slot that serves stays healthy, and its visitors are answered within these limits.
    Watch { subject: Subject, expectation: Expectation, limits: Option<Limits>, within: Duration },
}
