//! The permissions of this user on disk, looked at before anything is touched.

use anyhow::Result;
use bg_probe::os::owner::is_own;
use bg_probe::os::sudo::typed_as;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::Site;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, geteuid};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// CAP_CHOWN, as a bit of the capabilities (`capabilities(7)`).
const CHOWN: u64 = 1 << 0;

/// Whether this user may make, rename and remove what is in a folder (`faccessat(2)`).
///
/// # Errors
/// Why not.
pub(super) fn may_write_in(folder: &Path) -> Result<(), Errno> {
    faccessat(AT_FDCWD, folder, AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS)
}

/// What to do about a folder in which this user may not write, for this reason.
pub(super) fn who_may_write_in(folder: &Path, why: Errno) -> String {
    if why != Errno::EACCES {
        return "see why nothing can be written there".to_owned();
    }
    if is_own(folder) {
        return format!("let it be written: {}", Advice::open_own(&[&folder.to_string_lossy()]));
    }
    let owner = std::fs::metadata(folder).map_or(0, |meta| meta.uid());
    format!("run this as its owner: {}", typed_as(owner))
}

/// Refuses a file that this user can't replace. That is done by a rename and keeps the owner, so this user must be able
/// to write the folder, and own the file or be able to give one away.
///
/// # Errors
/// [`Exit::Refused`].
pub(super) fn ensure_replaceable(site: &Site) -> Result<()> {
    let file = &site.upstream_file;
    let file = file.canonicalize().unwrap_or_else(|_| file.clone());
    let folder = file.parent().unwrap_or(Path::new("/"));
    let is_anothers = || file.metadata().is_ok_and(|meta| meta.uid() != geteuid().as_raw());
    let what = if let Err(why) = may_write_in(folder) {
        if is_own(folder) {
            let what = format!("{} can't be replaced: {} is closed by its mode", file.display(), folder.display());
            return Err(Exit::Refused.refuse(what, who_may_write_in(folder, why)));
        }
        format!("{} can't be replaced: {} may not be written ({})", file.display(), folder.display(), why.desc())
    } else if is_anothers() && !may_give_away() {
        format!("{} can't be replaced: it belongs to another user, and would not any more", file.display())
    } else {
        return Ok(());
    };
    let remedy = format!(
        "run this as root: {}; or let the file and its folder belong to this user, as in /etc/nginx/bg; or, once: {}",
        typed_as(0),
        Advice::call_by(0, site, "bg-switch", &["--convert", "link"])
    );
    Err(Exit::Refused.refuse(what, remedy))
}

/// Whether this process may make a file another user's (`chown(2)`); as root, where that can't be seen.
fn may_give_away() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    capabilities.map_or_else(|| geteuid().is_root(), |capabilities| capabilities & CHOWN != 0)
}
