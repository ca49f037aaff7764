//! Whether the machine has memory for two releases: on a small server the second one can freeze it.

use bg_probe::os::port;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::path::Path;

const MEBIBYTE: u64 = 1024;

/// A warning where less memory is available than the live slot's processes use. `None` also where that can't be
/// found out: it is advice.
pub(crate) fn warning(site: &Site, live: &Slot) -> Option<String> {
    let (available, used) = (available()?, used_in(site, live)?);
    (available < used).then(|| words(available, used, live))
}

/// What can be had without swapping, in KiB (`MemAvailable` of `proc_meminfo(5)`).
pub(crate) fn available() -> Option<u64> {
    field(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")
}

/// What the processes in a slot use, in KiB.
pub(crate) fn used_in(site: &Site, slot: &Slot) -> Option<u64> {
    Some(processes_in(site, slot)?.into_iter().filter_map(used_by).sum())
}

fn words(available: u64, used: u64, live: &Slot) -> String {
    format!(
        "{} MB of memory are available, and what runs in {} uses {} MB: two releases at a time may be too many",
        available / MEBIBYTE,
        live.name,
        used / MEBIBYTE
    )
}

/// The processes of what was launched there; where that was not by bg-launch, those that hold the port.
fn processes_in(site: &Site, slot: &Slot) -> Option<Vec<i32>> {
    let launched = Launched::of(&site.dir, &slot.name).ok()?;
    let ours = launched.and_then(|launched| bg_launch::members(&launched).ok()).unwrap_or_default();
    if ours.is_empty() { port::holders(&port::listeners(slot.port).ok()?).ok() } else { Some(ours) }
}

/// What a process uses of the machine's memory, in KiB: its share of what it shares with others, where the kernel
/// tells that to this user (`proc_pid_smaps(5)`).
fn used_by(pid: i32) -> Option<u64> {
    let proc = Path::new("/proc").join(pid.to_string());
    let read = |name: &str, key: &str| field(&std::fs::read_to_string(proc.join(name)).ok()?, key);
    read("smaps_rollup", "Pss").or_else(|| read("status", "VmRSS"))
}

/// The number of kB behind `key:` in one of the kernel's tables.
fn field(table: &str, key: &str) -> Option<u64> {
    let value = table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    value.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_kernels_tables() {
        let table =
            "MemTotal:       24683000 kB\nMemAvailableX: 1 kB\nMemAvailable:   2048 kB\nHugePages_Total:       0\n";
        assert_eq!(field(table, "MemAvailable"), Some(2048));
        for none in ["MemFree", "HugePages_Total", "Mem"] {
            assert_eq!(field(table, none), None, "{none}");
        }
    }

    #[test]
    fn this_process_uses_some_memory() {
        let this = i32::try_from(std::process::id()).unwrap();
        assert!(used_by(this).unwrap() > 100);
        assert_eq!(used_by(-1), None);
    }

    #[test]
    fn a_warning_names_both_in_megabytes() {
        let slots: bg_probe::site::slot::Slots = "set1=8081,set2=8082".parse().unwrap();
        assert!(
            words(311 * 1024 + 1023, 480 * 1024, slots.first())
                .starts_with("311 MB of memory are available, and what runs in set1 uses 480 MB")
        );
    }
}
