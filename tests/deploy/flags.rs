use bg_tests::{pages, programs};
use std::collections::BTreeSet;
use std::process::Command;

/// A flag by its name, and whether it takes a value.
type Flag = (String, bool);

/// What each of the stages has: the settings that all share, and how it talks.
const COMMON: [&str; 14] = [
    "env-file",
    "app",
    "slots",
    "front",
    "front-host",
    "dir",
    "upstream-file",
    "slot-url",
    "quiet",
    "verbose",
    "help",
    "version",
    "check",
    "json",
];

/// The settings among them.
const SETTINGS: [&str; 8] = ["env-file", "app", "slots", "front", "front-host", "dir", "upstream-file", "slot-url"];

/// The flags of a stage that are not for the driver's command line.
const NOT_THROUGH_THE_DRIVER: [(&str, &[&str]); 4] = [
    // The slot is the record's, the format is the record, the history and a watch are no deploy, as a command of cron is none.
    ("probe", &["slot", "format", "watch", "history", "if-live"]),
    // What is launched, stopped or printed is what the driver was called for; --wait and --after are its own, and the hooks
    // have the same names there.
    (
        "launch",
        &[
            "if-changed",
            "compare",
            "slot",
            "live",
            "current",
            "release",
            "stop",
            "after",
            "print-unit",
            "wait",
            "companion",
            "before-launch",
            "before-rollback",
            "after-retire",
        ],
    ),
    // The driver's own --watch; a look is no deploy.
    ("health", &["slot", "once", "watch"]),
    // The slot is the record's; --ramp, --preview, --linger, --nginx and --wait are the driver's own; the rest prints or converts.
    (
        "switch",
        &[
            "to",
            "share",
            "preview",
            "close",
            "open",
            "drain",
            "drain-timeout",
            "drain-idle",
            "linger",
            "nginx",
            "wait",
            "convert",
            "setup",
            "dry-run",
            "undo",
            "owner",
            "print-site",
            "print-upstream",
            "form",
            "listen",
            "front-from",
            "ready-from",
            "server-name",
            "with",
        ],
    ),
];

/// The flags of a program, as its help has them.
#[track_caller]
fn flags_of(program: &str) -> BTreeSet<Flag> {
    let output = Command::new(programs::ours(program)).arg("--help").output().expect("a program of ours");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // A flag begins its line at one column; what stands further in is prose.
    let lines =
        text.lines().filter_map(|line| line.strip_prefix("      --").or(line.get(6..).filter(|_| is_short(line))));
    let flags = lines.map(|line| {
        let line = line.trim_start_matches('-');
        let end = line.find([' ', '\n']).unwrap_or(line.len());
        (line[..end].to_owned(), line[end..].trim_start().starts_with(['<', '[']) && !line[end..].starts_with("  "))
    });
    flags.collect()
}

/// Whether the line is that of a flag with a letter as well: `  -q, --quiet`.
fn is_short(line: &str) -> bool {
    line.starts_with("  -") && line.get(4..8) == Some(", --")
}

/// The flags of a stage that the driver hands on.
fn handed_on(stage: &str, but: &[&str]) -> BTreeSet<Flag> {
    let own = flags_of(&format!("bg-{stage}"));
    for flag in COMMON.iter().chain(but) {
        assert!(own.iter().any(|(name, _)| name == flag), "bg-{stage} has no --{flag}: take it off the list");
    }
    own.into_iter().filter(|(flag, _)| !COMMON.contains(&flag.as_str()) && !but.contains(&flag.as_str())).collect()
}

#[test]
fn bg_deploy_has_every_flag_of_every_stage_and_no_other() {
    let driver = flags_of("bg-deploy");
    for (stage, but) in NOT_THROUGH_THE_DRIVER {
        let prefix = format!("{stage}-");
        let its: BTreeSet<Flag> = driver
            .iter()
            .filter_map(|(flag, valued)| Some((flag.strip_prefix(&prefix)?.to_owned(), *valued)))
            .collect();
        assert_eq!(its, handed_on(stage, but), "bg-deploy's flags for bg-{stage}, and bg-{stage}'s own");
    }
}

#[test]
fn the_page_of_a_program_has_every_flag_of_it_and_no_other() {
    for program in pages::PROGRAMS {
        let page = pages::of(program);
        let known: BTreeSet<String> = flags_of(program).into_iter().map(|(flag, _)| flag).collect();
        let told: BTreeSet<String> = named(&page);
        for flag in known.iter().filter(|flag| !COMMON.contains(&flag.as_str())) {
            let is_a_stages = program == "bg-deploy"
                && ["probe", "launch", "health", "switch"].iter().any(|stage| flag.starts_with(stage));
            assert!(is_a_stages || told.contains(flag), "the page of {program} has no --{flag}");
        }
        for line in pages::part(&page, "## Options").lines().filter(|line| line.starts_with("- `--")) {
            // The line of one flag may speak of others further on; those it begins with are its own.
            let first = named(line.split_once(": ").map_or(line, |(flags, _)| flags));
            for flag in first.iter().filter(|flag| *flag != "STAGE-FLAG") {
                assert!(known.contains(flag), "{program} has no --{flag}, which the options of its page name: {line}");
            }
        }
    }
}

#[test]
fn the_readme_has_the_settings_that_all_programs_share() {
    let readme = pages::readme();
    let told = named(pages::part(&readme, "## Settings"));
    for (flag, _) in flags_of("bg-probe").iter().filter(|(flag, _)| SETTINGS.contains(&flag.as_str())) {
        assert!(told.contains(flag), "README's settings have no --{flag}");
    }
}

/// The flags that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let flag =
        |rest: &str| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default().to_owned();
    text.split("--").skip(1).map(flag).filter(|flag| flag.starts_with(|c: char| c.is_ascii_alphabetic())).collect()
}
