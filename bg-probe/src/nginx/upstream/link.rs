//! The link form: nginx looks at the file system on every request, through the link `DIR/live`; written once.

use crate::nginx::conf::{Directive, spelled};
use crate::nginx::upstream::{Condition, VARIABLE, set_address};
use crate::site::settings::Site;
use crate::site::slot::Slot;
use anyhow::{Context, Result, ensure};
use std::io::ErrorKind;
use std::path::PathBuf;

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

/// The whole text of a new file: `otherwise` unless the other slot's name is a file behind `live`.
///
/// # Errors
/// When the path of the link can't stand in nginx's configuration as it is.
pub fn text(site: &Site, spelling: Spelling, otherwise: &Slot) -> Result<String> {
    let there = site.slots.other(&otherwise.name);
    let flag = site.dir.live().join(there.name.as_str());
    let flag = flag.to_str().context("the folder's path is not UTF-8")?;
    let plain = |c: char| c.is_alphanumeric() || "/._-+@,=~".contains(c);
    ensure!(
        flag.chars().all(plain),
        "{flag:?} can't stand in nginx's configuration: choose a --dir of letters, digits and /._-+@,=~"
    );
    let address = |slot| match spelling {
        Spelling::Group => spelled(&site.address.by_group(&site.app, slot)),
        Spelling::Address => spelled(&site.address.of(slot)),
    };
    Ok(format!("set {VARIABLE} {};\nif (-f {flag}) {{ set {VARIABLE} {}; }}\n", address(otherwise), address(there)))
}

impl Condition {
    /// Whether it holds at this moment; `None` where this user may not look.
    pub(super) fn holds(&self) -> Option<bool> {
        // What nginx does on every request: a stat that follows links (`-f`, ngx_http_rewrite_module).
        match std::fs::metadata(&self.flag) {
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
