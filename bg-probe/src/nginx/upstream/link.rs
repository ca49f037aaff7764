//! The link form: nginx looks at the file system on every request, through the link `DIR/live`; written once.

use crate::nginx::conf::{Directive, Word, spelled};
use crate::nginx::upstream::{Upstream, VARIABLE, set_address};
use crate::say::exit::Exit;
use crate::site::route::Shares;
use crate::site::settings::Site;
use crate::site::slot::Slot;
use crate::site::visitor::{Visitor, bucket};
use anyhow::{Context, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why nginx and a file of this form may disagree.
pub(super) const SUSPICION: &str = "nginx's workers may not enter the link's folder, or an open_file_cache delays it";

/// How the file names the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// By the printed site's `upstream` groups, which keep connections.
    Group,
    /// By the addresses themselves.
    Address,
}

/// What nginx looks for behind `live`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// The file of the visitor's kind, by the variable that the printed site sets: so a share of them can go elsewhere.
    ForKind,
    /// The slot's name, the same for all visitors: for a site that has no such variable.
    ForName,
}

/// The whole text of a new file: `otherwise` unless what it looks for is a file behind `live`.
///
/// # Errors
/// When the path of the link can't stand in nginx's configuration as it is.
pub fn text(site: &Site, spelling: Spelling, looks: Looks, otherwise: &Slot) -> Result<String> {
    let there = site.slots.other(&otherwise.name);
    let flag = site.dir.live().join(there.name.as_str());
    let flag = flag.to_str().context("the folder's path is not UTF-8")?;
    let plain = |c: char| c.is_alphanumeric() || "/._-+@,=~".contains(c);
    if !flag.chars().all(plain) {
        return Err(Exit::Refused.refuse(
            format!("{flag:?} can't stand in nginx's configuration"),
            "move the folder, or choose a --dir of letters, digits and /._-+@,=~",
        ));
    }
    let flag = match looks {
        Looks::ForKind => format!("{flag}.{}", bucket(&site.app)),
        Looks::ForName => flag.to_owned(),
    };
    let address = |slot| match spelling {
        Spelling::Group => spelled(&site.address.by_group(&site.app, slot)),
        Spelling::Address => spelled(&site.address.of(slot)),
    };
    Ok(format!("set {VARIABLE} {};\nif (-f {flag}) {{ set {VARIABLE} {}; }}\n", address(otherwise), address(there)))
}

/// `if (-f FLAG) { set $service_url ADDRESS; }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// The path that nginx looks at on every request.
    flag: PathBuf,
    /// The address while that is a file.
    pub(super) address: Word,
}

impl Upstream {
    /// What nginx looks at on every request; `None` in the reload form.
    #[must_use]
    pub fn flag(&self) -> Option<&Path> {
        self.condition.as_ref().map(|condition| condition.flag.as_path())
    }

    /// What it has nginx look for; `None` in the reload form.
    #[must_use]
    pub fn looks(&self) -> Option<Looks> {
        let condition = self.condition.as_ref()?;
        Some(if condition.before_kind().is_some() { Looks::ForKind } else { Looks::ForName })
    }

    /// The shares of the two slots, where both have one at this moment.
    #[must_use]
    pub fn shares(&self, site: &Site) -> Option<Shares> {
        let condition = self.condition.as_ref()?;
        let there = site.slots.named(condition.before_kind()?).ok()?;
        Shares::behind(condition.flag.parent()?, &site.slots, there)
    }

    /// Whether a slot has a part of the visitors at this moment, and the other one the rest.
    #[must_use]
    pub fn has_share(&self, site: &Site, slot: &Slot) -> bool {
        self.shares(site).is_some_and(|shares| shares.of(slot) > 0)
    }

    /// Whether it has the link form and looks into another folder than this site's.
    #[must_use]
    pub fn looks_elsewhere(&self, site: &Site) -> bool {
        self.flag().is_some_and(|flag| !site.dir.has_link(flag))
    }

    /// Where it looks, in words, if that is not through this site's link as the settings spell it.
    pub(super) fn elsewhere(&self, site: &Site) -> Option<String> {
        let flag = self.flag().filter(|flag| flag.parent() != Some(&site.dir.live()))?;
        Some(format!(
            "looks at {}, and not into --dir {} (are the settings loaded?)",
            flag.parent().unwrap_or(flag).display(),
            site.dir.root().display()
        ))
    }
}

impl Condition {
    /// The slot's name, where a kind of visitor follows it: `set2` of `DIR/live/set2.$bg_web_bucket`.
    fn before_kind(&self) -> Option<&str> {
        let (slot, _) = self.flag.file_name()?.to_str()?.split_once(".$")?;
        Some(slot)
    }

    /// Whether it holds at this moment for whoever asks which slot is live; `None` where this user may not look.
    pub(super) fn holds(&self) -> Option<bool> {
        let flag = match self.before_kind() {
            Some(slot) => self.flag.with_file_name(format!("{slot}.{}", Visitor::Prober.kind())),
            None => self.flag.clone(),
        };
        // What nginx does on every request: a stat that follows links (`-f`, ngx_http_rewrite_module).
        match std::fs::metadata(&flag) {
            Ok(meta) => Some(meta.is_file()),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Some(false),
            Err(_) => None,
        }
    }
}

/// The path and the address of `if (-f PATH) { set $service_url ADDRESS; }`.
pub(super) fn condition(directive: &Directive) -> Option<Condition> {
    let texts = directive.texts();
    let (&"if", condition) = texts.split_first()? else { return None };
    let condition = condition.join(" ");
    let path = condition.strip_prefix('(')?.strip_suffix(')')?.trim().strip_prefix("-f ")?;
    let [only] = directive.block.as_deref()? else { return None };
    Some(Condition { flag: PathBuf::from(path.trim().trim_matches('"')), address: set_address(only)?.clone() })
}
