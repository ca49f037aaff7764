//! Why a link was moved and nginx did not follow, as far as can be known from outside.

use crate::form::hidden::{Hidden, hidden};
use crate::nginx::Nginx;
use crate::nginx::dump::Dump;
use crate::nginx::tree::{Tree, Way, in_force};
use crate::nginx::workers::{Master, is_older_than};
use crate::reach::print_anew;
use bg_probe::cli::preflight::Finding;
use bg_probe::nginx::upstream::Upstream;
use bg_probe::site::address::group_of;
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::fmt::{self, Display};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The user that a worker runs as.
struct Identity {
    uid: u32,
    groups: Vec<u32>,
}

/// Something that may keep nginx from following the link.
pub(crate) enum Obstacle {
    /// nginx's workers, run as this user where that is known, may not enter a folder of that mode.
    Barred { folder: PathBuf, mode: u32, uid: Option<u32>, open: Advice },
    /// The upstream file was changed after nginx had read it.
    Unread { file: PathBuf, reload: Advice },
    /// nginx remembers which files there are.
    Cached,
    /// nginx follows no such link, by these words of its configuration.
    Unfollowed { words: String, file: PathBuf },
    /// nginx does not have the folder.
    Hidden(Hidden),
    /// The group of a slot has another address than the slot.
    Elsewhere { slot: Slot, group: String, address: String, remedy: String },
}

impl Obstacle {
    /// Whether no switch gets past it: the others pass with time, or with a reload.
    pub(super) fn bars_every_switch(&self) -> bool {
        matches!(
            self,
            Obstacle::Barred { .. } | Obstacle::Unfollowed { .. } | Obstacle::Hidden(_) | Obstacle::Elsewhere { .. }
        )
    }

    /// How a preflight reports it.
    pub(super) fn finding(&self) -> Finding {
        let (what, remedy) = self.in_words();
        match self {
            Obstacle::Barred { .. } | Obstacle::Hidden(_) => Finding::fail("link", what, remedy),
            Obstacle::Unread { .. } => Finding::warn("upstream-file", what, remedy),
            Obstacle::Elsewhere { .. } => Finding::fail("upstream", what, remedy),
            Obstacle::Cached => Finding::warn("open_file_cache", what, remedy),
            Obstacle::Unfollowed { .. } => Finding::fail("disable_symlinks", what, remedy),
        }
    }

    /// The obstacle, and a remedy.
    fn in_words(&self) -> (String, String) {
        match self {
            Obstacle::Hidden(hidden) => hidden.in_words(),
            Obstacle::Elsewhere { slot, group, address, remedy } => {
                let what = format!("nginx asks {slot} at {address} (upstream {group}), and it is on {}", slot.its_port());
                (what, remedy.clone())
            }
            Obstacle::Barred { folder, mode, uid, open } => {
                let uid = uid.map(|uid| format!(" (uid {uid})")).unwrap_or_default();
                let what = format!("nginx's workers{uid} may not enter {} (mode {mode:03o})", folder.display());
                (what, format!("let them in: {open}; or choose a --dir elsewhere"))
            }
            Obstacle::Unread { file, reload } => {
                let what = format!("{} was changed after nginx last read its configuration", file.display());
                (what, format!("reload nginx: {reload}"))
            }
            Obstacle::Cached => (
                "open_file_cache is on".into(),
                "nginx remembers for open_file_cache_valid (60s) whether a file is there; switch it off where the link \
                 is looked up"
                    .into(),
            ),
            Obstacle::Unfollowed { words, file } => {
                let what = format!("nginx does not follow the link, and serves the first slot: {words} is set");
                let remedy =
                    format!("put `disable_symlinks off;` beside `include {};`, and reload nginx", file.display());
                (what, remedy)
            }
        }
    }
}

impl Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (what, remedy) = self.in_words();
        write!(f, "{what}: {remedy}")
    }
}

/// The obstacles that can be seen from here.
pub(super) fn obstacles(site: &Site, nginx: &Nginx) -> Vec<Obstacle> {
    let worker = nginx.running().as_ref().and_then(Master::eldest_worker);
    let user = worker.as_ref().and_then(|worker| identity(worker.pid));
    let barred = barred(&site.dir.live(), user.as_ref());
    let file = &site.upstream_file;
    let is_unread = worker.as_ref().and_then(|worker| is_older_than(worker, file)).unwrap_or_default();
    let unread = is_unread.then(|| Obstacle::Unread { file: file.clone(), reload: nginx.by_hand(&["-s", "reload"]) });
    let tree = nginx.configuration().map(Tree::of);
    let ways = tree.map(|tree| tree.ways_to(file)).unwrap_or_default();
    let hidden = hidden(site, nginx, worker.as_ref()).map(Obstacle::Hidden);
    let elsewhere = nginx.configuration().and_then(|dump| elsewhere(site, dump));
    [hidden, barred, unread, unfollowed(site, &ways), cached(&ways), elsewhere].into_iter().flatten().collect()
}

