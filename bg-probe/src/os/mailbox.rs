//! A socket for datagrams of this machine, which knows the process that has sent each.

use anyhow::{Context, Result, bail, ensure};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt};
use nix::sys::stat::{Mode, umask};
use std::ffi::OsString;
use std::io::{ErrorKind, IoSliceMut};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest path that a socket may have, in bytes (`unix(7)`: `sun_path` less its NUL).
pub const LONGEST_PATH: usize = 107;

/// A socket to which everybody on this machine may send.
#[derive(Debug)]
pub struct Mailbox {
    socket: UnixDatagram,
    path: PathBuf,
}

/// Who has sent a datagram, by the kernel's word (`SCM_CREDENTIALS`, `unix(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sender {
    /// Its process id; 0 where that has none here.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
}

impl Mailbox {
    /// Makes the socket at `path`, in place of one that was left there. What waits at it is given up after `within`.
    ///
    /// # Errors
    /// When it can't be made, or something other than a socket is there.
    pub fn at(path: &Path, within: Duration) -> Result<Mailbox> {
        let shown = path.display();
        let is_ours = std::fs::symlink_metadata(path).map_or(true, |there| there.file_type().is_socket());
        ensure!(is_ours, "{shown} is there and is no socket: move it away: mv {shown} {shown}.old");
        let mut name = OsString::from(".");
        name.push(path.file_name().with_context(|| format!("{shown} has no file name"))?);
        let beside = path.with_file_name(name);
        match std::fs::remove_file(&beside) {
            Err(e) if e.kind() != ErrorKind::NotFound => bail!("remove {}: {e}", beside.display()),
            _ => {}
        }
        // nginx's workers run as another user. A mode that is set later, by the path, might be that of another file: the
        // folder may be somebody else's.
        let usual = umask(Mode::empty());
        let socket = UnixDatagram::bind(&beside);
        umask(usual);
        let socket = socket.with_context(|| format!("make the socket {}", beside.display()))?;
        setsockopt(&socket, sockopt::PassCred, &true).context("ask who sends")?;
        socket.set_read_timeout(Some(within)).context("set a time to wait")?;
        std::fs::rename(&beside, path).with_context(|| format!("rename {} to {shown}", beside.display()))?;
        Ok(Mailbox { socket, path: path.to_owned() })
    }

    /// Waits for the next datagram, and reads as much of it as there is room for: its length, and who has sent it. `None`
    /// where none came in time.
    ///
    /// # Errors
    /// When the socket can't be read.
    pub fn take(&self, room: &mut [u8]) -> Result<Option<(usize, Sender)>> {
        let mut space = cmsg_space!(UnixCredentials);
        let mut slices = [IoSliceMut::new(room)];
        let fd = self.socket.as_raw_fd();
        let taken = match recvmsg::<()>(fd, &mut slices, Some(&mut space), MsgFlags::empty()) {
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            taken => taken.with_context(|| format!("read {}", self.path.display()))?,
        };
        let sender = taken.cmsgs().context("who has sent it")?.find_map(|said| match said {
            ControlMessageOwned::ScmCredentials(of) => Some(Sender { pid: of.pid(), uid: of.uid() }),
            _ => None,
        });
        Ok(Some((taken.bytes, sender.unwrap_or(Sender { pid: 0, uid: u32::MAX }))))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // What stays is replaced by the next one.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_datagram_comes_with_its_sender_and_a_socket_that_was_left_is_replaced() {
        let path = std::env::temp_dir().join(format!("bg-mailbox-{}", std::process::id()));
        let left = UnixDatagram::bind(&path).unwrap();
        let mailbox = Mailbox::at(&path, Duration::from_millis(10)).unwrap();
        drop(left);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o222, 0o222, "everybody may send: {mode:o}");
        let mut room = [0; 8];
        assert_eq!(mailbox.take(&mut room).unwrap(), None);
        UnixDatagram::unbound().unwrap().send_to(b"abc", &path).unwrap();
        let (length, sender) = mailbox.take(&mut room).unwrap().unwrap();
        assert_eq!(&room[..length], b"abc");
        assert_eq!(u32::try_from(sender.pid).unwrap(), std::process::id());
        drop(mailbox);
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        assert!(Mailbox::at(&path, Duration::from_millis(10)).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
