//! nginx's configuration as a tree: the directives of a file stand where an `include` names it, and what is in force in
//! a block is what it says itself, or else the nearest block around it.

use crate::nginx::dump::{Dump, fits};
use bg_probe::nginx::conf::Directive;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A directive, and the file it stands in.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// The file.
    pub(crate) file: &'a Path,
    /// The directive.
    pub(crate) directive: &'a Directive,
}

/// What stands in a block, each `include` followed by what it names.
pub(crate) type Block<'a> = Vec<Line<'a>>;

/// The blocks from the main level to one that was looked for, which is the last.
pub(crate) type Way<'a> = Vec<Block<'a>>;

/// A configuration whose files are found by their paths.
pub(crate) struct Tree<'a> {
    main: Option<&'a Path>,
    files: BTreeMap<&'a Path, &'a [Directive]>,
}

impl<'a> Line<'a> {
    /// The words of the directive.
    pub(crate) fn texts(&self) -> Vec<&'a str> {
        self.directive.words.iter().map(|word| word.text.as_str()).collect()
    }

    /// Whether it is the directive of that name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.directive.words.first().is_some_and(|word| word.text == name)
    }
}

impl<'a> Tree<'a> {
    /// The tree of a configuration.
    pub(crate) fn of(dump: &'a Dump) -> Tree<'a> {
        let files = dump.contents().collect();
        Tree { main: dump.files.first().map(PathBuf::as_path), files }
    }

    /// The main level.
    pub(crate) fn main(&self) -> Block<'a> {
        self.main.map(|main| self.file(main, &mut Vec::new())).unwrap_or_default()
    }

    /// The block of a directive; empty where it has none.
    pub(crate) fn block(&self, line: Line<'a>) -> Block<'a> {
        let inside = line.directive.block.as_deref().unwrap_or_default();
        self.followed(inside, line.file, &mut vec![line.file])
    }

    /// The ways to the blocks that include that file: by its path, or where none does, by its name, for in a container it
    /// may be in another folder.
    pub(crate) fn ways_to(&self, file: &Path) -> Vec<Way<'a>> {
        let by_path = self.ways(&|pattern| fits(pattern, file));
        if by_path.is_empty() { self.ways(&|pattern| pattern.file_name() == file.file_name()) } else { by_path }
    }

    fn ways(&self, is_meant: &impl Fn(&Path) -> bool) -> Vec<Way<'a>> {
        let mut found = Vec::new();
        self.walk(&mut vec![self.main()], is_meant, &mut found);
        found
    }

    fn walk(&self, way: &mut Way<'a>, is_meant: &impl Fn(&Path) -> bool, found: &mut Vec<Way<'a>>) {
        let Some(block) = way.last().cloned() else { return };
        let includes_it = |line: &Line| {
            line.is_named("include")
                && line.texts().get(1).is_some_and(|pattern| is_meant(&self.folder().join(pattern)))
        };
        if block.iter().any(includes_it) {
            found.push(way.clone());
        }
        for line in block.into_iter().filter(|line| line.directive.block.is_some()) {
            way.push(self.block(line));
            self.walk(way, is_meant, found);
            way.pop();
        }
    }

    /// The lines of a file; `open` are the files that are being followed already.
    fn file(&self, path: &'a Path, open: &mut Vec<&'a Path>) -> Block<'a> {
        let Some(directives) = self.files.get(path).filter(|_| !open.contains(&path)) else { return Vec::new() };
        open.push(path);
        let lines = self.followed(directives, path, open);
        open.pop();
        lines
    }

    fn followed(&self, directives: &'a [Directive], file: &'a Path, open: &mut Vec<&'a Path>) -> Block<'a> {
        let mut lines = Vec::new();
        for directive in directives {
            let line = Line { file, directive };
            lines.push(line);
            if let (true, Some(pattern)) = (line.is_named("include"), line.texts().get(1)) {
                let included = self.matching(&self.folder().join(pattern));
                lines.extend(included.into_iter().flat_map(|path| self.file(path, open)));
            }
        }
        lines
    }

    /// The files that an `include` names, in nginx's order.
    fn matching(&self, pattern: &Path) -> Vec<&'a Path> {
        if let Some((path, _)) = self.files.get_key_value(pattern) {
            return vec![path];
        }
        if !pattern.as_os_str().as_encoded_bytes().contains(&b'*') {
            return Vec::new();
        }
        self.files.keys().copied().filter(|path| fits(pattern, path)).collect()
    }

    /// The folder that a relative path in the configuration begins at.
    pub(crate) fn folder(&self) -> &'a Path {
        self.main.and_then(Path::parent).unwrap_or(Path::new("/"))
    }
}

/// The words of the directive of that name that is in force at the end of a way.
pub(crate) fn in_force<'a>(way: &[Block<'a>], name: &str) -> Option<Vec<&'a str>> {
    way.iter().rev().find_map(|block| block.iter().find(|line| line.is_named(name))).map(Line::texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_in_force_whatever_file_it_stands_in() {
        let dump = Dump::parse(
            "# configuration file /n/nginx.conf:\nhttp { include d/*.conf; server { include u.inc; } }\n\n\
             # configuration file /n/d/a.conf:\nx 1;\n\n# configuration file /n/d/b.conf:\n\
             server { include /n/u.inc; include s; }\n\n# configuration file /n/u.inc:\nset $a b;\n\n\
             # configuration file /n/s:\nx 2; include s;\n",
        );
        let tree = Tree::of(&dump);
        let ways = tree.ways_to(Path::new("/n/u.inc"));
        let force: Vec<_> = ways.iter().map(|way| in_force(way, "x").map(|words| words[1].to_owned())).collect();
        assert_eq!(force, [Some("2".to_owned()), Some("1".to_owned())]);
        assert_eq!(tree.ways_to(Path::new("/elsewhere/u.inc")).len(), 2, "by its name");
        assert!(tree.ways_to(Path::new("/n/other.inc")).is_empty() && in_force(&ways[0], "y").is_none());
    }
}
