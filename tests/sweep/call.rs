//! The calls by which a program changes something outside itself, and how each can fail.

use nix::errno::Errno;

/// Everything a program of ours may change the world with, under all its names. strace passes over those that this
/// kernel or machine does not have.
pub(crate) const CALLS: &str = "
    open openat creat mkdir mkdirat
    write writev pwrite64 sendto sendmsg sendfile copy_file_range ftruncate fallocate fsync fdatasync
    rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat rmdir
    chmod fchmod fchmodat chown fchown lchown fchownat
    kill tkill tgkill clone clone3 fork vfork
    flock fcntl socket socketpair bind connect pipe2 dup dup2 dup3";

/// The errors that make sense for a call: full and broken disks, missing rights, exhausted tables, signals.
pub(crate) fn errors(call: &str) -> &'static [Errno] {
    use Errno::{
        EACCES, EADDRNOTAVAIL, EAGAIN, ECONNRESET, EINTR, EIO, EMFILE, ENOBUFS, ENOLCK, ENOMEM, ENOSPC, EPERM, EROFS,
        ETXTBSY,
    };
    match call {
        "open" | "openat" | "creat" => &[EACCES, EMFILE, ENOSPC, EROFS, EIO, EINTR],
        "write" | "writev" | "pwrite64" | "ftruncate" | "fallocate" | "sendfile" | "copy_file_range" => {
            &[ENOSPC, EIO, EINTR]
        }
        "fsync" | "fdatasync" => &[EIO, ENOSPC, EINTR],
        "sendto" | "sendmsg" => &[ECONNRESET, ENOBUFS, EINTR],
        "bind" => &[EACCES, ENOSPC, EROFS],
        "connect" => &[EADDRNOTAVAIL, EINTR],
        "flock" => &[ENOLCK, EINTR],
        "kill" | "tkill" | "tgkill" => &[EPERM],
        "execve" => &[EACCES, ENOMEM, ETXTBSY],
        // Fails for nobody who was just started.
        "setsid" => &[],
        "clone" | "clone3" | "fork" | "vfork" => &[EAGAIN],
        "fcntl" | "socket" | "socketpair" | "pipe2" | "dup" | "dup2" | "dup3" => &[EMFILE],
        "chmod" | "fchmod" | "fchmodat" | "chown" | "fchown" | "lchown" | "fchownat" => &[EPERM, EROFS, EIO],
        _ => &[EACCES, ENOSPC, EROFS, EIO],
    }
}
