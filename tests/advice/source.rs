//! What the programs' sources have in their messages.

use std::fs;
use std::path::{Path, PathBuf};

/// The sources of the five programs and of their libraries.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the workspace");
    let mut folders: Vec<PathBuf> =
        bg_tests::pages::PROGRAMS.iter().map(|program| root.join(program).join("src")).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// A command of ours with a flag, written out: `bg-switch --to`.
fn has_half_a_command(line: &str) -> bool {
    bg_tests::pages::PROGRAMS.iter().any(|program| line.contains(&format!("{program} --")))
}

#[test]
fn no_message_has_a_command_of_ours_written_out() {
    // What is asked of systemd and cron, the examples, what a page or a mistake is called.
    let allowed = [
        "bg-switch --print-site",
        "bg-switch --print-upstream",
        "bg-switch --share 10 moves",
        "(bg-switch --share)",
        "bg-health --watch",
        "bg-deploy --env-file FILE",
        "bg-launch --keep 2",
    ];
    let mut wrong = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        // The examples of a help are for reading, and nobody's settings are known there.
        let code = code.split("const AFTER: &str").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let line = allowed.iter().fold(line.to_owned(), |line, words| line.replace(words, ""));
            if has_half_a_command(&line) {
                wrong.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "make it by site::advice, which makes it whole:\n{}", wrong.join("\n"));
}
