//! What it means for scheduled jobs that the old release runs on: told by `--check`, and by the first deploy.

use std::time::Duration;

/// In one line.
pub(crate) fn in_words(stop_old: Option<Duration>) -> String {
    let Some(after) = stop_old else {
        return "after a deploy both releases run, and so do scheduled jobs in both, unless they look at BG_LIVE; \
                to have the old one end: BG_DEPLOY_STOP_OLD=after=10m"
            .to_owned();
    };
    if after.is_zero() {
        return "the old release ends as soon as nginx has moved, and its scheduled jobs with it".to_owned();
    }
    let after = humantime::format_duration(after);
    format!(
        "for {after} after a deploy scheduled jobs run in both releases, unless they look at BG_LIVE; then the old one ends"
    )
}
