//! The signals that ask for an end: Ctrl-C, a CI runner's TERM, a terminal that closes.

use nix::sys::signal::Signal;

/// All of them.
pub const ASK_FOR_AN_END: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Those that are to be heeded: what the caller has this process ignore, it goes on ignoring. nohup(1) and a shell's
/// `&` mean it.
#[must_use]
pub fn heeded() -> Vec<Signal> {
    let ignored = ignored();
    ASK_FOR_AN_END.into_iter().filter(|signal| !is_in(ignored, *signal)).collect()
}

/// The set of signals this process ignores (`proc_pid_status(5)`).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default()
}

fn is_in(set: u64, signal: Signal) -> bool {
    set >> (signal as i32 - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_0_of_the_set_is_signal_1() {
        assert!(is_in(0x1, Signal::SIGHUP) && is_in(0x2, Signal::SIGINT));
        assert!(!is_in(0x1003, Signal::SIGTERM));
    }
}
