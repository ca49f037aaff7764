//! What an application's own servers have of the printed site: each part of it looks at a file of the folder.
//!
//! Other applications of the same nginx have the same variables, and may have a printed site where this one has a server
//! block of its own. So only the servers count that include the upstream file, and only looks at this folder.

use crate::nginx::Nginx;
use crate::nginx::servers::ours;
use crate::nginx::tree::{Line, Tree};
use crate::ready::READY_PAGE;
use anyhow::Result;
use bg_probe::live::front::SLOT_PAGE;
use bg_probe::os::sudo::typed_as;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::{FrontSetting, Site};
use nix::unistd::geteuid;
use std::path::{Path, PathBuf};

/// A part of the printed site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The other slot is asked where nothing listens in the one that a visitor goes to.
    StandIn,
    /// Visitors get a page while the site is closed.
    Door,
    /// The page for a load balancer, which says whether the host is drained.
    ReadyPage,
}

/// Whether the servers that include the upstream file have a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Has {
    /// All of them have it.
    Yes,
    /// Some have it, and the one in this file has not.
    InPart(PathBuf),
    /// None of them has it.
    No,
    /// Nobody can tell: nginx's configuration can't be read, or not all of it, or no server includes the file.
    Unknown,
}

impl Part {
    /// Whether the servers of this application have it, by nginx's configuration as it is now.
    pub(crate) fn look(self, site: &Site, nginx: &Nginx) -> Has {
        let Some(dump) = nginx.configuration() else { return Has::Unknown };
        let tree = Tree::of(dump);
        let (with, without): (Vec<Line>, Vec<Line>) =
            ours(&tree, &site.upstream_file).into_iter().partition(|server| self.is_in(*server, &tree, site));
        match (with.is_empty(), without.first()) {
            (false, None) => Has::Yes,
            (false, Some(other)) => Has::InPart(other.file.to_owned()),
            (true, Some(_)) if dump.is_whole => Has::No,
            (true, _) => Has::Unknown,
        }
    }

    /// Refuses a site that does not have it, as `lacking` has it, and one of which nobody can tell: what is `asked`. Where the
    /// configuration tells nothing, a front may.
    ///
    /// # Errors
    /// [`Exit::Refused`].
    pub(crate) fn ensure(
        self,
        site: &Site,
        nginx: &Nginx,
        lacking: impl FnOnce(&Site) -> anyhow::Error,
        asked: &str,
    ) -> Result<Has> {
        match self.look(site, nginx) {
            Has::No => Err(lacking(site)),
            Has::Unknown if matches!(site.front, FrontSetting::Unset) => Err(unknown(asked)),
            has @ (Has::Yes | Has::InPart(_) | Has::Unknown) => Ok(has),
        }
    }

    fn is_in(self, server: Line, tree: &Tree, site: &Site) -> bool {
        let lines = within(server, tree);
        let root = site.dir.root();
        match self {
            // The pages of ours look at it as well, and turn nobody away.
            Part::Door => looks(server, tree, &is_visitors, &|word| is_below(word, "/closed/visitors", root)),
            Part::ReadyPage => lines.iter().any(|line| {
                is_page(line, READY_PAGE) && looks(*line, tree, &|_| true, &|word| is_below(word, "/drained", root))
            }),
            Part::StandIn => {
                let asks = |line: &Line| looks(*line, tree, &|_| true, &|word| is_below(word, "/backed/", root));
                let places = lines.iter().filter(|line| line.is_named("location") && asks(line));
                let places: Vec<&str> = places.filter_map(|line| line.texts().last().copied()).collect();
                lines.iter().any(|line| {
                    line.is_named("error_page") && line.texts().last().is_some_and(|to| places.contains(to))
                })
            }
        }
    }
}

/// How it is said that nginx's configuration alone was looked at.
pub(crate) const UNSEEN: &str = ", by nginx's configuration, for there is no front at which it could be seen";

/// What to do where the site lacks a part.
pub(crate) fn remedy(site: &Site) -> String {
    let print = Advice::call(site, "bg-switch", &["--print-site"]);
    format!(
        "install the site printed anew, or put what it has for this into your own server block, and reload nginx: {print}"
    )
}

/// The refusal where neither nginx's configuration nor a front shows what is asked.
fn unknown(what: &str) -> anyhow::Error {
    let front = "let --front be a page of the site that names the live slot";
    let remedy = if geteuid().is_root() { front.to_owned() } else { format!("{front}; or: {}", typed_as(0)) };
    let why =
        "there is no front, and nginx's configuration could not be read, or no server in it includes the upstream file";
    Exit::Refused.refuse(format!("nobody can tell {what}: {why}. Nothing was touched"), remedy)
}

/// All lines of a block, at any depth.
fn within<'a>(block: Line<'a>, tree: &Tree<'a>) -> Vec<Line<'a>> {
    let inside = |line: Line<'a>| std::iter::once(line).chain(within(line, tree));
    tree.block(block).into_iter().flat_map(inside).collect()
}

/// Whether a block looks for such a file, itself or in a block in it that counts.
fn looks(block: Line, tree: &Tree, counts: &impl Fn(&Line) -> bool, is_meant: &impl Fn(&str) -> bool) -> bool {
    tree.block(block).iter().any(|line| {
        let is_look = line.is_named("if") && line.texts().iter().any(|word| is_meant(word.trim_matches(['(', ')'])));
        is_look || line.directive.block.is_some() && counts(line) && looks(*line, tree, counts, is_meant)
    })
}

fn is_page(line: &Line, page: &str) -> bool {
    line.is_named("location") && line.texts().last() == Some(&page)
}

fn is_visitors(line: &Line) -> bool {
    !is_page(line, READY_PAGE) && !is_page(line, SLOT_PAGE)
}

/// Whether a path names that file of the folder, or one in it where it ends with a slash. A folder that a variable names may
/// be this one.
fn is_below(path: &str, file: &str, root: &Path) -> bool {
    let Some((folder, rest)) = path.split_once(file) else { return false };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_here = Path::new(folder) == root || folder.contains('$') || real(Path::new(folder)) == real(root);
    is_here && (rest.is_empty() || file.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_folder() {
        let is = |path: &str, file: &str| is_below(path, file, Path::new("/nowhere/web"));
        assert!(is("/nowhere/web/closed/visitors", "/closed/visitors") && is("$dir/drained", "/drained"));
        assert!(is("/nowhere/web/backed/$bg_who/$slot", "/backed/"));
        for other in ["/nowhere/web2/drained", "/nowhere/web/drained2", "/nowhere/drained", "drained"] {
            assert!(!is(other, "/drained"), "{other}");
        }
    }
}
