//! The folder of one application: where its releases, logs and state are.
//!
//! ```text
//! DIR/
//!   live -> routes/set2        which slot serves (link form only)
//!   routes/set2/set2           what nginx looks up through `live`
//!   slots/set2/current -> ../../releases/RELEASE
//!   slots/set2/process.json    what was launched last in the slot
//!   slots/set2/environment     what systemd gives to the unit of the slot
//!   slots/set2/logs/           one file a launch; app.log is the newest
//!   slots/set2/work/           where the application runs, and may write
//!   releases/RELEASE/
//!   surroundings/RELEASE       what was around that release when it was launched last
//!   unserved/RELEASE           no visitor has been in that release
//!   deploys.jsonl              one record a deploy; deploys.jsonl.1 is the file before
//!   app                        the application that the folder belongs to
//!   backed/visitors/set1        set2 may stand in for set1
//!   closed/visitors            the site is closed; page.html beside it is what visitors get
//!   watch/                     by which nginx is heard: gate, socket; verdict.json
//!   prepared.json              the record of a release that waits in the idle slot for its switch
//!   switching.json             a switch in the reload form that is under way
//!   lock
//! ```

use crate::os::folder::{ensure_file, ensure_folder};
use crate::os::replace::ensure_link;
use crate::say::exit::Exit;
use crate::site::slot::Name;
use anyhow::Result;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The folder of one application; an absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dir(PathBuf);

impl Dir {
    /// The folder at this absolute path.
    #[must_use]
    pub fn new(root: PathBuf) -> Dir {
        Dir(root)
    }

