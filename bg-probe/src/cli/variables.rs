//! The variables of all five programs, and those in the environment that are called almost like one of them.
//!
//! A program knows from its own command line only its own, and a misspelled variable may be meant for any of them.

use crate::cli::origin::{self, LINES, READ};
use crate::os::sudo::TYPED;
use crate::site::lock::INHERITED;
use std::env::vars_os;

/// What a person may set: the variables in `--help` of the five, and the three that have no flag.
const KNOWN: &[&str] = &[
    "BG_APP",
    "BG_DEPLOY_BEFORE_SWITCH",
    "BG_DEPLOY_ENV_FILE",
    "BG_DEPLOY_HOOK_TIMEOUT",
    "BG_DEPLOY_KEEP_FAILED",
    "BG_DEPLOY_LINGER",
    "BG_DEPLOY_ON_FAILURE",
    "BG_DEPLOY_ON_ROLLBACK",
    "BG_DEPLOY_ON_SUCCESS",
    "BG_DEPLOY_PREVIEW",
    "BG_DEPLOY_RAMP",
    "BG_DEPLOY_STOP_OLD",
    "BG_DEPLOY_WATCH",
    "BG_DIR",
    "BG_FRONT",
    "BG_FRONT_HOST",
    "BG_HEALTH_CHECK_TIMEOUT",
    "BG_HEALTH_EXPECT",
    "BG_HEALTH_EXPECT_STATUS",
    "BG_HEALTH_HEADER",
    "BG_HEALTH_HOST",
    "BG_HEALTH_INTERVAL",
    "BG_HEALTH_ONCE",
    "BG_HEALTH_PATH",
    "BG_HEALTH_PORT",
    "BG_HEALTH_SLOT",
    "BG_HEALTH_SUCCESSES",
    "BG_HEALTH_TIMEOUT",
    "BG_HEALTH_WARMUP",
    "BG_HEALTH_WARMUP_REQUESTS",
    "BG_HEALTH_WATCH_ERRORS",
    "BG_HEALTH_WATCH_P95",
    "BG_HEALTH_WATCH_QUIET",
    "BG_HEALTH_WATCH_REQUESTS",
    "BG_LAUNCH_ADOPT",
    "BG_LAUNCH_AFTER_RETIRE",
    "BG_LAUNCH_BEFORE_LAUNCH",
    "BG_LAUNCH_BEFORE_ROLLBACK",
    "BG_LAUNCH_COMMAND",
    "BG_LAUNCH_COMPANION",
    "BG_LAUNCH_DRAIN",
    "BG_LAUNCH_HOOK_TIMEOUT",
    "BG_LAUNCH_KEEP",
    "BG_LAUNCH_SLOT",
    "BG_LAUNCH_STOP_SIGNAL",
    "BG_LAUNCH_STOP_TIMEOUT",
    "BG_LAUNCH_USER",
    "BG_LAUNCH_VIA",
    "BG_LAUNCH_WORKDIR",
    "BG_NGINX",
    "BG_PROBE_BY",
    "BG_PROBE_FORMAT",
    "BG_PROBE_SLOT",
    "BG_PROBE_TIMEOUT",
    "BG_SHARED_DIR",
    "BG_SLOTS",
    "BG_SLOT_URL",
    "BG_SWITCH_DRAIN_IDLE",
    "BG_SWITCH_DRAIN_TIMEOUT",
    "BG_SWITCH_FORM",
    "BG_SWITCH_FRONT_FROM",
    "BG_SWITCH_LINGER_IDLE",
    "BG_SWITCH_LISTEN",
    "BG_SWITCH_PID_FILE",
    "BG_SWITCH_QUIET_NEW",
    "BG_SWITCH_QUIET_OLD",
    "BG_SWITCH_READY_FROM",
    "BG_SWITCH_SERVER_NAME",
    "BG_SWITCH_TO",
    "BG_SWITCH_VERIFY_TIMEOUT",
    "BG_SWITCH_WITH",
    "BG_UPSTREAM_FILE",
    "BG_WAIT",
];

/// What the programs set for each other and for the application.
const OURS: [&str; 9] =
    [READ, LINES, TYPED, INHERITED, "BG_SLOT", "BG_RELEASE", "BG_LIVE", "BG_PREVIEW_COOKIE", "BG_PREVIEW_URL"];

/// What all of them begin with.
const PREFIX: &str = "BG_";

/// A variable in the environment that no program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

/// The variables that begin with `BG_`, and that no program knows; in another case too, where they are almost one of ours.
#[must_use]
pub fn unknown() -> Vec<Unknown> {
    let mut names: Vec<String> = vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    names.sort_unstable();
    names.iter().filter_map(|name| judged(name)).collect()
}

fn judged(name: &str) -> Option<Unknown> {
    let capitals = name.to_ascii_uppercase();
    if !capitals.starts_with(PREFIX) || KNOWN.contains(&name) || OURS.contains(&name) {
        return None;
    }
    let nearest = nearest(&capitals);
    let place = origin::in_a_file(name).map(|place| format!(" ({place})")).unwrap_or_default();
    let detail = format!("no program knows the variable {name}{place}");
    match nearest {
        Some(nearest) => Some(Unknown { detail, remedy: format!("write {nearest} if that is meant, or unset it") }),
        None if !name.starts_with(PREFIX) => None,
        None => Some(Unknown { detail, remedy: "find its name in --help, or unset it".to_owned() }),
    }
}

/// The known name that differs from this one in the fewest letters, if these are less than a third of what follows `BG_`,
/// or only one.
fn nearest(name: &str) -> Option<&'static str> {
    let most = (name.len().saturating_sub(PREFIX.len()) / 3).max(1);
    let distances = KNOWN.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, known)| *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_typing_error_away_and_not_another_word() {
        for (name, meant) in [
            ("BG_HEALTH_PAHT", Some("BG_HEALTH_PATH")),
            ("BG_AP", Some("BG_APP")),
            ("BG_FRONTHOST", Some("BG_FRONT_HOST")),
            ("BG_HEALTH_TIME_OUT", Some("BG_HEALTH_TIMEOUT")),
            ("BG_COLOUR", None),
            ("BG_FOO", None),
            ("BG_", None),
        ] {
            assert_eq!(nearest(name), meant, "{name}");
        }
    }
}
