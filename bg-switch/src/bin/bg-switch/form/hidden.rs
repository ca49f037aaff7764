//! Whether nginx has the folder of the link at all: in a container without the mount, or as a service that systemd keeps
//! from it, `-f` is false, and nothing says so.

use crate::nginx::Nginx;
use bg_probe::os::process::Process;
use bg_probe::site::dir::Dir;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A folder that nginx does not have.
pub(crate) struct Hidden {
    folder: PathBuf,
    place: Place,
}

/// Where nginx runs.
enum Place {
    /// Where another program than nginx calls it: in a container.
    Elsewhere,
    /// On this machine, in a file system of its own.
    Here,
}

impl Hidden {
    /// What is seen of that, and what to do.
    pub(super) fn in_words(&self) -> (String, String) {
        let folder = self.folder.display();
        let mount = mount(&self.folder);
        match self.place {
            Place::Elsewhere => (format!("nginx does not see {folder} where it runs"), mount),
            Place::Here => (
                format!("nginx runs in a file system of its own, and does not see {folder}"),
                "choose a --dir that its service may see (systemd's PrivateTmp, ProtectHome), or in a container, "
                    .to_owned()
                    + &mount,
            ),
        }
    }
}

/// What to try where no nginx is seen on this machine, and one answers all the same.
pub(super) fn perhaps(site: &Site) -> String {
    format!(
        "no nginx is seen on this machine: if it is in a container, {}, and set BG_NGINX='docker exec NAME nginx'",
        mount(site.dir.root())
    )
}

fn mount(folder: &Path) -> String {
    let folder = folder.display();
    format!("start its container with -v {folder}:{folder}:ro")
}

/// The folder of the link, if nginx does not have it; `worker` is one of nginx's, where one is seen.
pub(super) fn hidden(site: &Site, nginx: &Nginx, worker: Option<&Process>) -> Option<Hidden> {
    let sample = sample(site)?;
    let hidden = |place| Hidden { folder: site.dir.root().to_owned(), place };
    match worker {
        _ if !nginx.is_on_this_machine() => (!nginx.has_folder(&sample)?).then(|| hidden(Place::Elsewhere)),
        Some(worker) => is_hidden_from(worker, &sample).then(|| hidden(Place::Here)),
        None => None,
    }
}

/// A folder in it, or itself, that is there now: in another folder of that name it would not be.
fn sample(site: &Site) -> Option<PathBuf> {
    let route = |slot: &Slot| site.dir.root().join(Dir::route(&slot.name));
    site.slots.both().iter().map(route).chain([site.dir.root().to_owned()]).find(|path| path.exists())
}

/// Whether a process has no such path (`proc_pid_root(5)`); where this user may not look, it is taken to have it.
fn is_hidden_from(process: &Process, path: &Path) -> bool {
    let seen =
        Path::new("/proc").join(process.pid.to_string()).join("root").join(path.strip_prefix("/").unwrap_or(path));
    std::fs::metadata(seen).is_err_and(|why| why.kind() == ErrorKind::NotFound) && process.is_alive()
}
