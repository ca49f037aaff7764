//! A disk that can lose power: what would be found on it afterwards, worked out from the calls of a program.
//!
//! The model is the worst that POSIX allows and no more: what was written to a file is there for certain only after an
//! `fsync` of that file, a name made, changed or removed in a folder only after an `fsync` of that folder. The changes
//! of one folder come in their order, those of different folders in any; a rename is there as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::strace::Call;

/// The calls that the model knows.
pub const CALLS: &str = "
    open openat creat mkdir mkdirat write ftruncate fsync fdatasync
    rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat rmdir";

/// At most so many states are looked at between two calls.
const MOST_STATES: usize = 20_000;

/// What is found on a disk: every path with what is there.
pub type Tree = BTreeMap<PathBuf, Thing>;

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A folder.
    Folder,
    /// A file with these bytes.
    File(Vec<u8>),
    /// A symbolic link to there.
    Link(PathBuf),
}

/// The names in a folder, each with the number of what it names.
type Names = BTreeMap<OsString, usize>;

#[derive(Clone, Debug)]
enum Node {
    Folder {
        synced: Names,
        /// Each a change of one or, in a rename, two names, made at once.
        unsynced: Vec<Vec<(OsString, Option<usize>)>>,
    },
    File {
        synced: Vec<u8>,
        written: Vec<u8>,
    },
    Link(PathBuf),
}

/// A disk, as far as some folders of it are concerned.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
    parts: Vec<PathBuf>,
    nodes: Vec<Node>,
}

impl Disk {
    /// The disk as it is now below `root`, all of it synced; only what is below one of `parts` counts.
    #[track_caller]
    #[must_use]
    pub fn now(root: &Path, parts: &[PathBuf]) -> Self {
        let mut disk = Self { root: root.to_owned(), parts: parts.to_owned(), nodes: Vec::new() };
        disk.load(root);
        disk
    }

    /// Does what the program did; false where that changed nothing here.
    #[track_caller]
    pub fn apply(&mut self, call: &Call) -> bool {
        let paths = call.paths();
        let is_symlink = call.name.starts_with("symlink");
        let path = if is_symlink { paths.last() } else { paths.first() };
        let Some(path) = path.filter(|path| self.knows(path)) else { return false };
        if !call.succeeded() || (call.opens() && !call.opens_to_write()) {
            return false;
        }
        match call.name.as_str() {
            "open" | "openat" | "creat" => self.open(call, path),
            "mkdir" | "mkdirat" => self.add(path, Node::Folder { synced: Names::new(), unsynced: Vec::new() }),
            "write" => self.written(path).extend(call.texts.last().into_iter().flatten()),
            "ftruncate" => self.written(path).clear(),
            "fsync" | "fdatasync" => self.sync(path),
            "symlink" | "symlinkat" => self.add(path, Node::Link(path_of(&call.texts[0]))),
            "link" | "linkat" => self.change(&paths[1], self.find(path)),
            "rename" | "renameat" | "renameat2" => self.rename(path, &paths[1]),
            "unlink" | "rmdir" => self.change(path, None),
            "unlinkat" => {
                let path = call.texts[1..].iter().fold(path.clone(), |path, name| path.join(path_of(name)));
                self.change(&path, None);
            }
            other => panic!("{other} is not in the model"),
        }
        true
    }

    /// Everything that may be found if the power fails now.
    #[track_caller]
    #[must_use]
    pub fn after_power_loss(&self) -> BTreeSet<Tree> {
        let pending: Vec<(usize, usize)> = self.nodes.iter().enumerate().filter_map(unsynced).collect();
        let states = pending.iter().map(|(_, count)| count + 1).product::<usize>();
        assert!(states <= MOST_STATES, "{states} states between two calls: fewer folders may be left unsynced");
        let mut trees = BTreeSet::new();
        for state in 0..states {
            let mut left = state;
            let kept = pending.iter().map(|(folder, count)| {
                let kept = left % (count + 1);
                left /= count + 1;
                (*folder, kept)
            });
            let kept: BTreeMap<usize, usize> = kept.collect();
            trees.extend([false, true].map(|data| self.tree(&kept, data)));
        }
        trees
    }

    /// What a program that looks now finds.
    #[must_use]
    pub fn seen(&self) -> Tree {
        let kept = self.nodes.iter().enumerate().filter_map(unsynced).collect();
        self.tree(&kept, true)
    }

