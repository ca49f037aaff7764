//! Signs in an application's log of what keeps it from becoming healthy.

use bg_probe::say::quoted;

/// What applications write when they can't go on, and what it means. In lower case.
const SIGNS: [(&str, &str); 5] = [
    ("outofmemoryerror", "it ran out of memory: give it more (-Xmx in JAVA_OPTS); two releases run during a deploy"),
    (TAKEN[0], "a port it needs is already in use: its log says which"),
    (TAKEN[1], "a port it needs is already in use: its log says which"),
    ("unsupportedclassversionerror", "it was built for a newer Java than the one that runs it"),
    ("no space left on device", "the disk is full"),
];

/// What an application writes that could not have a port.
const TAKEN: [&str; 2] = ["address already in use", "was already in use"];

/// The cause that a log shows, if it shows one.
pub(super) fn cause(log: &str) -> Option<&'static str> {
    let log = log.to_lowercase();
    SIGNS.iter().find(|(sign, _)| log.contains(sign)).map(|(_, cause)| *cause)
}

/// The last cause that a log of Java names, else a class that it lacks.
pub(super) fn last_cause(log: &str) -> Option<String> {
    let caused = log.lines().rev().find_map(|line| line.trim_start().strip_prefix("Caused by: "));
    let is_missing = |line: &&str| ["ClassNotFoundException", "NoClassDefFoundError"].iter().any(|e| line.contains(e));
    caused.map(|cause| format!("its log ends with this cause: {}", quoted(cause.trim()))).or_else(|| {
        let missing = log.lines().rfind(is_missing)?;
        Some(format!("a class is missing: {}", quoted(missing.trim())))
    })
}

/// Whether the application could not have this port.
pub(super) fn is_taken(log: &str, port: u16) -> bool {
    let log = log.to_lowercase();
    TAKEN.iter().any(|sign| log.contains(sign)) && has_number(&log, port)
}

/// Whether a text has this number in it, and not as a part of a longer one.
fn has_number(text: &str, number: u16) -> bool {
    let number = number.to_string();
    text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == number)
}
