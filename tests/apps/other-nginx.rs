//! `nginx` of another root: runs `/usr/sbin/nginx` of the folder that the link `root` beside it leads to, with the
//! words that it is given. Copied to where a test wants it; a script would not do, for `bg-switch` believes none.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::fs::chroot;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("other-nginx: {error}");
    ExitCode::FAILURE
}

/// Comes back only with an error.
fn run() -> io::Result<()> {
    chroot(std::env::current_exe()?.with_file_name("root"))?;
    std::env::set_current_dir("/")?;
    Err(Command::new("/usr/sbin/nginx").args(std::env::args_os().skip(1)).exec())
}
