//! A server block that is there already: it is a person's to change, and what to change in it is said by file and line.

use crate::nginx::tree::{Line, Tree};
use anyhow::Result;
use bg_probe::nginx::upstream::{Upstream, VARIABLE};
use bg_probe::say::exit::Exit;
use bg_probe::site::settings::Site;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A server that answers at the name already.
pub(super) struct ByHand {
    /// The name.
    name: String,
    /// Where it begins.
    begins: Place,
    /// Where it hands requests on, and to what: `proxy_pass http://127.0.0.1:8080;`.
    passes: Vec<(Place, String)>,
    upstream_file: Option<PathBuf>,
}

/// A file and the number of a line.
struct Place {
    file: PathBuf,
    line: usize,
}

/// The server to change among those of that name; `None` where there is none, or it is of an earlier setup.
pub(super) fn of(tree: &Tree, servers: &[(Line, bool)], name: &str) -> Option<ByHand> {
    let all = servers.iter().map(|(line, _)| found(tree, *line, name));
    // Of certbot's two the one that only redirects hands nothing on.
    let mut all: Vec<ByHand> = all.collect();
    all.sort_by_key(|server| (server.upstream_file.is_none(), server.passes.is_empty()));
    all.into_iter().next()
}

fn found(tree: &Tree, server: Line, name: &str) -> ByHand {
    let block = tree.block(server);
    let included = block.iter().filter(|line| line.is_named("include")).filter_map(|line| line.texts().get(1).copied());
    let upstream_file = included.map(|path| tree.folder().join(path)).find(|path| Upstream::read(path).is_ok());
    let mut passes = Vec::new();
    passed(tree, server, &mut passes);
    ByHand { name: name.to_owned(), begins: Place::of(server), passes, upstream_file }
}

fn passed(tree: &Tree, block: Line, found: &mut Vec<(Place, String)>) {
    for line in tree.block(block) {
        if line.is_named("proxy_pass") && !line.texts().iter().any(|word| word.contains(VARIABLE)) {
            found.push((Place::of(line), format!("{};", line.texts().join(" "))));
        }
        if line.directive.block.is_some() {
            passed(tree, line, found);
        }
    }
}

impl ByHand {
    /// The upstream file that it includes, where it does.
    pub(super) fn upstream(&self) -> Option<&Path> {
        self.upstream_file.as_deref()
    }

    /// Refuses one that includes the upstream file of another application.
    ///
    /// # Errors
    /// [`Exit::Refused`].
    pub(super) fn ensure_of(&self, site: &Site) -> Result<()> {
        let Some(file) = &self.upstream_file else { return Ok(()) };
        let upstream = Upstream::read(file)?;
        if upstream.points_at(site).is_some() {
            return Ok(());
        }
        let (begins, name, file) = (&self.begins, &self.name, file.display());
        let what = format!(
            "the server for {name} at {begins} is another application's: {file} in it points at no slot of {}. Nothing \
             was touched",
            site.app
        );
        Err(Exit::Refused.refuse(what, "give another --server-name, or the --app and --slots of that file"))
    }

    /// What to add to it, and where, for this upstream file.
    pub(super) fn in_words(&self, upstream: &Path, reload: &str) -> String {
        let mut text = format!("nginx has a server for {} already. It was not edited", self.name);
        let (include, pass) = (format!("    include {};", upstream.display()), format!("    proxy_pass {VARIABLE};"));
        let includes_it = self.upstream_file.is_some();
        if includes_it && self.passes.is_empty() {
            return format!("{text}, and needs no change: it includes {} already.\n", upstream.display());
        }
        text.push_str(": what it needs is yours to add.\n");
        // Writing to a String can't fail.
        if !includes_it {
            let _ = writeln!(text, "{}, below its first line, before the first deploy:\n{include}", self.begins);
        }
        if self.passes.is_empty() {
            let _ = writeln!(text, "{}, in its location /, after that deploy:\n{pass}", self.begins);
        }
        for (place, was) in &self.passes {
            let _ = writeln!(text, "{place}, in place of {was} after that deploy:\n{pass}");
        }
        let _ = writeln!(text, "Each time, have nginx read it: {reload}");
        text
    }
}

impl Place {
    fn of(line: Line) -> Place {
        let text = std::fs::read_to_string(line.file).unwrap_or_default();
        let before = text.get(..line.directive.span.start).unwrap_or_default();
        Place { file: line.file.to_owned(), line: 1 + before.matches('\n').count() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
