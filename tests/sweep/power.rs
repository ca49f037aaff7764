//! Power loss: what is on disk at every moment of a run, less what was not synced, is whole, and what a run has done
//! is there for good when it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bg_tests::disk::{CALLS, Disk, Thing, Tree};
use bg_tests::{Run, Strace, World, programs, tell};
use serde_json::Value;

use super::whole::is_temporary;

/// What is at every moment as it was before or as it will be after.
const SWAPPED: [&str; 8] =
    ["prepared.json", "process.json", "service-url.inc", "live", "current", "app.log", ".command.json", "app.bin"];

/// Everything that a launch or a switch changes.
pub(crate) fn all(world: &World) -> Vec<PathBuf> {
    let upstream = world.nginx.upstream_file();
    vec![world.dir(), upstream.with_file_name(".service-url.inc.bg-new"), upstream]
}

/// Runs a program, takes the power away at every moment of it, and looks at what is left of `parts`.
#[track_caller]
pub(crate) fn fails_during(world: &World, program: &str, args: &[String], parts: &[PathBuf]) {
    let mut disk = Disk::now(world.folder(), parts);
    let old = disk.seen();
    let strace = Strace::of(CALLS, &world.path("power.strace"));
    let words = strace.words();
    let mut command = world.command(Path::new(&words[0]));
    command.args(&words[1..]).arg(programs::ours(program)).args(args);
    command.ran().success();

    let mut states = BTreeSet::new();
    let mut faults = BTreeMap::new();
    let end = Disk::now(world.folder(), parts).seen();
    let mut changes = 0;
    let calls = strace.calls();
    for (call, next) in calls.iter().zip(calls.iter().skip(1).map(Some).chain([None])) {
        if !disk.apply(call) {
            continue;
        }
        changes += 1;
        // Of a hundred names made one after the other, each may be lost from any one on: as after the last of them.
        if call.name.starts_with("link") && next.is_some_and(|next| next.name == call.name) {
            continue;
        }
        for tree in disk.after_power_loss() {
            let found = broken(&tree, &old, &end);
            for fault in found {
                faults.entry(fault).or_insert_with(|| format!("first after {} {}", call.name, call.arguments()));
            }
            states.insert(tree);
        }
    }
    assert_eq!(telling(&disk.seen()), telling(&end), "the model and the disk disagree");
    for tree in disk.after_power_loss() {
        let lost = telling(&end).into_iter().filter(|(path, thing)| tree.get(path) != Some(thing));
        faults
            .extend(lost.map(|(path, _)| (format!("{} is lost", path.display()), "although the run has ended".into())));
    }
    tell(&format!(
        "{program}: power lost after each of {changes} changes, {} states, {} violations",
        states.len(),
        faults.len()
    ));
    assert!(
        faults.is_empty(),
        "{}",
        faults.iter().map(|(fault, when)| format!("{fault}, {when}")).collect::<Vec<_>>().join("\n")
    );
}

/// What must be the same in the model and on the disk, and be there for good after a run: all but what the application
/// itself writes, and the name of who holds the lock.
fn telling(tree: &Tree) -> Tree {
    let ours = |path: &Path| path.extension().is_none_or(|end| end != "log") && !path.ends_with("lock");
    tree.iter().filter(|(path, _)| ours(path)).map(|(path, thing)| (path.clone(), thing.clone())).collect()
}

/// What is not whole in a tree; `old` and `new` are those before and after the run.
fn broken(tree: &Tree, old: &Tree, new: &Tree) -> Vec<String> {
    let lost = old.keys().filter(|path| !tree.contains_key(*path));
    let torn = tree.keys().chain(lost).filter(|path| {
        let whole = [old, new].iter().any(|whole| whole.get(*path) == tree.get(*path));
        SWAPPED.iter().any(|name| path.ends_with(name)) && !is_temporary(path) && !whole
    });
    let mut faults: Vec<String> = torn.map(|path| format!("{} is neither old nor new", path.display())).collect();
    faults.extend(tree.iter().filter(|(path, _)| !is_temporary(path)).filter_map(|(path, thing)| {
        let fault = match thing {
            Thing::Link(target) => (!tree.contains_key(&resolved(path, target))).then_some("leads to nothing"),
            Thing::File(bytes) => unreadable(path, bytes).then_some("does not parse"),
            Thing::Folder => half_a_release(tree, path).then_some("is half a release"),
        };
        Some(format!("{} {}", path.display(), fault?))
    }));
    faults
}

/// Whether a file of ours can't be understood; the last line of the history may have been cut.
fn unreadable(path: &Path, bytes: &[u8]) -> bool {
    let is_json = |text: &[u8]| serde_json::from_slice::<Value>(text).is_ok();
    match path.extension().and_then(|end| end.to_str()) {
        Some("jsonl") => {
            bytes.split_inclusive(|byte| *byte == b'\n').any(|line| line.ends_with(b"\n") && !is_json(line))
        }
        Some("json") => !is_json(bytes),
        _ => false,
    }
}

fn half_a_release(tree: &Tree, path: &Path) -> bool {
    let has = |name: &&str| tree.contains_key(&path.join(name));
    path.parent().is_some_and(|up| up.ends_with("releases")) && ![".command.json", "app.bin"].iter().all(has)
}

/// Where a link leads, without looking at the disk.
fn resolved(link: &Path, target: &Path) -> PathBuf {
    let from = link.parent().unwrap_or(link);
    target.iter().fold(from.to_owned(), |path, part| {
        if part == ".." { path.parent().unwrap_or(&path).to_owned() } else { path.join(part) }
    })
}