    fn load(&mut self, path: &Path) -> usize {
        let number = self.nodes.len();
        self.nodes.push(Node::Link(PathBuf::new()));
        self.nodes[number] = if path.is_symlink() {
            Node::Link(fs::read_link(path).expect("a link"))
        } else if path.is_dir() {
            let entries = fs::read_dir(path).expect("a folder of ours").flatten();
            let counted: Vec<_> = entries.filter(|entry| self.knows(&entry.path())).collect();
            let synced = counted.iter().map(|entry| (entry.file_name(), self.load(&entry.path()))).collect();
            Node::Folder { synced, unsynced: Vec::new() }
        } else {
            let bytes = fs::read(path).expect("a file of ours");
            Node::File { synced: bytes.clone(), written: bytes }
        };
        number
    }

    fn knows(&self, path: &Path) -> bool {
        self.parts.iter().any(|part| path.starts_with(part) || part.starts_with(path)) && path.starts_with(&self.root)
    }

    fn names(&self, folder: usize, kept: Option<usize>) -> Names {
        let Node::Folder { synced, unsynced } = &self.nodes[folder] else { return Names::new() };
        let mut names = synced.clone();
        for (name, number) in unsynced.iter().take(kept.unwrap_or(unsynced.len())).flatten() {
            match number {
                Some(number) => names.insert(name.clone(), *number),
                None => names.remove(name),
            };
        }
        names
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let below = path.strip_prefix(&self.root).ok()?;
        below.iter().try_fold(0, |folder, name| self.names(folder, None).get(name).copied())
    }

    fn open(&mut self, call: &Call, path: &Path) {
        if self.find(path).is_none() {
            self.add(path, Node::File { synced: Vec::new(), written: Vec::new() });
        } else if call.arguments().contains("O_TRUNC") {
            self.written(path).clear();
        }
    }

    fn add(&mut self, path: &Path, node: Node) {
        self.nodes.push(node);
        self.change(path, Some(self.nodes.len() - 1));
    }

    fn change(&mut self, path: &Path, number: Option<usize>) {
        let name = path.file_name().expect("a path with a name").to_owned();
        self.unsynced_of(path).push(vec![(name, number)]);
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        assert_eq!(from.parent(), to.parent(), "a rename between folders is not in the model");
        let name = |path: &Path| path.file_name().expect("a path with a name").to_owned();
        let number = self.find(from);
        self.unsynced_of(to).push(vec![(name(from), None), (name(to), number)]);
    }

    fn sync(&mut self, path: &Path) {
        let Some(number) = self.find(path) else { return };
        let names = self.names(number, None);
        match &mut self.nodes[number] {
            Node::Folder { synced, unsynced } => {
                *synced = names;
                unsynced.clear();
            }
            Node::File { synced, written } => synced.clone_from(written),
            Node::Link(_) => {}
        }
    }

    fn unsynced_of(&mut self, path: &Path) -> &mut Vec<Vec<(OsString, Option<usize>)>> {
        let number = path.parent().and_then(|folder| self.find(folder));
        match number.and_then(|number| self.nodes.get_mut(number)) {
            Some(Node::Folder { unsynced, .. }) => unsynced,
            _ => panic!("{} is in no folder of the model", path.display()),
        }
    }

    fn written(&mut self, path: &Path) -> &mut Vec<u8> {
        match self.find(path).and_then(|number| self.nodes.get_mut(number)) {
            Some(Node::File { written, .. }) => written,
            _ => panic!("{} is no file of the model", path.display()),
        }
    }

    fn tree(&self, kept: &BTreeMap<usize, usize>, data: bool) -> Tree {
        let mut tree = Tree::new();
        self.fill(&mut tree, &self.root, 0, kept, data);
        tree
    }

    fn fill(&self, tree: &mut Tree, path: &Path, number: usize, kept: &BTreeMap<usize, usize>, data: bool) {
        let thing = match &self.nodes[number] {
            Node::Folder { .. } => {
                for (name, number) in self.names(number, Some(kept.get(&number).copied().unwrap_or(0))) {
                    self.fill(tree, &path.join(name), number, kept, data);
                }
                Thing::Folder
            }
            Node::File { written, .. } if data => Thing::File(written.clone()),
            Node::File { synced, .. } => Thing::File(synced.clone()),
            Node::Link(target) => Thing::Link(target.clone()),
        };
        tree.insert(path.to_owned(), thing);
    }
}

/// A folder's number with how many of its changes are not synced.
fn unsynced((number, node): (usize, &Node)) -> Option<(usize, usize)> {
    match node {
        Node::Folder { unsynced, .. } if !unsynced.is_empty() => Some((number, unsynced.len())),
        _ => None,
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_owned()).into()
}
