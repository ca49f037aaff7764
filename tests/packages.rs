//! The packages of a release: made by one command, and used as their manual and their examples say.
//!
//! That takes root and minutes, so only a full run (`BG_TEST_FULL=1`) does it, but for the script that installs.

/// The programs in them: what they need of a system, on both architectures.
mod binaries;
/// What is in them.
mod contents;
/// The script of the .tar.gz.
mod install;
/// Each kind in use, on a system of its kind.
mod used;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Once};

use bg_tests::{Run as _, is_full, programs, tell};

const PROGRAMS: [&str; 5] = ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy"];

/// A script of this folder, without what the cargo that runs these tests says of their own package: there are build
/// scripts which look at that, and all would be built anew.
fn script(name: &str) -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let ours = env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name == "CARGO" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    });
    for name in ours {
        script.env_remove(name);
    }
    script
}

/// The folder of the packages for this machine's architecture, made once; none but in a full run, and that is said once.
fn made() -> Option<&'static Path> {
    static SAID: Once = Once::new();
    static MADE: LazyLock<PathBuf> = LazyLock::new(|| {
        let target = programs::folder();
        let folder = target.parent().unwrap_or(&target).join("tested-packages");
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("a folder of ours");
        }
        for revision in ["1", "2"] {
            script("package").args(["--revision", revision]).arg("--to").arg(&folder).ran().success();
        }
        folder
    });
    if is_full() {
        return Some(&MADE);
    }
    SAID.call_once(|| tell("packages: not run; tests/run --full runs it"));
    None
}

/// The one package of a folder with this beginning and end.
#[track_caller]
fn package(folder: &Path, beginning: &str, end: &str) -> PathBuf {
    let all = fs::read_dir(folder).expect("the packages").map(|entry| entry.expect("a package").path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(beginning) && name.ends_with(end)
    };
    let found: Vec<PathBuf> = all.filter(is_it).collect();
    let [package] = &found[..] else { panic!("{beginning}*{end} in {}: {found:?}", folder.display()) };
    package.clone()
}
