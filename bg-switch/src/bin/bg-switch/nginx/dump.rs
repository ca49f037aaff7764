//! The whole configuration of nginx, all its files: as `nginx -T` prints it, or as its files have it.

use bg_probe::nginx::conf::{self, Directive};
use std::path::{Path, PathBuf};

/// More files than any configuration has: an include of itself must not go on for ever.
const MOST_FILES: usize = 10_000;

/// A configuration.
pub(crate) struct Dump {
    /// Its files, the main one first, by the paths nginx read them from.
    pub(crate) files: Vec<PathBuf>,
    /// Whether that is all of it, as far as can be known.
    pub(crate) is_whole: bool,
    /// What stands in each of them.
    contents: Vec<Vec<Directive>>,
}

impl Dump {
    /// Understands what `nginx -T` printed; a file in another language (Lua in a block) is left out, and it is not whole then.
    pub(crate) fn parse(text: &str) -> Dump {
        // Each file begins with a comment that names it, and is complete in itself.
        let files: Vec<(&str, &str)> =
            text.split("# configuration file ").skip(1).filter_map(|file| file.split_once(":\n")).collect();
        let understood: Vec<_> = files.iter().map(|(_, text)| conf::parse(text).ok()).collect();
        Dump {
            files: files.iter().map(|(path, _)| PathBuf::from(path)).collect(),
            is_whole: understood.iter().all(Option::is_some),
            contents: understood.into_iter().map(Option::unwrap_or_default).collect(),
        }
    }

    /// Reads the main file and those it includes, as far as this user may: for an nginx that does not print its
    /// configuration, because a file is missing in it or because it takes root, or where no more than so many bytes are to
    /// be read. Where there are more, those that are known of by then are named and not read.
    pub(crate) fn read(main: &Path, most: u64) -> Dump {
        let mut dump = Dump { files: Vec::new(), is_whole: true, contents: Vec::new() };
        let folder = main.parent().unwrap_or(Path::new("/"));
        let (mut waiting, mut bytes) = (vec![main.to_owned()], size(main));
        while let Some(file) = waiting.pop() {
            if bytes > most || dump.files.len() >= MOST_FILES {
                dump.is_whole = false;
                dump.files.push(file);
                dump.files.append(&mut waiting);
                dump.contents.resize_with(dump.files.len(), Vec::new);
                break;
            }
            let text = std::fs::read_to_string(&file).ok();
            let directives = text.as_ref().and_then(|text| conf::parse(text).ok());
            dump.is_whole &= directives.is_some();
            if text.is_none() {
                continue;
            }
            dump.files.push(file);
            let directives = directives.unwrap_or_default();
            includes(&directives, &mut |pattern| {
                dump.is_whole &= is_plain(pattern);
                let files = matching(&folder.join(pattern));
                bytes += files.iter().map(|file| size(file)).sum::<u64>();
                waiting.extend(files);
            });
            dump.contents.push(directives);
        }
        dump
    }

    /// Whether any directive has that variable in it, but for those that set it.
    pub(crate) fn uses(&self, variable: &str) -> bool {
        let sets = |words: &[&str]| words.first() == Some(&"set") && words.get(1) == Some(&variable);
        let uses = |words: &[&str]| !sets(words) && words.iter().any(|word| word.contains(variable));
        self.contents.iter().any(|directives| within(directives, &uses))
    }

    /// Whether an `include` in it names that file; the file itself need not be there.
    pub(crate) fn includes(&self, file: &Path) -> bool {
        let folder = self.files.first().and_then(|main| main.parent()).unwrap_or(Path::new("/"));
        self.has("include", |words| words.get(1).is_some_and(|pattern| fits(&folder.join(pattern), file)))
    }

    /// The files that have an `include`, at any depth, whose pattern is as asked.
    pub(crate) fn including(&self, is_meant: &impl Fn(&str) -> bool) -> impl Iterator<Item = &Path> {
        let names = move |words: &[&str]| matches!(words, ["include", pattern] if is_meant(pattern));
        self.contents().filter(move |(_, directives)| within(directives, &names)).map(|(file, _)| file)
    }

    /// Whether it has, at any depth, a directive of that name whose words are as asked.
    pub(crate) fn has(&self, name: &str, words: impl Fn(&[&str]) -> bool) -> bool {
        let is_it = |texts: &[&str]| texts.first() == Some(&name) && words(texts);
        self.contents.iter().any(|directives| within(directives, &is_it))
    }

    /// How many of those it has, at any depth.
    pub(crate) fn count(&self, name: &str, words: impl Fn(&[&str]) -> bool) -> usize {
        let is_it = |texts: &[&str]| texts.first() == Some(&name) && words(texts);
        self.contents.iter().flatten().map(|directive| counted(directive, &is_it)).sum()
    }

