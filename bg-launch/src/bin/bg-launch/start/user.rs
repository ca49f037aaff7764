//! The user that the application runs as, where root launches it for somebody else.

use anyhow::{Context, Result};
use bg_probe::os::sudo::typed_as;
use bg_probe::say::exit::Exit;
use bg_probe::site::advice::Advice;
use nix::unistd::{User, geteuid, initgroups, setgid, setuid};
use std::ffi::{CString, OsStr, OsString};

/// The user of that name.
///
/// # Errors
/// [`Exit::Usage`] when there is none, or only root could run anything as that user.
pub(crate) fn named(name: &str) -> Result<User> {
    let found = User::from_name(name).with_context(|| format!("look up the user {name}"))?;
    let Some(user) = found else {
        let add = Advice::by_root(&["useradd", "--system", name]);
        let what = format!("--user: there is no user called {name:?} on this machine");
        return Err(Exit::Usage.refuse(what, format!("give the name of one that there is, or add it: {add}")));
    };
    if !geteuid().is_root() && user.uid != geteuid() {
        let what = format!("--user {name}: only root can start the application as another user");
        return Err(Exit::Usage.refuse(what, format!("run this as root: {}; or as {name}", typed_as(0))));
    }
    Ok(user)
}

/// What such a user's programs expect in the environment.
pub(crate) fn environment(user: &User) -> [(&'static str, OsString); 3] {
    [("HOME", user.dir.clone().into()), ("USER", (&user.name).into()), ("LOGNAME", (&user.name).into())]
}

/// Makes this process that user's, with all groups and without a way back (`initgroups(3)`, `setuid(2)`).
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn become_user(name: &OsStr) -> Result<()> {
    let name = name.to_str().context("the user's name is not UTF-8")?;
    let user = named(name)?;
    if user.uid == geteuid() {
        return Ok(());
    }
    initgroups(&CString::new(name)?, user.gid).with_context(|| format!("take on the groups of {name}"))?;
    setgid(user.gid).with_context(|| format!("take on the group of {name}"))?;
    setuid(user.uid).with_context(|| format!("become {name}"))
}
