//! The collection is one that Ansible's own programs have nothing against.

use super::control::{COLLECTION, build, program, ran};
use super::turn;
use std::path::Path;
use std::process::Command;

#[test]
fn ansible_lint_and_antsibull_docs_have_nothing_against_the_collection() {
    let Some(_turn) = turn() else { return };
    let home = tempfile::Builder::new().prefix("bg-collection-").tempdir().expect("a temporary folder");
    let of_ansible = |name: &str| {
        let program = program(name);
        let folders = format!("{}:/usr/bin:/bin", program.parent().unwrap_or(Path::new("/")).display());
        let mut command = Command::new(&program);
        command.env_clear().env("PATH", folders).env("HOME", home.path()).env("LANG", "C.UTF-8");
        command.env("ANSIBLE_COLLECTIONS_PATH", home.path().join("installed"));
        command
    };
    let file = build(home.path());
    let mut install = of_ansible("ansible-galaxy");
    install.args(["collection", "install", "--offline", "--collections-path"]).arg(home.path().join("installed"));
    ran(install.arg(file));

    // As a clone of its repository would be: by its name in a folder of collections.
    let sources = home.path().join("ansible_collections/bg/deploy");
    std::fs::create_dir_all(sources.parent().expect("a folder")).expect("a folder of ours");
    ran(Command::new("cp").arg("-r").arg(COLLECTION).arg(&sources));
    let said = ran(of_ansible("ansible-lint").args(["--offline", "--profile", "production"]).current_dir(&sources));
    assert!(said.contains("Profile 'production' was required, and it passed"), "{said}");
    ran(of_ansible("antsibull-docs").args(["lint-collection-docs", "--plugin-docs", "."]).current_dir(&sources));
}
