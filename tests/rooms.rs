//! The walls of the house: which room of the library, and which crate, may use which; and no circle anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of bg-probe's library from the ground up; each uses those before it, and `cli` stands beside `nginx`.
const ROOMS: [(&str, &[&str]); 7] = [
    ("say", &[]),
    ("os", &["say"]),
    ("site", &["say", "os"]),
    ("record", &["say", "os", "site"]),
    ("nginx", &["say", "os", "site", "record"]),
    ("cli", &["say", "os", "site", "record"]),
    ("live", &["say", "os", "site", "record", "nginx"]),
];

/// The crates, and those of ours that each may use.
const CRATES: [(&str, &[&str]); 5] = [
    ("probe", &[]),
    ("launch", &["probe"]),
    ("health", &["probe", "launch"]),
    ("switch", &["probe"]),
    ("deploy", &["probe"]),
];

/// A module's path, `live::verdict`, and its text without tests.
type Modules = BTreeMap<String, String>;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the workspace").to_owned()
}

/// The modules of a library, or of a program, in the folder that its root file is in.
fn modules(root: &Path) -> Modules {
    let mut found = Modules::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            // A library's folder has the programs in it.
            if path.is_dir() && !path.ends_with("bin") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
                let name = path.strip_prefix(root).expect("below its root").with_extension("");
                let name = name.to_string_lossy().replace('/', "::");
                found.insert(name.trim_end_matches("::mod").to_owned(), code);
            }
        }
    }
    found
}

/// The paths behind `PREFIX::` in a text, with one item of each `{...}` behind its module.
fn paths(text: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (_, rest) in text.match_indices(&format!("{prefix}::")).map(|(at, word)| (at, &text[at + word.len()..])) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches(':').to_owned();
        if let Some(group) = rest[end..].strip_prefix('{').and_then(|group| group.split('}').next()) {
            found.extend(group.split(',').map(|item| format!("{path}::{}", item.trim())));
        }
        found.push(path);
    }
    found
}

/// What a module uses of the others.
fn used(name: &str, modules: &Modules) -> BTreeSet<String> {
    let module_of = |path: String| {
        let mut path = path.as_str();
        while !modules.contains_key(path) {
            path = path.rsplit_once("::")?.0;
        }
        Some(path.to_owned())
    };
    paths(&modules[name], "crate").into_iter().filter_map(module_of).filter(|other| other != name).collect()
}

/// The modules that can be reached from one of them, itself among them if there is a circle.
fn reached(from: &str, uses: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&String> = uses[from].iter().collect();
    while let Some(name) = waiting.pop() {
        if found.insert(name.clone()) {
            waiting.extend(&uses[name]);
        }
    }
    found
}

#[test]
fn each_room_of_the_library_uses_only_those_below_it() {
    let modules = modules(&workspace().join("bg-probe/src"));
    for (name, code) in modules.iter().filter(|(name, _)| *name != "lib") {
        let room = name.split("::").next().unwrap_or_default();
        let (_, below) = ROOMS.iter().find(|(known, _)| *known == room).unwrap_or_else(|| panic!("a room {room}?"));
        for path in paths(code, "crate") {
            let other = path.split("::").next().unwrap_or_default();
            let may = other == room || below.contains(&other) || !ROOMS.iter().any(|(known, _)| *known == other);
            assert!(may, "{name} uses crate::{path}, and {other} does not stand below {room}");
        }
    }
}

#[test]
fn each_crate_uses_only_those_before_it() {
    for (name, below) in CRATES {
        let root = workspace().join(format!("bg-{name}/src"));
        for modules in [modules(&root), modules(&root.join(format!("bin/bg-{name}")))] {
            for (module, code) in &modules {
                for (other, _) in CRATES.iter().filter(|(other, _)| *other != name && !below.contains(other)) {
                    assert!(!code.contains(&format!("bg_{other}::")), "{module} of bg-{name} uses bg-{other}");
                }
            }
        }
    }
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    for (name, _) in CRATES {
        let root = workspace().join(format!("bg-{name}/src"));
        for modules in [modules(&root), modules(&root.join(format!("bin/bg-{name}")))] {
            let uses: BTreeMap<_, _> = modules.keys().map(|name| (name.clone(), used(name, &modules))).collect();
            let circle: Vec<&String> = uses.keys().filter(|module| reached(module, &uses).contains(*module)).collect();
            assert!(circle.is_empty(), "bg-{name}: {circle:?} use each other in a circle");
        }
    }
}
