//! What a printed site has beyond the usual: `--with sticky,preview`.

use crate::nginx::Nginx;
use anyhow::{Result, bail};
use bg_probe::cli::preflight::Finding;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::nginx::upstream::link::Looks;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::Site;
use bg_probe::site::visitor::variable;
use std::fmt::{self, Display};
use std::str::FromStr;

/// The extras of a printed site, each of which costs every request a little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    /// A visitor gets cookies, by which one of them is known again, and may stay with a release.
    pub(crate) sticky: bool,
    /// Whoever has a pass sees the slot that is not live.
    pub(crate) preview: bool,
    /// nginx says what it answers, while somebody watches.
    pub(crate) watch: bool,
    /// Below these paths a file that one slot does not have is asked of the other.
    pub(crate) assets: Vec<String>,
}

impl Extras {
    /// Those of them that nginx is seen not to have, as a finding of a preflight: nothing could be done with them.
    pub(crate) fn missing(&self, site: &Site, nginx: &Nginx, upstream: Option<&Upstream>) -> Option<Finding> {
        let any = [("sticky", self.sticky), ("preview", self.preview)].into_iter().find(|(_, is_wanted)| *is_wanted)?.0;
        if upstream.and_then(Upstream::looks) != Some(Looks::ForKind) {
            let file = site.upstream_file.display();
            let what = format!("{file} has nginx look for one slot, the same for all visitors. Nothing was touched");
            return Some(Finding::refused(any, &Exit::Refused.refuse(what, remedy(site, any)), "print the site anew"));
        }
        let dump = nginx.configuration().filter(|dump| dump.is_whole)?;
        let lacks = |what| {
            let var = variable(&site.app, what);
            !dump.has("map", |words| words.get(2) == Some(&var.as_str()))
        };
        let wanted = [("sticky", self.sticky, "stays"), ("preview", self.preview, "pass")];
        let missing = wanted.into_iter().find(|(_, is_wanted, variable)| *is_wanted && lacks(variable));
        let (name, ..) = missing?;
        let what = format!("the site was printed without --with {name}. Nothing was touched");
        let why = Exit::Refused.refuse(what, remedy(site, name));
        Some(Finding::refused(name, &why, "print the site anew"))
    }

    /// Whether any of them goes by a visitor's cookie.
    pub(crate) fn are_of_visitors(&self) -> bool {
        self.sticky || self.preview
    }
}

/// What to do for an extra.
pub(crate) fn remedy(site: &Site, name: &str) -> String {
    // Those that the settings have already stay.
    let now: Extras = std::env::var("BG_SWITCH_WITH").ok().and_then(|names| names.parse().ok()).unwrap_or_default();
    let with = match name {
        "sticky" => Extras { sticky: true, ..now },
        _ => Extras { preview: true, ..now },
    };
    let print = Advice::call(site, "bg-switch", &["--print-site", "--with", &with.to_string()]);
    let over = Advice::call(site, "bg-switch", &["--convert", "link"]);
    format!("install the site of {print}, and change over with: {over}")
}

impl Display for Extras {
    /// As they are given.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let assets = Some(format!("assets={}", self.assets.join(","))).filter(|_| !self.assets.is_empty());
        let named = [("sticky", self.sticky), ("preview", self.preview), ("watch", self.watch)];
        let named = named.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(name, _)| name.to_owned());
        f.write_str(&named.chain(assets).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for Extras {
    type Err = anyhow::Error;

    /// Understands the names, with commas between them.
    fn from_str(names: &str) -> Result<Extras> {
        let mut extras = Extras::default();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            match name {
                "sticky" => extras.sticky = true,
                "preview" => extras.preview = true,
                "watch" => extras.watch = true,
                _ => match name.strip_prefix("assets=").or(Some(name).filter(|_| !extras.assets.is_empty())) {
                    Some(path) if is_folder(path) && !extras.assets.iter().any(|one| one == path) => {
                        extras.assets.push(path.to_owned());
                    }
                    Some(path) if path.starts_with('/') || name.starts_with("assets=") => {
                        bail!("{path:?} is no path of assets, or twice there. Give some like assets=/assets/,/static/")
                    }
                    _ => bail!(
                        "a site has no {name:?}. Give some of sticky, preview, watch and assets=/assets/, with commas"
                    ),
                },
            }
        }
        Ok(extras)
    }
}

/// Whether a path is one below which there are files: not the whole site, nor pages of ours.
fn is_folder(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-~@".contains(c);
    path.starts_with('/') && path.len() > 1 && !path.starts_with("/_bg") && path.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_are_names_with_commas() {
        let both = Extras { sticky: true, preview: true, ..Extras::default() };
        assert_eq!("sticky,preview".parse::<Extras>().unwrap(), both);
        assert_eq!("preview,sticky,".parse::<Extras>().unwrap(), both);
        let assets = |text: &str| text.parse::<Extras>().ok().map(|extras| (extras.watch, extras.assets));
        let both = vec!["/a/".to_owned(), "/b/".to_owned()];
        assert_eq!(assets("assets=/a/,/b/,watch"), Some((true, both.clone())));
        assert_eq!(assets("assets=/a/,watch,assets=/b/"), Some((true, both)));
        for bad in
            ["/a/", "assets", "assets=", "assets=/", "assets=a/", "assets=/a/,/a/", "assets=/_bg/", "assets=/a b/"]
        {
            assert_eq!(assets(bad), None, "{bad:?}");
        }
        for text in ["", "sticky,preview,watch,assets=/a/,/b/", "watch"] {
            assert_eq!(text.parse::<Extras>().unwrap().to_string(), text);
        }
        assert!("watch".parse::<Extras>().unwrap().watch);
        assert_eq!("".parse::<Extras>().unwrap(), Extras::default());
        assert!("stickie".parse::<Extras>().is_err());
    }
}
