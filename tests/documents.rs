//! README, the page of each program, and the other documents: they have the parts that a reader looks for, and their
//! links lead somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use bg_tests::{World, pages, programs};

/// All documents that link to each other.
const DOCUMENTS: [&str; 14] = [
    "README.md",
    "bg-probe/README.md",
    "bg-launch/README.md",
    "bg-launch/APPLICATION.md",
    "bg-health/README.md",
    "bg-switch/README.md",
    "bg-deploy/README.md",
    "bg-deploy/README.ko.md",
    "bg-deploy/CHANGELOG.md",
    "bg-deploy/package/ansible/README.md",
    "tests/README.md",
    "bg-probe/DESIGN.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
];

/// A document without its blocks of code, where a `#` is a comment and a bracket is shell.
fn prose(document: &Path) -> String {
    pages::read(document).split("\n```").step_by(2).collect::<Vec<_>>().join("\n")
}

/// The targets of the links and pictures: `](TARGET)`.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors that GitHub makes of the headings: small letters, hyphens for spaces, and no other signs.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// A path without `..`, as a link from one folder to another has it.
fn resolved(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut so_far, part| {
        match part {
            Component::ParentDir => _ = so_far.pop(),
            part => so_far.push(part),
        }
        so_far
    })
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_heading() {
    for document in DOCUMENTS.map(Path::new) {
        let text = prose(document);
        for link in links(&text).into_iter().filter(|link| !link.starts_with("http")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                document.to_owned()
            } else {
                resolved(&document.parent().unwrap_or(Path::new("")).join(path))
            };
            assert!(pages::workspace().join(&target).exists(), "{}: no file {link}", document.display());
            let is_there = anchor.is_empty() || anchors(&prose(&target)).contains(anchor);
            assert!(is_there, "{}: no heading {link}", document.display());
        }
    }
}

/// What somebody at 3 a.m. compares with the screen.
#[test]
fn the_readmes_table_of_what_is_wrong_has_messages_that_the_programs_say() {
    has_messages_that_the_programs_say(pages::part(&pages::readme(), "## When something is wrong"));
}

#[test]
fn the_korean_table_of_what_is_wrong_has_messages_that_the_programs_say() {
    has_messages_that_the_programs_say(pages::part(&pages::korean(), "## 문제가 생겼을 때"));
}

/// The first column of a table quotes what somebody reads on the screen.
#[track_caller]
fn has_messages_that_the_programs_say(table: &str) {
    let seen: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    let messages: Vec<&str> = seen.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(messages.len() >= 5, "{messages:?}");
    let sources = pages::workspace();
    for message in messages {
        let mut grep = Command::new("grep");
        grep.args(["-rqF", "--include=*.rs", message]).args(pages::PROGRAMS.map(|name| sources.join(name).join("src")));
        assert!(grep.status().expect("grep").success(), "no program says {message:?}");
    }
}

/// The table is for people, and has grown a column before.
#[test]
fn the_removal_in_the_readme_ends_what_runs_in_both_slots() {
    let readme = pages::readme();
    let lines = pages::blocks(pages::part(&readme, "## Upgrade and removal"), "sh").concat();
    let line = lines.lines().find(|line| line.starts_with("running=")).expect("the line that finds the processes");
    let (world, _) = crate::share::shared_site(World::new().serving());
    world.deploy(&[]).success();
    let finds = |count: usize| {
        let found = world.run_line(format!("{line}; echo $running")).success().stdout();
        let mut found: Vec<u32> = found.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect();
        let mut running = world.processes();
        found.sort_unstable();
        running.sort_unstable();
        assert_eq!((found.len(), &found), (count, &running));
    };
    finds(2);
    // A cell of two words, and lines below the table.
    let pid = world.pid("set2");
    bg_tests::process::signal(pid, nix::sys::signal::Signal::SIGKILL);
    bg_tests::process::gone(pid);
    world.run("bg-probe", &["--format", "table"]).success().printed(" stands in ");
    finds(1);
    world.run("bg-switch", &["--close"]).success();
    finds(1);
    assert!(lines.contains("\nkill $running\n"), "{lines}");
}

#[test]
fn the_readme_installs_the_packages_of_this_version() {
    let (readme, version) = (pages::readme(), env!("CARGO_PKG_VERSION"));
    for package in [
        format!("bg_{version}-1_amd64.deb"),
        format!("bg-{version}-1.x86_64.rpm"),
        format!("bg-{version}-x86_64.tar.gz"),
    ] {
        assert!(readme.contains(&package), "README does not install {package}");
    }
}

