//! Why a link was moved and nginx did not follow, as far as can be known from outside.

use crate::nginx::Nginx;
use crate::nginx::workers::Master;
use bg_probe::os::process::Process;
use bg_probe::site::settings::Site;
use std::fmt::{self, Display};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How far apart the times of a file and of a process may be that were made at once: one is in clock ticks.
const CLOCKS: Duration = Duration::from_millis(100);

/// Whom a worker runs as.
struct Identity {
    uid: u32,
    groups: Vec<u32>,
}

/// Something that may keep nginx from following the link.
pub(crate) struct Obstacle {
    /// What was looked at, in one word.
    pub(crate) about: &'static str,
    /// What it is, in words.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

/// What may keep nginx from following the link; nothing where no reason is found.
pub(crate) fn obstacles(site: &Site, nginx: &Nginx) -> Vec<Obstacle> {
    let worker = nginx.running().as_ref().and_then(Master::eldest_worker);
    let who = worker.as_ref().and_then(|worker| identity(worker.pid));
    let barred = barred(&site.dir.live(), who.as_ref());
    let old = worker.and_then(|worker| older_than_the_file(&site.upstream_file, &worker));
    [barred, old, cached(nginx)].into_iter().flatten().collect()
}

/// That nginx remembers files, if it does.
fn cached(nginx: &Nginx) -> Option<Obstacle> {
    let on = nginx.dump()?.has("open_file_cache", |words| words.get(1) != Some(&"off"));
    on.then(|| Obstacle {
        about: "open_file_cache",
        what: "open_file_cache is on".into(),
        remedy: "nginx remembers for open_file_cache_valid (60s) whether a file is there; switch it off where the link is looked up".into(),
    })
}

fn older_than_the_file(file: &Path, worker: &Process) -> Option<Obstacle> {
    let meta = std::fs::metadata(file).ok()?;
    let changed = Duration::new(meta.ctime().try_into().ok()?, meta.ctime_nsec().try_into().ok()?);
    let changed_at = SystemTime::UNIX_EPOCH + changed;
    (changed_at > worker.started()? + CLOCKS).then(|| Obstacle {
        about: "upstream-file",
        what: format!("{} was changed after nginx last read its configuration", file.display()),
        remedy: "reload nginx".into(),
    })
}

/// The first folder on the way to `path` that `who` may not enter, with what to do; by modes alone, without ACLs.
/// Where it is not known whom nginx's workers run as, anyone but the folder's owner and group is meant.
fn barred(path: &Path, who: Option<&Identity>) -> Option<Obstacle> {
    let folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.into_iter().rev().find_map(|folder| {
        let meta = std::fs::metadata(folder).ok()?;
        let may = who.map_or(meta.mode() & 0o001 != 0, |who| who.may_enter(&meta));
        (!may).then(|| Obstacle {
            about: "link",
            what: format!(
                "nginx's workers{} may not enter {} (mode {:03o})",
                who.map(|who| format!(" (uid {})", who.uid)).unwrap_or_default(),
                folder.display(),
                meta.mode() & 0o777
            ),
            remedy: "chmod o+x it, or choose a --dir elsewhere".into(),
        })
    })
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
