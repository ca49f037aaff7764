//! The sample application as jars: good ones of any version, and ones that can't run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::programs;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/apps/Sample.java");

/// The jars of this run; each is built once.
static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// `app-VERSION.jar`, which runs and says its version.
#[track_caller]
#[must_use]
pub fn sample_jar(version: &str) -> PathBuf {
    once(&format!("app-{version}.jar"), |scratch, jar| {
        let manifest = format!("Main-Class: sample.Sample\nImplementation-Version: {version}\n");
        pack(scratch, jar, &manifest);
    })
}

/// A jar as Gradle's `-plain` ones are: whole, but without a Main-Class.
#[track_caller]
#[must_use]
pub fn without_main_class() -> PathBuf {
    once("app-without-main-class.jar", |scratch, jar| pack(scratch, jar, "Built-By: nobody\n"))
}

/// `app-with-NAME.jar`, which runs, with this `Class-Path` in its manifest, folded at 72 bytes.
#[track_caller]
#[must_use]
pub fn with_class_path(name: &str, class_path: &str) -> PathBuf {
    once(&format!("app-with-{name}.jar"), |scratch, jar| {
        pack(scratch, jar, &format!("Main-Class: sample.Sample\nClass-Path: {class_path}\n"));
    })
}

/// A jar whose copying broke off in the middle.
#[track_caller]
#[must_use]
pub fn truncated() -> PathBuf {
    let whole = sample_jar("1.0");
    once("app-truncated.jar", |_, jar| {
        let bytes = fs::read(&whole).expect("the jar just built");
        fs::write(jar, &bytes[..bytes.len() / 2]).expect("a writable target folder");
    })
}

/// Builds the jar in a scratch folder and moves it into place, so that runs beside each other
/// never see half of one.
#[track_caller]
fn once(name: &str, make: impl FnOnce(&Path, &Path)) -> PathBuf {
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(jar) = built.get(name) {
        return jar.clone();
    }
    let folder = programs::folder().join("sample-jars");
    fs::create_dir_all(&folder).expect("a writable target folder");
    let scratch = tempfile::tempdir_in(&folder).expect("a writable target folder");
    let fresh = scratch.path().join(name);
    make(scratch.path(), &fresh);
    let jar = folder.join(name);
    fs::rename(&fresh, &jar).expect("a writable target folder");
    built.insert(name.to_owned(), jar.clone());
    jar
}

/// Compiles the sample and packs it with these lines as its manifest.
#[track_caller]
fn pack(scratch: &Path, jar: &Path, manifest: &str) {
    let classes = scratch.join("classes");
    let manifest_file = scratch.join("manifest.txt");
    fs::write(&manifest_file, manifest).expect("a writable target folder");
    run(Command::new(programs::of_the_system("javac")).arg("-d").arg(&classes).arg(SOURCE));
    run(Command::new(programs::of_the_system("jar"))
        .arg("--create")
        .arg("--file")
        .arg(jar)
        .arg("--manifest")
        .arg(&manifest_file)
        .arg("-C")
        .arg(&classes)
        .arg("."));
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().expect("a program that was just found");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}
