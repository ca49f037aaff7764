//! The documents of the project as a reader has them: README, the page of each program, and their parts.

use std::fs;
use std::path::{Path, PathBuf};

/// The programs that have a page, in the order of a deploy.
pub const PROGRAMS: [&str; 5] = ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy"];

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the workspace").to_owned()
}

/// The text of README.
#[must_use]
pub fn readme() -> String {
    read(Path::new("README.md"))
}

/// The text of a program's page.
#[must_use]
pub fn of(program: &str) -> String {
    read(&Path::new(program).join("README.md"))
}

/// The text of the page in Korean.
#[must_use]
pub fn korean() -> String {
    read(Path::new("bg-deploy/README.ko.md"))
}

/// The text of a document, by its path in the workspace.
#[track_caller]
#[must_use]
pub fn read(document: &Path) -> String {
    fs::read_to_string(workspace().join(document)).unwrap_or_else(|error| panic!("{}: {error}", document.display()))
}

/// What stands below a heading, `## Options`, up to the next one of its level or above.
#[track_caller]
#[must_use]
pub fn part<'a>(text: &'a str, heading: &str) -> &'a str {
    let line = format!("\n{heading}\n");
    let (_, below) = text.split_once(&line).unwrap_or_else(|| panic!("no heading {heading}"));
    let level = heading.split(' ').next().unwrap_or_default().len();
    let ends = (1..=level).filter_map(|level| below.find(&format!("\n{} ", "#".repeat(level))));
    &below[..ends.min().unwrap_or(below.len())]
}

/// The blocks of code in one language, ` ```sh `, without their fences.
#[must_use]
pub fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|block| block.split("```").next()).collect()
}
