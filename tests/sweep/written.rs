//! The files that the programs open to write. strace(1) can't tell such an opening from one that only reads, of which
//! there are hundreds in `/proc`, so the places to strike at are these by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bg_tests::strace::Call;
use sha2::{Digest, Sha256};

use super::scene::{Act, Scene};

/// How long after this moment a run may get to the file that is named after the time.
const SECONDS: u64 = 20;

/// Every file that a program may open to write in a run that begins now.
pub(crate) fn files(scene: &Scene) -> Vec<PathBuf> {
    let state = scene.world.dir();
    let incoming = state.join("releases/.incoming");
    let upstream = scene.world.nginx.upstream_file().with_file_name(".service-url.inc.bg-new");
    let mut files = vec![upstream];
    files.extend(["app.bin", ".command.json", ".sha256"].map(|name| incoming.join(name)));
    files.extend(
        [
            "lock",
            "deploys.jsonl",
            "drained",
            ".switching.json.bg-new",
            ".app.bg-new",
            ".deploys.jsonl.bg-new",
            ".prepared.json.bg-new",
        ]
        .map(|name| state.join(name)),
    );
    files.extend(
        ["routes/.empty.bg-new", ".empty.bg-new", ".linger.log.bg-new", "linger.log"].map(|name| state.join(name)),
    );
    files.extend([".page.html.bg-new", "visitors"].map(|name| state.join("closed").join(name)));
    files.extend(["set1", "set2"].map(|name| state.join("backed/visitors").join(name)));
    let surroundings = |name: &str| state.join("surroundings").join(format!(".{name}.bg-new"));
    files.extend(releases(scene).map(|name| surroundings(&name)));
    files.extend(releases(scene).map(|name| state.join("unserved").join(name)));
    for slot in ["set1", "set2"] {
        let folder = state.join("slots").join(slot);
        files.push(folder.join(".process.json.bg-new"));
        files.extend(scene.world.held(slot).map(|name| surroundings(&name)));
        files.extend(releases(scene).map(|name| folder.join("logs").join(name + ".log")));
    }
    if scene.act == Act::Companion {
        let folder = state.join("slots/companion");
        files.push(folder.join(".process.json.bg-new"));
        let held = scene.world.held(&scene.before.live).unwrap_or_default();
        files.extend([".log", ".again-2.log"].map(|end| folder.join("logs").join(held.clone() + end)));
    }
    files
}

/// Whether it opens the file by which a process is told to be the first to go: nobody knows that process before. What is
/// written there is struck at all the same. Or the stdout of a process that has none.
pub(crate) fn is_of_a_process(call: &Call) -> bool {
    let is_first_to_go = |path: &PathBuf| path.starts_with("/proc") && path.ends_with("oom_score_adj");
    call.paths().iter().all(|path| is_first_to_go(path) || *path == Path::new("/dev/null"))
}

/// The names that the next release may get: by the second in which it gets it, and by what is in it.
fn releases(scene: &Scene) -> impl Iterator<Item = String> {
    let bytes = fs::read(scene.artifact()).expect("a file of ours");
    let digits = Sha256::digest(bytes).iter().take(4).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let now = SystemTime::now();
    (0..SECONDS).map(move |seconds| {
        let time = humantime::format_rfc3339_seconds(now + Duration::from_secs(seconds)).to_string();
        format!("{}-{digits}", time.replace(['-', ':'], ""))
    })
}
