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
//!   deploys.jsonl              one record a deploy; deploys.jsonl.1 is the file before
//!   app                        the application that the folder belongs to
//!   backed/visitors/set1        set2 may stand in for set1
//!   closed/visitors            the site is closed; page.html beside it is what visitors get
//!   watch/                     by which nginx is heard: gate, socket; verdict.json
//!   prepared.json              the record of a release that waits in the idle slot for its switch
//!   switching.json             a switch in the reload form that is under way
//!   lock
//! ```

use crate::os::advice::Advice;
use crate::os::owner::{ensure_no_foreign_link, ensure_not_foreign, hand_over, is_trusted};
use crate::os::replace::{ensure_link, sync_folder_of};
use crate::os::sudo::{called, typed_as};
use crate::say::exit::Exit;
use crate::site::slot::Name;
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
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

    /// Makes the folder, mode 0755: nginx's workers must be able to look inside.
    ///
    /// # Errors
    /// When it can't be made, or is root's and this user may not write it; and those of [`Dir::look`].
    pub fn create(&self) -> Result<()> {
        self.ensure_no_foreign_link()?;
        make(&self.0)?;
        let meta = self.look()?;
        self.ensure_not_roots_alone(&meta)
    }

    /// Refuses a folder that is root's and not this user's to write.
    ///
    /// # Errors
    /// With the command to deploy with.
    pub fn ensure_not_roots_alone(&self, meta: &Metadata) -> Result<()> {
        let me = nix::unistd::geteuid();
        let is_closed = !me.is_root() && meta.uid() == 0 && access(&self.0, AccessFlags::W_OK) == Err(Errno::EACCES);
        if !is_closed {
            return Ok(());
        }
        Err(Exit::Refused.refuse(
            format!("{} is root's, and {} may not write it", self.0.display(), called(me.as_raw())),
            format!("deploy as root: {}", typed_as(0)),
        ))
    }

    /// Refuses a folder that is named by way of another user's link, who could have it lead elsewhere at any time. Root's and
    /// this user's own are followed, as nginx follows them.
    ///
    /// # Errors
    /// With the name of the folder that it leads to now.
    pub fn ensure_no_foreign_link(&self) -> Result<()> {
        let meta = |path: &Path| Some((path.to_owned(), std::fs::symlink_metadata(path).ok()?));
        let is_foreign = |(_, meta): &(PathBuf, Metadata)| meta.is_symlink() && !is_trusted(meta);
        let Some((link, meta)) = self.0.ancestors().filter_map(meta).find(is_foreign) else { return Ok(()) };
        let real = std::fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        Err(Exit::Refused.refuse(
            format!(
                "{} is a link that another user ({}) has made, who could have it lead elsewhere: nothing was touched",
                link.display(),
                called(meta.uid())
            ),
            format!("give --dir as {} if that is meant", real.display()),
        ))
    }

    /// Looks at the folder: its owner, its mode.
    ///
    /// # Errors
    /// When it is not there, or when somebody else could change what is in it: it decides what is executed.
    pub fn look(&self) -> Result<Metadata> {
        self.ensure_no_foreign_link()?;
        let meta = std::fs::metadata(&self.0).with_context(|| format!("look at {}", self.0.display()))?;
        let owner = meta.uid();
        let me = nix::unistd::geteuid();
        if owner != me.as_raw() && owner != 0 && !me.is_root() {
            return Err(Exit::Refused.refuse(
                format!("{} belongs to another user (uid {owner})", self.0.display()),
                format!("deploy as that user: {}; or choose another --dir", typed_as(owner)),
            ));
        }
        if writable_by_others(&meta) && !is_shared() {
            return Err(Exit::Refused.refuse(
                format!("{} is writable by others, who could then choose what runs", self.0.display()),
                format!(
                    "take that from them: {}; or set BG_SHARED_DIR=1 if that is the wish",
                    Advice::by_owner(owner, &["chmod", "go-w", &self.0.to_string_lossy()])
                ),
            ));
        }
        Ok(meta)
    }

    /// Refuses to start or stop processes as root by what is in another user's folder, for that user could then choose
    /// what root executes.
    ///
    /// # Errors
    /// When this is root and the folder, or the one it would be made in, is not root's.
    pub fn ensure_own(&self) -> Result<()> {
        let user = nix::unistd::geteuid();
        let Some(owner) = self.0.ancestors().find_map(|folder| Some(std::fs::metadata(folder).ok()?.uid())) else {
            return Ok(());
        };
        if !user.is_root() || owner == 0 || is_shared() {
            return Ok(());
        }
        Err(Exit::Refused.refuse(
            format!("{} belongs to another user (uid {owner}), who could choose what root executes", self.0.display()),
            format!("deploy as that user: {}; or set BG_SHARED_DIR=1 if that is the wish", typed_as(owner)),
        ))
    }
}

/// Makes a folder and those above it for good, mode 0755 whatever the umask takes away from others; one that is
/// there is left as it is. What root makes in a user's folder becomes that user's.
///
/// # Errors
/// When it can't be made, something else has that name, or another user's link is on the way.
pub fn make(path: &Path) -> Result<()> {
    let made = |path: &Path| DirBuilder::new().mode(0o755).create(path);
    for folder in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
        // Nearly always all of them are there.
        if let Ok(there) = std::fs::symlink_metadata(folder) {
            ensure_not_foreign(folder, &there)?;
            continue;
        }
        match made(folder) {
            Ok(()) => {
                open_up(folder)?;
                // Else all that is synced inside it may be gone with its name after a power loss.
                sync_folder_of(folder)?;
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => ensure_no_foreign_link(folder)?,
            // A folder on the way that may not be written need not be, as long as the next one is there.
            Err(_) if folder.is_dir() => {}
            Err(e) => return Err(e).with_context(|| format!("make the folder {}", folder.display())),
        }
    }
    ensure!(path.is_dir(), "{} is not a folder", path.display());
    Ok(())
}

/// Lets everybody look inside, for the umask may have taken that from nginx.
fn open_up(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, mode).with_context(|| format!("chmod {}", folder.display()))?;
    let opened = File::open(folder).with_context(|| format!("open {}", folder.display()))?;
    hand_over(&opened, folder)
}

/// Whether the operator allows that others choose what runs (`BG_SHARED_DIR=1`).
#[must_use]
pub fn is_shared() -> bool {
    std::env::var_os("BG_SHARED_DIR").is_some_and(|value| value == "1")
}

fn writable_by_others(meta: &Metadata) -> bool {
    meta.mode() & 0o022 != 0
}

/// Refuses what is no folder, where a folder of ours belongs.
fn ensure_folder(path: &Path) -> Result<()> {
    if path.is_dir() || std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let path = path.display();
    Err(Exit::Refused.refuse(format!("{path} is no folder"), format!("move it away: mv {path} {path}.old")))
}

/// Refuses a folder, or a link that leads nowhere, where a file of ours belongs.
///
/// # Errors
/// With the command that moves it away.
pub fn ensure_file(path: &Path) -> Result<()> {
    let Ok(there) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let what = match () {
        () if there.is_dir() => "is a folder, and no file",
        () if there.is_symlink() && !path.exists() => "is a link that leads nowhere",
        () => return Ok(()),
    };
    let path = path.display();
    Err(Exit::Refused.refuse(format!("{path} {what}"), format!("move it away: mv {path} {path}.old")))
}
