//! What is in the packages: the same files in all kinds, a manual that man reads, completions, examples; and the same
//! bytes when they are made once more.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use bg_tests::{Run as _, World, programs};

use super::{PROGRAMS, made, package};

#[test]
fn a_package_has_man_pages_completions_notes_and_the_programs_for_users() {
    let Some(made) = made() else { return };
    let world = World::new();
    let unpacked = world.path("unpacked");
    Command::new("dpkg-deb").arg("--extract").arg(package(made, "bg_", "-1_amd64.deb")).arg(&unpacked).ran().success();
    for program in PROGRAMS {
        let mut man = Command::new(programs::of_the_system("man"));
        man.arg("--warnings").arg("--manpath").arg(unpacked.join("usr/share/man")).arg(program);
        let page = man.env("LC_ALL", "C").env("MANPAGER", "cat").ran().success().said_nothing();
        for part in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "BG_APP environment variable", "EXAMPLES", "EXIT STATUS", "SEE ALSO"]
        {
            page.clone().printed(part);
        }
        let completions = unpacked.join("usr/share/bash-completion/completions").join(program);
        Command::new("bash").arg("-n").arg(completions).ran().success();
        // The one that prints the manual is not the one for users.
        Command::new(unpacked.join("usr/bin").join(program)).args(["--manual", "man"]).ran().exit(2);
    }
    let notes = unpacked.join("usr/share/doc/bg");
    for file in [
        "copyright",
        "README.md",
        "bg-probe/README.md",
        "bg-launch/README.md",
        "bg-launch/APPLICATION.md",
        "bg-health/README.md",
        "bg-switch/README.md",
        "bg-deploy/README.md",
        "bg-deploy/README.ko.md",
        "bg-deploy/CHANGELOG.md",
        "tests/README.md",
        "tests/deploy.svg",
        "tests/demo.svg",
    ] {
        assert!(notes.join(file).is_file(), "no {file}");
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bg-deploy/package/examples");
    Command::new("diff").arg("--recursive").arg(examples).arg(notes.join("examples")).ran().success();
}

#[test]
fn each_kind_of_package_has_the_same_files() {
    let Some(made) = made() else { return };
    let list = |program: &str, words: &[&str], package: &Path| {
        let listed = Command::new(programs::of_the_system(program)).args(words).arg(package).ran().success();
        // Each line ends with the path.
        let paths = listed.stdout();
        let paths = paths.lines().filter_map(|line| line.split_once("share/").or(line.split_once("bin/")));
        let paths = paths.map(|(_, path)| path.replace("vendor-completions", "site-functions"));
        let paths: BTreeSet<String> = paths.filter(|path| !path.is_empty() && !path.ends_with('/')).collect();
        // An .rpm names its folders without a slash.
        let is_folder = |path: &String| paths.iter().any(|other| other.starts_with(&format!("{path}/")));
        paths.iter().filter(|path| !is_folder(path)).cloned().collect::<BTreeSet<_>>()
    };
    let deb = list("dpkg-deb", &["--contents"], &package(made, "bg_", "-1_amd64.deb"));
    let archive = list("tar", &["-tf"], &package(made, "bg-", ".tar.gz"));
    assert!(deb.len() > 40, "{deb:?}");
    // Its own list, by which it is taken out again.
    let own = BTreeSet::from(["doc/bg/files".to_owned()]);
    assert_eq!(archive.difference(&deb).cloned().collect::<BTreeSet<_>>(), own);
    assert_eq!(deb.difference(&archive).collect::<Vec<_>>(), Vec::<&String>::new());
    let rpm = list("rpm", &["-qlp"], &package(made, "bg-", "-1.x86_64.rpm"));
    assert_eq!(rpm, deb);
}

#[test]
fn the_checksums_are_those_of_the_packages() {
    let Some(made) = made() else { return };
    let sums = fs::read_to_string(made.join("SHA256SUMS")).expect("the checksums");
    assert_eq!(sums.lines().count(), 5, "two .deb, two .rpm and a .tar.gz: {sums}");
    Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(made).ran().success();
}

#[test]
fn the_same_sources_in_another_folder_give_the_same_packages() {
    let Some(made) = made() else { return };
    let world = World::new();
    let (copy, target) = (world.path("another/folder"), world.path("target"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let ours = programs::folder();
    for folder in [&copy, &target] {
        fs::create_dir_all(folder).expect("a folder of ours");
    }
    symlink(ours.parent().expect("target").join("tools"), target.join("tools")).expect("a folder of ours");
    let copied = "git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -c -T - | tar -x -C \"$0\"";
    Command::new("sh").args(["-c", copied]).arg(&copy).current_dir(root).ran().success();
    let time = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root).ran().success().stdout();
    let mut again = Command::new(copy.join("tests/package"));
    again.env("CARGO_TARGET_DIR", &target).env("SOURCE_DATE_EPOCH", time.trim());
    again.arg("--to").arg(world.path("again")).current_dir(&copy).ran().success();
    for (beginning, end) in [("bg_", "-1_amd64.deb"), ("bg-", "-1.x86_64.rpm"), ("bg-", ".tar.gz")] {
        let (one, other) = (package(made, beginning, end), package(&world.path("again"), beginning, end));
        Command::new("cmp").arg(one).arg(other).ran().success();
    }
}
