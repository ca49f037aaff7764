//! One deploy at a time: an advisory lock on `DIR/lock` (`flock(2)`).
//!
//! The kernel lets go of it when the last process that has it open is gone, so no stale lock ever needs a
//! person. `bg-deploy` hands the open file down to its stages: a stage that outlives its driver still holds
//! the lock, and nobody else begins before it is done.

use crate::os::deadline::Deadline;
use crate::os::folder::ensure_file;
use crate::os::owner::hand_over;
use crate::os::span::Span;
use crate::say::Voice;
use crate::say::exit::Exit;
use crate::site::advice::Advice;
use crate::site::dir::Dir;
use crate::site::folder_app;
use crate::site::holder::{Errand, Holder};
use crate::site::settings::Site;
use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// The environment variable by which a stage knows which of its open files is the lock its driver holds.
pub const INHERITED: &str = "BG_LOCK_FD";

const POLL: Duration = Duration::from_millis(20);

/// `--wait`, for the programs that take the lock.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Wait {
    /// Wait this long while another deploy holds the lock
    #[arg(long = "wait", env = "BG_WAIT", value_name = "DURATION", default_value = "0s")]
    pub within: Span,
}

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    /// `None` where the driver holds it for this process. Never unlocked by hand: the kernel does so when the last
    /// copy is closed, which can't fail, and not before a stage that has one is gone.
    held: Option<File>,
}

impl Lock {
    /// Takes the lock of the folder of `site`, waiting up to `wait` for it; where its holder is on an errand, as long as that
    /// takes. In a stage of a `bg-deploy` that holds it already, there is nothing to take. A folder that is nobody's yet is
    /// this application's from then on.
    ///
    /// # Errors
    /// [`Exit::Unsure`] when the folder is another application's, [`Exit::Locked`] when somebody else holds the lock,
    /// with the holder; else when the file can't be opened.
    pub fn take(site: &Site, wait: Wait, voice: Voice) -> Result<Lock> {
        Lock::take_on(site, wait, voice, None)
    }

    /// The same for an errand, with which the lock is signed: nobody is turned away meanwhile.
    ///
    /// # Errors
    /// Those of [`Lock::take`].
    pub fn take_on(site: &Site, wait: Wait, voice: Voice, errand: Option<Errand>) -> Result<Lock> {
        folder_app::ensure(site)?;
        let dir = &site.dir;
        dir.create()?;
        let path = dir.lock();
        ensure_file(&path)?;
        // O_NOFOLLOW: the holder's name is written into it.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        hand_over(&file, &path)?;
        if inherited(&file) {
            return Ok(Lock { held: None });
        }
        let (deadline, mut until) = (Deadline::within(*wait.within), None);
        loop {
            match file.try_lock() {
                Ok(()) => {
                    // The last holder may have taken the folder for its application.
                    folder_app::ensure(site)?;
                    folder_app::remember(site);
                    Holder::me(errand).sign(&file);
                    return Ok(Lock { held: Some(file) });
                }
                Err(TryLockError::WouldBlock) if deadline.is_over() => {
                    if !is_on_an_errand(&file, &mut until, voice) {
                        return Err(refused(site, &path, &file, wait));
                    }
                    let _ = Deadline::within(POLL).pause(POLL);
                }
                Err(TryLockError::Error(e)) if e.kind() != ErrorKind::Interrupted => {
                    return Err(e).with_context(|| format!("flock {}", path.display()));
                }
                Err(_) => drop(deadline.pause(POLL)),
            }
        }
    }

    /// Whether it is the driver that holds it, and has since before this stage: what the record says of the site is true still.
    #[must_use]
    pub fn is_the_drivers(&self) -> bool {
        self.held.is_none()
    }

    /// Lets the programs that this one starts hold the lock too; what to set [`INHERITED`] to for them.
    ///
    /// # Errors
    /// When the descriptor can't be made inheritable.
    pub fn hand_down(&self) -> Result<Option<RawFd>> {
        let Some(held) = &self.held else { return Ok(None) };
        fcntl(held.as_fd(), FcntlArg::F_SETFD(FdFlag::empty())).context("hand down the lock")?;
        Ok(Some(held.as_raw_fd()))
    }

    /// Keeps the lock from the programs that this one starts from here on.
    ///
    /// # Errors
    /// When the descriptor can't be kept from them.
    pub fn keep(&self) -> Result<()> {
        let Some(held) = &self.held else { return Ok(()) };
        fcntl(held.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map(drop).context("keep the lock")
    }
}

/// Whether this process was given `file`, open and locked, by the driver that started it: the kernel lists an open
/// file's locks (`proc_pid_fdinfo(5)`).
fn inherited(file: &File) -> bool {
    let Some(fd) = std::env::var(INHERITED).ok().and_then(|fd| fd.parse::<RawFd>().ok()) else { return false };
    let same = |a: &std::fs::Metadata, b: &std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let is_lock = match (file.metadata(), std::fs::metadata(format!("/proc/self/fd/{fd}"))) {
        (Ok(ours), Ok(given)) => same(&ours, &given),
        _ => false,
    };
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    is_lock && info.lines().any(|line| line.starts_with("lock:") && line.contains("FLOCK"))
}

/// Whether the holder is on an errand, and there is time left for it since one was seen first; that is printed once.
fn is_on_an_errand(file: &File, until: &mut Option<Deadline>, voice: Voice) -> bool {
    let Some(errand) = Holder::of(file).ok().and_then(|holder| holder.errand) else { return false };
    let until = until.get_or_insert_with(|| {
        voice.done("wait", &format!("bg-launch {errand}"), None);
        Deadline::within(errand.most())
    });
    !until.is_over()
}

fn refused(site: &Site, path: &Path, file: &File, wait: Wait) -> anyhow::Error {
    let longer = format!("{}s", wait.within.as_secs().saturating_mul(2).max(60));
    let remedy = format!("wait for it: {}", Advice::again(site, &[("--wait", Some(&longer))]));
    Exit::Locked
        .refuse(format!("another deploy holds {}: {}; nothing was touched", path.display(), holder(file)), remedy)
}

/// The holder of the lock of `dir`, by the kernel's list of locks (`proc_locks(5)`): taking it, even for an instant, might
/// turn a deploy away. `None` where nobody does.
#[must_use]
pub fn held_by(dir: &Dir) -> Option<String> {
    let inode = std::fs::metadata(dir.lock()).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // Some filesystems give a file another device number here than in stat(2), so the inode has to do.
    let ours = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let file = fields.get(5).and_then(|file| file.rsplit(':').next());
        fields.get(1) == Some(&"FLOCK") && file.and_then(|inode| inode.parse().ok()) == Some(inode)
    };
    locks.lines().any(ours).then(|| File::open(dir.lock()).map(|file| holder(&file)).unwrap_or_default())
}

fn holder(file: &File) -> String {
    Holder::of(file).map_or_else(|words| words, |holder| holder.to_string())
}
