//! Whether the machine has memory for one more of what serves.

use crate::memory::{Megabytes, Room};
use bg_probe::cli::preflight::Finding;

/// What there is, and what a release takes.
pub(crate) fn finding(room: &Room) -> Finding {
    let (free, used) = (Megabytes(room.free), Megabytes(room.used));
    let seen = format!("{free} of memory for a new release beside the live one, which uses {used}");
    if room.is_enough() {
        return Finding::ok("memory", seen);
    }
    Finding::warn("memory", seen, "add memory or swap, or let it take less (JAVA_OPTS=-Xmx...)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bg_probe::cli::preflight::State;

    #[test]
    fn two_releases_have_to_fit() {
        let finding = |free| finding(&Room { free, used: 600_000_000 });
        assert_eq!(finding(600_000_000).state, State::Ok);
        let small = finding(300_000_000);
        assert_eq!(small.state, State::Warn);
        assert_eq!(small.detail, "300 MB of memory for a new release beside the live one, which uses 600 MB");
    }
}