    /// `/var/lib/bg/APP` as root, else `$XDG_STATE_HOME/bg/APP` (`~/.local/state` where that is unset).
    ///
    /// # Errors
    /// When neither `XDG_STATE_HOME` nor `HOME` is an absolute path.
    pub fn default_for(app: &Name) -> Result<Dir> {
        let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = if nix::unistd::geteuid().is_root() {
            PathBuf::from("/var/lib")
        } else {
            set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state"))).ok_or_else(|| {
                Exit::Refused.refuse("no folder for state is known", "set --dir, XDG_STATE_HOME or HOME")
            })?
        };
        Ok(Dir(base.join("bg").join(app.as_str())))
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Whether there is no folder yet: nothing was ever done in it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(std::fs::symlink_metadata(&self.0), Err(e) if e.kind() == ErrorKind::NotFound)
    }

    /// The link that nginx looks through in the link form.
    #[must_use]
    pub fn live(&self) -> PathBuf {
        self.0.join("live")
    }

    /// What `live` points at while `slot` is live, relative to the folder.
    #[must_use]
    pub fn route(slot: &Name) -> PathBuf {
        Path::new("routes").join(slot.as_str())
    }

    /// The folder of one slot.
    #[must_use]
    pub fn slot(&self, slot: &Name) -> PathBuf {
        self.0.join("slots").join(slot.as_str())
    }

    /// The link to the release a slot holds.
    #[must_use]
    pub fn current(&self, slot: &Name) -> PathBuf {
        self.slot(slot).join("current")
    }

    /// The file about what was launched last in a slot.
    #[must_use]
    pub fn process(&self, slot: &Name) -> PathBuf {
        self.slot(slot).join("process.json")
    }

    /// The folder of what was around the releases when they were launched: their environments, their limits. They are not in
    /// the releases' own folders, whose times tell when those were made.
    #[must_use]
    pub fn surroundings(&self) -> PathBuf {
        self.0.join("surroundings")
    }

    /// The file of it as an earlier version kept it with the slot, of whatever was launched there last.
    #[must_use]
    pub fn older_surroundings(&self, slot: &Name) -> PathBuf {
        self.slot(slot).join("surroundings")
    }

    /// The folder of the releases in which no visitor has been, each by a file with its name.
    #[must_use]
    pub fn unserved(&self) -> PathBuf {
        self.0.join("unserved")
    }

    /// The file of the variables that systemd gives to the unit of a slot.
    #[must_use]
    pub fn environment(&self, slot: &Name) -> PathBuf {
        self.slot(slot).join("environment")
    }

    /// The folder of a slot's logs.
    #[must_use]
    pub fn logs(&self, slot: &Name) -> PathBuf {
        self.slot(slot).join("logs")
    }

    /// The folder that a slot's application runs in.
    #[must_use]
    pub fn work(&self, slot: &Name) -> PathBuf {
        self.slot(slot).join("work")
    }

    /// The file of what was done in the end with those who stayed with an old release, when nobody was there to be told.
    #[must_use]
    pub fn linger_log(&self) -> PathBuf {
        self.0.join("linger.log")
    }

    /// The folder of the passes, each a file with its token for a name.
    #[must_use]
    pub fn passes(&self) -> PathBuf {
        self.0.join("pass")
    }

    /// The folder of the releases.
    #[must_use]
    pub fn releases(&self) -> PathBuf {
        self.0.join("releases")
    }

    /// The history: the file with one record a deploy.
    #[must_use]
    pub fn deploys(&self) -> PathBuf {
        self.0.join("deploys.jsonl")
    }

    /// The history before that, from when the file had grown too long.
    #[must_use]
    pub fn older_deploys(&self) -> PathBuf {
        self.0.join("deploys.jsonl.1")
    }

    /// The record of the release that is prepared.
    #[must_use]
    pub fn prepared(&self) -> PathBuf {
        self.0.join("prepared.json")
    }

    /// The file with the name of the application that the folder belongs to.
    #[must_use]
    pub fn app(&self) -> PathBuf {
        self.0.join("app")
    }

    /// Whether `flag`, the file that nginx looks for in the link form, is behind this folder's link, by whatever way the
    /// folder was named.
    #[must_use]
    pub fn has_link(&self, flag: &Path) -> bool {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let Some(link) = flag.parent() else { return false };
        let folder = link.parent().map(real);
        link.file_name() == self.live().file_name() && folder == Some(real(&self.0))
    }

    /// The file whose lock a deploy holds.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The name of the release that a slot holds; `None` where it holds none.
    #[must_use]
    pub fn release(&self, slot: &Name) -> Option<String> {
        let target = std::fs::read_link(self.current(slot)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// Whether this folder has a release of that name, which may come from anywhere.
    #[must_use]
    pub fn has_release(&self, name: &str) -> bool {
        !name.is_empty() && !name.starts_with('.') && !name.contains('/') && self.releases().join(name).is_dir()
    }

    /// Refuses what stands in the place of a file or a link that a launch into `slot` will write: before anything is stopped.
    ///
    /// # Errors
    /// With the command that moves it away.
    pub fn ensure_places(&self, slot: &Name) -> Result<()> {
        for file in [self.process(slot), self.environment(slot)] {
            ensure_file(&file)?;
        }
        ensure_folder(&self.surroundings())?;
        ensure_folder(&self.unserved())?;
        for link in [self.live(), self.current(slot), self.logs(slot).join("app.log")] {
            if let Ok(there) = std::fs::symlink_metadata(&link) {
                ensure_link(&there, &link)?;
            }
        }
        Ok(())
    }

    /// The artifact of the release that a slot holds; `None` where it holds none.
    #[must_use]
    pub fn artifact(&self, slot: &Name) -> Option<OsString> {
        self.file_of(&self.release(slot)?)
    }

    /// When a release was made, as the time of its folder has it: no other one that is on disk has a later time and was made
    /// before. The time in its name is that of the machine's clock, which may have been wrong, and two of one second have the
    /// same; `None` where there is no such release.
    #[must_use]
    pub fn made(&self, release: &str) -> Option<SystemTime> {
        std::fs::metadata(self.releases().join(release)).and_then(|meta| meta.modified()).ok()
    }

    /// The artifact of a release; `None` where it has none.
    #[must_use]
    pub fn file_of(&self, release: &str) -> Option<OsString> {
        let files = std::fs::read_dir(self.releases().join(release)).ok()?;
        files
            .filter_map(Result::ok)
            .map(|file| file.file_name())
            .find(|name| !name.as_encoded_bytes().starts_with(b"."))
    }
}
