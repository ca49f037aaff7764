//! The whole configuration of nginx, all its files, as `nginx -T` prints it.

use bg_probe::nginx::conf::{self, Directive};
use std::path::PathBuf;

/// A configuration.
pub(crate) struct Dump {
    /// Its files, the main one first, by the paths nginx read them from.
    pub(crate) files: Vec<PathBuf>,
    directives: Vec<Directive>,
}

impl Dump {
    /// Understands what `nginx -T` printed; a file in another language (Lua in a block) is left out.
    pub(crate) fn parse(text: &str) -> Dump {
        // Each file begins with a comment that names it, and is complete in itself.
        let files: Vec<(&str, &str)> =
            text.split("# configuration file ").skip(1).filter_map(|file| file.split_once(":\n")).collect();
        Dump {
            files: files.iter().map(|(path, _)| PathBuf::from(path)).collect(),
            directives: files.iter().filter_map(|(_, text)| conf::parse(text).ok()).flatten().collect(),
        }
    }

    /// Whether a directive of that name is anywhere in it whose words are as asked.
    pub(crate) fn has(&self, name: &str, words: impl Fn(&[&str]) -> bool) -> bool {
        within(&self.directives, &|texts: &[&str]| texts.first() == Some(&name) && words(texts))
    }
}

fn within(directives: &[Directive], fits: &impl Fn(&[&str]) -> bool) -> bool {
    directives
        .iter()
        .any(|directive| fits(&directive.texts()) || within(directive.block.as_deref().unwrap_or_default(), fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_found_in_every_file_and_depth() {
        let dump = Dump::parse(
            "# configuration file /a:\nhttp { include b; }\n\n# configuration file b:\nupstream x { server y; }\n\
             # configuration file c:\nbroken {\n",
        );
        assert_eq!(dump.files, ["/a", "b", "c"].map(PathBuf::from));
        assert!(dump.has("upstream", |words| words == ["upstream", "x"]));
        assert!(dump.has("server", |_| true));
        assert!(!dump.has("upstream", |words| words == ["upstream", "y"]) && !dump.has("broken", |_| true));
    }
}
