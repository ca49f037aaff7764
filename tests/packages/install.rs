//! The script of the .tar.gz: it puts in, upgrades and takes out what is its own, and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bg_tests::{Ran, Run as _, World, write_executable};

/// An unpacked .tar.gz with these notes beside the program.
fn unpacked(world: &World, name: &str, notes: &[&str]) -> PathBuf {
    let folder = world.path(name);
    fs::create_dir_all(folder.join("bin")).expect("a folder of ours");
    fs::create_dir_all(folder.join("share/doc/bg")).expect("a folder of ours");
    write_executable(&folder.join("bin/bg-deploy"), format!("#!/bin/sh\necho {name}\n"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bg-deploy/package/install");
    fs::copy(script, folder.join("install")).expect("the script");
    let mut list = vec!["share/doc/bg/files".to_owned(), "bin/bg-deploy".to_owned()];
    for note in notes {
        fs::write(folder.join("share/doc/bg").join(note), name).expect("a folder of ours");
        list.push(format!("share/doc/bg/{note}"));
    }
    fs::write(folder.join("share/doc/bg/files"), list.join("\n") + "\n").expect("a folder of ours");
    folder
}

fn install(folder: &Path, words: &[&str]) -> Ran {
    // As strict a umask as an administrator may have.
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(folder.join("install")).args(words).ran()
}

#[test]
fn the_script_installs_upgrades_and_removes_its_own_files_and_no_others() {
    let world = World::new();
    let to = world.path("to");
    let there = to.to_str().expect("UTF-8");
    let of = |path: &str| fs::read_to_string(to.join(path)).ok();
    fs::create_dir_all(to.join("bin")).expect("a folder of ours");
    fs::write(to.join("bin/another"), "another's").expect("a folder of ours");

    let first = unpacked(&world, "first", &["kept", "gone later"]);
    install(&first, &[there]).success().printed(format!("installed first in {there}")).printed("not on your PATH");
    assert_eq!(of("share/doc/bg/gone later").as_deref(), Some("first"));
    let mode = fs::metadata(to.join("bin/bg-deploy")).expect("a program").permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "others may run it too");

    let second = unpacked(&world, "second", &["kept", "new"]);
    install(&second, &[there]).success().printed("installed second");
    let all = ["kept", "gone later", "new"].map(|note| of(&format!("share/doc/bg/{note}")));
    assert_eq!(all, [Some("second".to_owned()), None, Some("second".to_owned())]);

    // By the script of either version.
    install(&first, &["--remove", there]).success().printed("removed bg");
    assert_eq!(of("bin/bg-deploy"), None);
    assert!(!to.join("share/doc/bg").exists());
    assert_eq!(of("bin/another").as_deref(), Some("another's"));
    install(&first, &["--remove", there]).exit(1).said(format!("bg is not installed in {there}"));
}

#[test]
fn the_script_refuses_what_it_does_not_know_and_a_folder_that_it_may_not_write() {
    let world = World::new();
    let folder = unpacked(&world, "first", &[]);
    install(&folder, &["--help"]).success().printed("usage:");
    install(&folder, &["--uninstall"]).exit(2).said("usage:");
    install(&folder, &["/proc/bg"]).exit(1).said("install: you may not write in /proc/bg: sudo ");
}
