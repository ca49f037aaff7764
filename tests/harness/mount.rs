//! A small disk of a test's own, in a folder of a [`World`](crate::World).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;

use crate::full::tell;
use crate::{Run, programs};

/// A disk that is mounted as long as this lives.
#[derive(Debug)]
pub struct Mount(PathBuf);

impl Mount {
    /// A disk in memory with these options of tmpfs(5); `None`, and said, where that takes another user than this one.
    #[track_caller]
    #[must_use]
    pub fn in_memory(at: &Path, options: &str) -> Option<Self> {
        Self::new(at, &["-t", "tmpfs", "-o", &format!("mode=755,{options}"), "tmpfs"])
    }

    /// A disk of 128 MiB whose files can share blocks; `None`, and said, where the kernel has no btrfs.
    #[track_caller]
    #[must_use]
    pub fn that_shares_blocks(at: &Path) -> Option<Self> {
        let has_it = fs::read_to_string("/proc/filesystems").is_ok_and(|known| known.contains("\tbtrfs\n"));
        if !has_it {
            tell("left out: this kernel has no btrfs");
            return None;
        }
        let image = at.with_extension("image");
        fs::File::create(&image).and_then(|file| file.set_len(128 << 20)).expect("a folder of ours");
        Command::new(programs::of_the_system("mkfs.btrfs")).arg("-q").arg(&image).ran().success();
        Self::new(at, &["-o", "loop", image.to_str().expect("UTF-8")])
    }

    #[track_caller]
    fn new(at: &Path, words: &[&str]) -> Option<Self> {
        if !geteuid().is_root() {
            tell("left out: only root may mount a disk");
            return None;
        }
        fs::create_dir_all(at).expect("a folder of ours");
        Command::new("mount").args(words).arg(at).ran().success();
        Some(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, for what a test has started may still be in there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