    /// The address of the only server that a group has; `None` where there is no such group, or it has several.
    pub(crate) fn server_of(&self, group: &str) -> Option<String> {
        let is_it =
            |directive: &&Directive| matches!(directive.texts().as_slice(), ["upstream", name] if *name == group);
        let block = self.contents.iter().flatten().find_map(|directive| block_in(directive, &is_it))?;
        let mut servers = block.iter().filter_map(|directive| match directive.texts().as_slice() {
            ["server", address, ..] => Some((*address).to_owned()),
            _ => None,
        });
        servers.next().filter(|_| servers.next().is_none())
    }

    /// Its files, with what stands in each.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (&Path, &[Directive])> {
        self.files.iter().map(PathBuf::as_path).zip(self.contents.iter().map(Vec::as_slice))
    }
}

/// How long a file is; one that can't be looked at is not read either.
fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map(|meta| meta.len()).unwrap_or_default()
}

fn within(directives: &[Directive], fits: &impl Fn(&[&str]) -> bool) -> bool {
    directives
        .iter()
        .any(|directive| fits(&directive.texts()) || within(directive.block.as_deref().unwrap_or_default(), fits))
}

/// The block of the first directive that is it, at any depth.
fn block_in<'a>(directive: &'a Directive, is_it: &impl Fn(&&Directive) -> bool) -> Option<&'a [Directive]> {
    let inside = directive.block.as_deref().unwrap_or_default();
    if is_it(&directive) { Some(inside) } else { inside.iter().find_map(|directive| block_in(directive, is_it)) }
}

fn counted(directive: &Directive, fits: &impl Fn(&[&str]) -> bool) -> usize {
    let inside = directive.block.as_deref().unwrap_or_default();
    usize::from(fits(&directive.texts())) + inside.iter().map(|directive| counted(directive, fits)).sum::<usize>()
}

/// Calls `found` with what each `include` names, at any depth.
fn includes(directives: &[Directive], found: &mut impl FnMut(&str)) {
    for directive in directives {
        match directive.texts().as_slice() {
            ["include", pattern] => found(pattern),
            _ => includes(directive.block.as_deref().unwrap_or_default(), found),
        }
    }
}

/// Whether a pattern of `include` is one that is understood here: what a shell knows beside one `*` in a name is not.
fn is_plain(pattern: &str) -> bool {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    !folder.contains('*') && name.matches('*').count() < 2 && !pattern.contains(['?', '['])
}

/// The files that a pattern of `include` stands for: as distributions write them, a `*` in the last part alone.
pub(crate) fn matching(pattern: &Path) -> Vec<PathBuf> {
    if !pattern.as_os_str().as_encoded_bytes().contains(&b'*') {
        return vec![pattern.to_owned()];
    }
    let folder = pattern.parent().unwrap_or(Path::new("/"));
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|file| fits(pattern, file)).collect()
}

/// Whether an `include` with that pattern names the file.
pub(crate) fn fits(pattern: &Path, file: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (wanted, name) = (name(pattern), name(file));
    let is_named = match wanted.split_once('*') {
        // As a shell has it: a hidden file is not meant.
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
                && (!name.starts_with('.') || before.starts_with('.'))
        }
        None => wanted == name,
    };
    is_named && pattern.parent() == file.parent()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_include_has_a_star_in_its_last_part() {
        let fit = |pattern: &str, file: &str| fits(Path::new(pattern), Path::new(file));
        assert!(fit("/a/*.conf", "/a/b.conf") && fit("/a/b*", "/a/b") && fit("/a/b", "/a/b"));
        for (pattern, file) in
            [("/a/*.conf", "/a/.b.conf"), ("/a/*.conf", "/b/b.conf"), ("/a/a*a", "/a/a"), ("/a/b", "/a/c")]
        {
            assert!(!fit(pattern, file), "{pattern} {file}");
        }
    }

    #[test]
    fn of_more_than_is_to_be_read_nothing_is_read() {
        let folder = std::env::temp_dir().join(format!("dump-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let main = folder.join("nginx.conf");
        std::fs::write(&main, "include *.inc;\n").unwrap();
        for name in ["a", "b"] {
            std::fs::write(folder.join(format!("{name}.inc")), "server { listen 1; }\n").unwrap();
        }
        let found = [1 << 20, 20].map(|most| {
            let dump = Dump::read(&main, most);
            (dump.is_whole, dump.files.len(), dump.has("server", |_| true))
        });
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, [(true, 3, true), (false, 3, false)]);
    }

    #[test]
    fn directives_are_found_in_every_file_and_depth() {
        let dump = Dump::parse(
            "# configuration file /a:\nhttp { include b; }\n\n# configuration file b:\nupstream x { server y; }\n\
             # configuration file c:\nbroken {\n",
        );
        assert_eq!(dump.files, ["/a", "b", "c"].map(PathBuf::from));
        assert!(!dump.is_whole && dump.has("upstream", |words| words == ["upstream", "x"]));
        assert!(dump.has("server", |_| true));
        assert!(!dump.has("upstream", |words| words == ["upstream", "y"]) && !dump.has("broken", |_| true));
    }
}
