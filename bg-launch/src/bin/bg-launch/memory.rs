//! Whether the machine has memory for two releases: on a small server the second one can freeze it.

use bg_probe::site::family;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::fmt::{self, Display};
use std::path::Path;

/// Bytes, as people read them: in millions.
pub(crate) struct Megabytes(pub(crate) u64);

impl Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} MB", self.0 / 1_000_000)
    }
}

/// The memory for one more of what serves, in bytes.
pub(crate) struct Room {
    /// What can be had without swapping.
    pub(crate) free: u64,
    /// What the live release uses.
    pub(crate) used: u64,
}

impl Room {
    /// The room there is now for a release like that in `live`. `None` where that can't be found out: it is advice.
    pub(crate) fn beside(site: &Site, live: &Slot) -> Option<Room> {
        let used = used_in(site, live).filter(|used| *used > 0)?;
        Some(Room { free: available()?, used })
    }

    /// The same once `slot` is empty.
    pub(crate) fn without(self, site: &Site, slot: &Slot) -> Option<Room> {
        Some(Room { free: self.free + used_in(site, slot)?, ..self })
    }

    /// Whether one more fits.
    pub(crate) fn is_enough(&self) -> bool {
        self.free >= self.used
    }

    /// What to warn of before a release is started beside `live`.
    pub(crate) fn warning(&self, live: &Slot) -> Option<String> {
        let (free, used) = (Megabytes(self.free), Megabytes(self.used));
        (!self.is_enough()).then(|| {
            format!(
                "{free} of memory are available, and what runs in {live} uses {used}: two releases at a time may be too many"
            )
        })
    }
}

/// What can be had without swapping, in bytes (`MemAvailable` of `proc_meminfo(5)`).
fn available() -> Option<u64> {
    field(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")
}

/// What the processes in a slot use, in bytes.
fn used_in(site: &Site, slot: &Slot) -> Option<u64> {
    Some(processes_in(site, slot)?.into_iter().filter_map(used_by).sum())
}

/// The processes of what was launched there; where that was not by bg-launch, those that hold the port.
fn processes_in(site: &Site, slot: &Slot) -> Option<Vec<i32>> {
    let launched = Launched::of(&site.dir, &slot.name).ok()?;
    let ours = launched.and_then(|launched| family::led(&launched).ok()).unwrap_or_default();
    if ours.is_empty() { slot.holders().ok() } else { Some(ours) }
}

/// What a process uses of the machine's memory, in bytes: its share of what it shares with others, where the kernel
/// shows that to this user (`proc_pid_smaps(5)`).
fn used_by(pid: i32) -> Option<u64> {
    let proc = Path::new("/proc").join(pid.to_string());
    let read = |name: &str, key: &str| field(&std::fs::read_to_string(proc.join(name)).ok()?, key);
    read("smaps_rollup", "Pss").or_else(|| read("status", "VmRSS"))
}

/// The bytes behind `key:` in one of the kernel's tables, which count in kB of 1024.
fn field(table: &str, key: &str) -> Option<u64> {
    let value = table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    value.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_kernels_tables() {
        let table =
            "MemTotal:       24683000 kB\nMemAvailableX: 1 kB\nMemAvailable:   2048 kB\nHugePages_Total:       0\n";
        assert_eq!(field(table, "MemAvailable"), Some(2048 * 1024));
        for none in ["MemFree", "HugePages_Total", "Mem"] {
            assert_eq!(field(table, none), None, "{none}");
        }
    }

    #[test]
    fn this_process_uses_some_memory() {
        let this = i32::try_from(std::process::id()).unwrap();
        assert!(used_by(this).unwrap() > 100_000);
        assert_eq!(used_by(-1), None);
    }

    #[test]
    fn a_warning_names_both_in_megabytes() {
        let slots: bg_probe::site::slot::Slots = "set1=8081,set2=8082".parse().unwrap();
        let warning = |free, used| Room { free, used }.warning(slots.first());
        assert!(
            warning(311_999_999, 480_000_000)
                .unwrap()
                .starts_with("311 MB of memory are available, and what runs in set1 uses 480 MB")
        );
        assert_eq!(warning(480_000_000, 480_000_000), None);
    }
}