#[test]
fn the_readme_leads_to_the_page_of_each_program() {
    let readme = pages::readme();
    let targets = links(&readme);
    for program in pages::PROGRAMS {
        assert!(targets.contains(&format!("{program}/README.md").as_str()), "no link to the page of {program}");
    }
}

/// It is made by tests/picture, and is of no use when the demo has changed and it has not.
#[test]
fn the_picture_in_the_readme_shows_what_the_demo_runs_and_that_no_request_failed() {
    let picture = pages::read(Path::new("tests/demo.svg"));
    let demo = pages::read(Path::new("tests/demo"));
    for title in demo.lines().filter_map(|line| line.trim().strip_prefix("step \"")?.strip_suffix('"')) {
        assert!(picture.contains(&format!(">== {title}<")), "{title}");
    }
    for shown in [">$ bg-deploy app-1.1.jar<", ">$ bg-deploy --rollback<", " requests, 0 failed<"] {
        assert!(picture.contains(shown), "{shown}");
    }
    assert!(picture.len() < 60_000 && !picture.contains('\u{1b}') && !picture.contains("/tmp/"), "{}", picture.len());
}

/// A line that was drawn over is seen for as long as it stood there, and one that is too wide goes on below.
#[test]
fn a_recorded_session_is_drawn_as_the_terminal_showed_it() {
    let world = World::new();
    let long = "x".repeat(120);
    let output = format!("Script started on x\nhealth 1\r\u{1b}[2K\u{1b}[1mhealth\u{1b}[0m  UP <&>\r\n{long}\r\n");
    let first = "health 1".len();
    let rest = output.len() - "Script started on x\n".len() - first;
    let files = [world.write("timing", format!("0.5 {first}\n0.25 {rest}\n")), world.write("output", &output)];
    let drawn = Command::new(programs::ours("session")).args(files).output().expect("a program of ours").stdout;
    let drawn = String::from_utf8(drawn).expect("UTF-8");
    let before =
        "<g class=\"p\" style=\"animation-duration:0.25s;animation-delay:0.50s\"><text x=\"16\" y=\"29\">health 1<";
    let after = "<g style=\"animation-delay:0.75s\"><text x=\"16\" y=\"29\"><tspan class=\"b\">health</tspan>  UP &lt;&amp;&gt;<";
    for part in [
        before.to_owned(),
        after.to_owned(),
        format!("y=\"47\">{}<", "x".repeat(114)),
        format!("y=\"65\">{}<", "x".repeat(6)),
    ] {
        assert!(drawn.contains(&part), "{part} in {drawn}");
    }
}

#[test]
fn the_page_of_a_program_has_the_four_parts_in_their_order() {
    for program in pages::PROGRAMS {
        let page = pages::of(program);
        let headings: Vec<&str> =
            page.lines().filter(|line| line.starts_with("# ") || line.starts_with("## ")).collect();
        let title = format!("# {program}");
        assert_eq!(headings, [&title, "## Interface", "## Exit codes", "## Options", "## Notes"]);
    }
}

#[test]
fn the_page_of_a_program_has_the_exit_codes_of_its_help() {
    for program in pages::PROGRAMS {
        let help = Command::new(programs::ours(program)).arg("--help").output().expect("a program of ours").stdout;
        let help = String::from_utf8(help).expect("UTF-8");
        let (_, codes) = help.split_once("\nExit codes:\n").expect("exit codes");
        let is_code = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
        let first = |line: &str| line.split([' ', '|']).find(|word| !word.is_empty()).unwrap_or_default().to_owned();
        // A meaning that takes two lines goes on further in.
        let told: BTreeSet<String> = codes
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .map(first_of)
            .filter(|code| is_code(&code.as_str()))
            .collect();
        let page = pages::of(program);
        let page = pages::part(&page, "## Exit codes");
        let known: BTreeSet<String> = page
            .lines()
            .filter(|line| line.starts_with("| "))
            .map(first)
            .filter(|code| is_code(&code.as_str()))
            .collect();
        assert_eq!(known, told, "the page of {program}, and its --help");
    }
}

/// The first word of a line that does not begin with a space.
fn first_of(line: &str) -> String {
    line.split(' ').next().unwrap_or_default().to_owned()
}
