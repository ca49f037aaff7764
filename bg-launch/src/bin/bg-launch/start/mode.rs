//! How a release is started: by whom, as whom, and where.

use crate::start::user;
use anyhow::{Context, Result, ensure};
use bg_probe::os::folder::make;
use bg_probe::os::owner::hand_over;
use bg_probe::os::stop_signal::StopSignal;
use bg_probe::site::launched::Launched;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use clap::ValueEnum;
use nix::unistd::{AccessFlags, User, access, geteuid};
use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What looks after the application once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// Nothing: a session of its own, its output in a file
    Session,
    /// A unit of systemd, which is started again when it crashes, its output in the journal
    Systemd,
}

/// How a release is wished to be started; what is not wished is the default, or as it was before.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) via: Option<Via>,
    /// The name of the user it runs as.
    pub(crate) user: Option<String>,
    /// The folder it runs in.
    pub(crate) workdir: Option<PathBuf>,
    /// How long it may take to stop before it is killed.
    pub(crate) stop_timeout: Duration,
    /// The signal that asks it to end.
    pub(crate) stop_signal: Option<StopSignal>,
}

impl Wish {
    /// None: all is to be as it was before.
    pub(crate) fn none() -> Wish {
        Wish { via: None, user: None, workdir: None, stop_timeout: Duration::ZERO, stop_signal: None }
    }
}

/// How a release was started before: by whom, as whom, and how it is asked to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) via: Via,
    /// The name of the user it ran as; `None` for the user who launches it.
    pub(crate) user: Option<String>,
    /// `None` where nobody has said.
    pub(crate) stop_signal: Option<StopSignal>,
}

impl Way {
    /// That of what was launched last in a slot.
    pub(crate) fn of(last: &Launched) -> Way {
        let via = if last.unit.is_some() { Via::Systemd } else { Via::Session };
        Way { via, user: last.user.clone(), stop_signal: last.stop_signal }
    }
}

/// How a release is started.
pub(crate) struct Mode {
    pub(crate) via: Via,
    /// The user it runs as; `None` for the user who launches it.
    pub(crate) user: Option<User>,
    pub(crate) stop_timeout: Duration,
    pub(crate) stop_signal: StopSignal,
    workdir: Option<PathBuf>,
}

impl Mode {
    /// As it is wished; else as it was `before`, if this is to be the same again.
    ///
    /// # Errors
    /// Those of [`user::named`].
    pub(crate) fn of(wish: &Wish, before: Option<&Way>) -> Result<Mode> {
        let user = wish.user.as_ref().or_else(|| before?.user.as_ref());
        Ok(Mode {
            via: wish.via.or_else(|| Some(before?.via)).unwrap_or(Via::Session),
            user: user.map(|name| user::named(name)).transpose()?,
            stop_timeout: wish.stop_timeout,
            stop_signal: wish.stop_signal.or_else(|| before?.stop_signal).unwrap_or_default(),
            workdir: wish.workdir.clone(),
        })
    }

    /// What of it is to be the same when the release is started again.
    pub(crate) fn way(&self) -> Way {
        let user = self.user.as_ref().map(|user| user.name.clone());
        Way { via: self.via, user, stop_signal: Some(self.stop_signal) }
    }

    /// Whether it will run as root although nobody asked for that.
    pub(crate) fn is_root_by_default(&self) -> bool {
        self.user.is_none() && geteuid().is_root()
    }

    /// The folder it runs in: never the slot's own, in which its `process.json` is.
    pub(crate) fn workdir(&self, site: &Site, slot: &Slot) -> PathBuf {
        self.workdir.clone().unwrap_or_else(|| site.dir.work(&slot.name))
    }

    /// Refuses a folder to run in that was given and can't be used.
    ///
    /// # Errors
    /// When it is missing or may not be entered.
    pub(crate) fn ensure_workdir(&self) -> Result<()> {
        self.workdir.as_deref().map_or(Ok(()), |workdir| ensure_usable(workdir, AccessFlags::X_OK))
    }

    /// Makes the folders it needs, and refuses where it could not be started for the sake of one: before anything
    /// is stopped.
    ///
    /// # Errors
    /// When the folder it is to run in, or the one its log goes to, is missing or may not be used.
    pub(crate) fn make_folders(&self, site: &Site, slot: &Slot) -> Result<()> {
        let (folder, logs) = (site.dir.slot(&slot.name), site.dir.logs(&slot.name));
        make(&logs)?;
        if self.workdir.is_none() {
            make_work(&site.dir.work(&slot.name))?;
        }
        let write = AccessFlags::W_OK | AccessFlags::X_OK;
        ensure_usable(&logs, write)?;
        ensure_usable(&folder, write)?;
        ensure_usable(&self.workdir(site, slot), AccessFlags::X_OK)
    }

    /// Gives the slot's folder to the user it runs as: once the release that ran there before, as another user maybe, is
    /// stopped, for it has the folder until then.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn give_work(&self, site: &Site, slot: &Slot) -> Result<()> {
        let user = self.user.as_ref().filter(|_| geteuid().is_root() && self.workdir.is_none());
        let Some(user) = user else { return Ok(()) };
        let work = site.dir.work(&slot.name);
        // Not through a link, wherever it may lead.
        lchown(&work, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .with_context(|| format!("give {} to {}", work.display(), user.name))
    }
}

/// Refuses a folder that this user may not use so.
fn ensure_usable(folder: &Path, how: AccessFlags) -> Result<()> {
    ensure!(folder.is_dir(), "{} is not a folder", folder.display());
    access(folder, how).with_context(|| format!("use the folder {}", folder.display()))
}

/// Makes the one folder that is the application's own, closed to others.
fn make_work(work: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o750).create(work) {
        Ok(()) => hand_over(&File::open(work).with_context(|| format!("open {}", work.display()))?, work),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e).with_context(|| format!("make the folder {}", work.display())),
    }
}
