//! Why a link was moved and nginx did not follow, as far as can be known from outside.

use crate::nginx::Nginx;
use crate::workers::Master;
use bg_probe::settings::Site;
use bg_probe::upstream::Upstream;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whom a worker runs as.
struct Identity {
    uid: u32,
    groups: Vec<u32>,
}

/// What keeps nginx from following the link, in words; nothing where no reason is found.
pub(crate) fn unseen(site: &Site, nginx: &Nginx) -> Vec<String> {
    let mut reasons = Vec::new();
    let Ok(tested) = nginx.test() else {
        return vec!["nginx -t refuses its present configuration, so it may run an older one".into()];
    };
    if let Some(worker) = tested.master.as_ref().and_then(Master::a_worker) {
        reasons.extend(identity(worker.pid).and_then(|who| barred(&site.dir.live(), &who)));
        let changed = std::fs::metadata(&site.upstream_file).and_then(|meta| meta.modified()).ok();
        if changed > worker.started() {
            reasons.push(format!(
                "{} was changed after nginx last read its configuration: reload nginx",
                site.upstream_file.display()
            ));
        }
    }
    if nginx.dump().is_some_and(|dump| dump.has("open_file_cache", |words| words.get(1) != Some(&"off"))) {
        reasons.push("open_file_cache is on: nginx remembers for open_file_cache_valid (60s) whether a file is there; switch it off where the link is looked up".into());
    }
    if Upstream::read(&site.upstream_file).is_err() {
        reasons.push(format!("{} can no longer be read", site.upstream_file.display()));
    }
    reasons
}

/// The first folder on the way to `path` that `who` may not enter, with what to do; by modes alone, without ACLs.
fn barred(path: &Path, who: &Identity) -> Option<String> {
    let folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.into_iter().rev().find_map(|folder| {
        let meta = std::fs::metadata(folder).ok()?;
        let mode = meta.mode() & 0o777;
        (!who.may_enter(&meta)).then(|| {
            format!(
                "nginx's workers (uid {}) may not enter {} (mode {mode:03o}): chmod o+x it, or choose a --dir elsewhere",
                who.uid,
                folder.display()
            )
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