/// A slot that nginx asks at another address than it has, by the group that the upstream file names.
fn elsewhere(site: &Site, dump: &Dump) -> Option<Obstacle> {
    let text = Upstream::read(&site.upstream_file).ok()?.text;
    site.slots.both().iter().find_map(|slot| {
        let group = group_of(&site.app, slot);
        let is_named = text.contains(&site.address.by_group(&site.app, slot));
        let address = dump.server_of(&group).filter(|address| is_named && has_another_port(address, slot))?;
        Some(Obstacle::Elsewhere { slot: slot.clone(), group, address, remedy: print_anew(site) })
    })
}

fn has_another_port(address: &str, slot: &Slot) -> bool {
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    port.is_some_and(|port| port != slot.port)
}

/// nginx's memory of files, if it has one where the upstream file is included.
fn cached(ways: &[Way]) -> Option<Obstacle> {
    let is_on = |way: &Way| in_force(way, "open_file_cache").is_some_and(|words| words.get(1) != Some(&"off"));
    ways.iter().any(is_on).then_some(Obstacle::Cached)
}

/// The words by which nginx does not follow the link, or a link above it, where the upstream file is included
/// (`ngx_http_core_module`, `disable_symlinks`): then `-f` is false, and nothing but its error log says so.
fn unfollowed(site: &Site, ways: &[Way]) -> Option<Obstacle> {
    let live = site.dir.live();
    let links: Vec<&Path> = live.ancestors().filter(|path| *path == live || path.is_symlink()).collect();
    ways.iter().filter_map(|way| in_force(way, "disable_symlinks")).find_map(|words| {
        // What is above `from` is not looked at.
        let from = words.get(2).and_then(|word| word.strip_prefix("from=")).map(Path::new);
        let mut looked_at = links.iter().filter(|link| from.is_none_or(|from| !from.starts_with(link)));
        let is_barred = match words.get(1) {
            Some(&"on") => looked_at.next().is_some(),
            Some(&"if_not_owner") => looked_at.any(|link| changes_owner(link)),
            _ => false,
        };
        is_barred.then(|| Obstacle::Unfollowed { words: words.join(" "), file: site.upstream_file.clone() })
    })
}

/// Whether a link and what it leads to have different owners; one that is still to be made has not.
fn changes_owner(link: &Path) -> bool {
    let owners = std::fs::symlink_metadata(link).ok().zip(std::fs::metadata(link).ok());
    owners.is_some_and(|(link, target)| link.uid() != target.uid())
}

/// The first folder on the way to `path` that this user may not enter; by modes alone, so a folder with an ACL (`acl(5)`)
/// is passed over. Where the user of nginx's workers is not known, any user but the folder's owner and group is meant.
fn barred(path: &Path, user: Option<&Identity>) -> Option<Obstacle> {
    let folders: Vec<&Path> = path.ancestors().skip(1).collect();
    let closed = folders.into_iter().rev().filter_map(|folder| {
        let meta = std::fs::metadata(folder).ok()?;
        let may = user.map_or(meta.mode() & 0o001 != 0, |user| user.may_enter(&meta));
        (!may && !has_acl(folder)).then_some((folder, meta))
    });
    let closed: Vec<(&Path, Metadata)> = closed.collect();
    let (folder, meta) = closed.first()?;
    // All of them at once, and for all: where the workers are of a folder's group, it is that which may not.
    let names: Vec<_> = closed.iter().map(|(folder, _)| folder.to_string_lossy()).collect();
    let words: Vec<&str> = ["chmod", "a+x"].into_iter().chain(names.iter().map(|name| &**name)).collect();
    Some(Obstacle::Barred {
        folder: folder.to_path_buf(),
        mode: meta.mode() & 0o777,
        uid: user.map(|user| user.uid),
        open: Advice::by_owner(owner_of_all(&closed), &words),
    })
}

/// The owner of all these folders; root where they are not one user's.
fn owner_of_all(folders: &[(&Path, Metadata)]) -> u32 {
    let mut owners = folders.iter().map(|(_, meta)| meta.uid());
    owners.next().filter(|first| owners.all(|owner| owner == *first)).unwrap_or(0)
}

/// Whether a folder has an ACL, which may let in whom its mode does not.
fn has_acl(folder: &Path) -> bool {
    let mut none: [u8; 0] = [];
    rustix::fs::getxattr(folder, "system.posix_acl_access", &mut none).is_ok_and(|size| size > 0)
}

impl Identity {
    fn may_enter(&self, folder: &Metadata) -> bool {
        let bit = match folder {
            _ if self.uid == 0 => return true,
            meta if meta.uid() == self.uid => 0o100,
            meta if self.groups.contains(&meta.gid()) => 0o010,
            _ => 0o001,
        };
        folder.mode() & bit != 0
    }
}

/// From `/proc/PID/status`: the effective uid, the effective gid and the other groups.
fn identity(pid: i32) -> Option<Identity> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = |key: &str| -> Option<Vec<u32>> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_ascii_whitespace().map(|number| number.parse().ok()).collect()
    };
    let mut groups = numbers("Groups:")?;
    groups.push(*numbers("Gid:")?.get(1)?);
    Some(Identity { uid: *numbers("Uid:")?.get(1)?, groups })
}
