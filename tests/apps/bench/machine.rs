//! The machine and the programs that the figures are of.

use std::fs;
use std::process::Command;
use std::thread;

use bg_tests::programs;

/// One line a fact.
pub(crate) fn describe() -> Vec<String> {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal:").and_then(|kib| kib.trim_end_matches(" kB").parse::<u64>().ok());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut lines = vec![
        format!(
            "{cores} cores of {}, {} MiB, Linux {}",
            field("/proc/cpuinfo", "model name").unwrap_or_default().trim_start_matches(": "),
            memory.unwrap_or_default() / 1024,
            fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        ),
        format!("load before: {}", load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
    ];
    lines.extend(
        [("nginx", "-v"), ("wrk", "-v"), ("curl", "--version"), ("haproxy", "-v"), ("caddy", "version")]
            .iter()
            .filter_map(|(program, flag)| {
                let output = Command::new(program).arg(flag).env("PATH", programs::path()).output().ok()?;
                let said = [output.stdout, output.stderr].concat();
                let first = String::from_utf8_lossy(&said).lines().next()?.to_owned();
                Some(if first.to_lowercase().contains(program) { first } else { format!("{program} {first}") })
            }),
    );
    lines
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().to_owned())
}
