//! Files and folders of a [`World`]: a path counts from its folder, and an absolute one is taken as it is.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{World, programs};

impl World {
    /// The whole path.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder().join(path)
    }

    /// The whole path, to be a word of a command line.
    #[must_use]
    pub fn word(&self, path: impl AsRef<Path>) -> String {
        self.path(path).display().to_string()
    }

    /// Writes a file, in folders that are made where they are not there yet; its path.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.in_a_folder(path);
        done(&path, fs::write(&path, text));
        path
    }

    /// The text of a file.
    #[track_caller]
    #[must_use]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.path(path);
        done(&path, fs::read_to_string(&path))
    }

    /// Makes a folder and those above it; its path.
    #[track_caller]
    pub fn make_dir(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.path(path);
        done(&path, fs::create_dir_all(&path));
        path
    }

    /// Makes a symbolic link that leads to `target`.
    #[track_caller]
    pub fn link(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> PathBuf {
        let path = self.in_a_folder(path);
        done(&path, symlink(target, &path));
        path
    }

    /// Removes a file or a link.
    #[track_caller]
    pub fn remove(&self, path: impl AsRef<Path>) {
        let path = self.path(path);
        done(&path, fs::remove_file(&path));
    }

    /// Sets the mode of a file or folder.
    #[track_caller]
    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) {
        let path = self.path(path);
        done(&path, fs::set_permissions(&path, Permissions::from_mode(mode)));
    }

    /// The names in a folder, in order; none where there is no such folder.
    #[must_use]
    pub fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    /// Writes a shell script; its path, to be called by.
    #[track_caller]
    pub fn script(&self, path: impl AsRef<Path>, lines: &str) -> String {
        self.executable(path, format!("#!/bin/sh\n{lines}\n"))
    }

    /// Writes a file that may be executed at once; its path, to be called by.
    #[track_caller]
    pub fn executable(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> String {
        let path = self.in_a_folder(path);
        write_executable(&path, text);
        path.display().to_string()
    }

    /// Copies a file, with its mode; the copy may be executed at once, as with [`write_executable`].
    #[track_caller]
    pub fn copy(&self, from: impl AsRef<Path>, path: impl AsRef<Path>) -> PathBuf {
        let (from, path) = (from.as_ref(), self.in_a_folder(path));
        let copied = Command::new("cp").arg("--").args([from, &path]).status().expect("cp(1)");
        assert!(copied.success(), "{} was not copied to {}", from.display(), path.display());
        path
    }

    /// One of our programs in this world's folder, where every user may run it.
    #[track_caller]
    #[must_use]
    pub fn copy_of(&self, program: &str) -> PathBuf {
        self.copy(programs::ours(program), program)
    }

    /// A key and a certificate for it that nobody else has signed: the paths of the certificate and the key.
    #[track_caller]
    #[must_use]
    pub fn self_signed(&self, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        let mut openssl = Command::new(programs::of_the_system("openssl"));
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-subj", &format!("/CN={name}"), "-days", "1", "-keyout"]);
        openssl.arg(&key).arg("-out").arg(&certificate);
        crate::Run::ran(&mut openssl).success();
        (certificate, key)
    }

    /// The path, once the folders above it are there.
    #[track_caller]
    fn in_a_folder(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.path(path);
        let folder = path.parent().expect("a path in a folder");
        done(folder, fs::create_dir_all(folder));
        path
    }
}

/// Writes a file that may be executed at once.
///
/// No file can be executed while anybody has it open for writing (ETXTBSY, execve(2)). If this process opened it,
/// another test's thread that forks at that moment would hand the descriptor to its child, which keeps it until it
/// executes something itself; whoever starts the file before that is refused. Neither closing it soon nor renaming it
/// helps, since it is the inode that is busy. So another process does the writing, which forks nobody and has ended.
#[track_caller]
pub fn write_executable(path: &Path, text: impl AsRef<[u8]>) {
    let mut tee = Command::new("tee").arg(path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("tee(1)");
    let mut pipe = tee.stdin.take().expect("a pipe");
    pipe.write_all(text.as_ref()).expect("tee(1) reads to the end");
    drop(pipe);
    assert!(tee.wait().expect("a child of ours").success(), "{}: not written", path.display());
    done(path, fs::set_permissions(path, Permissions::from_mode(0o755)));
}

#[track_caller]
fn done<T>(path: &Path, result: std::io::Result<T>) -> T {
    result.unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}
