//! A command for a person to copy, whole as it is printed.

use crate::os::sudo::is_by_sudo;
use nix::unistd::geteuid;
use shell_words::join;
use std::fmt::{self, Display};
use std::path::Path;

/// A whole command, as a shell reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice(pub(crate) String);

impl Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Advice {
    /// A command of the system's that only root may run.
    #[must_use]
    pub fn by_root(words: &[&str]) -> Advice {
        Advice::by_owner(0, words)
    }

    /// What installs a package: by the name that Debian has for it, or by that of systems with dnf or yum.
    #[must_use]
    pub fn install(debian: &str, others: &str) -> Advice {
        Advice::by_root(&match manager() {
            "apt" => ["apt", "install", debian],
            manager => [manager, "install", others],
        })
    }

    /// What installs a package once more, where a part of it is missing.
    #[must_use]
    pub fn reinstall(debian: &str, others: &str) -> Advice {
        match manager() {
            "apt" => Advice::by_root(&["apt", "install", "--reinstall", debian]),
            manager => Advice::by_root(&[manager, "reinstall", others]),
        }
    }

    /// A command of the system's about what belongs to that user, who may run it, and so may root.
    #[must_use]
    pub fn by_owner(uid: u32, words: &[&str]) -> Advice {
        let me = geteuid();
        let may = !is_by_sudo() && (me.is_root() || me.as_raw() == uid);
        Advice(format!("{}{}", if may { "" } else { "sudo " }, join(words)))
    }

    /// What lets this user write what is its own, and closed by its mode.
    #[must_use]
    pub fn open_own(paths: &[&str]) -> Advice {
        Advice::by_owner(geteuid().as_raw(), &[&["chmod", "u+rwX"], paths].concat())
    }

    /// A command of the system's that anybody may run, or that says itself who runs it.
    #[must_use]
    pub fn by_anybody(words: &[&str]) -> Advice {
        Advice(join(words))
    }
}

/// What installs packages here; apt where nothing is known.
fn manager() -> &'static str {
    choose(|program| Path::new("/usr/bin").join(program).exists())
}

/// apt first: it is on a Debian with dnf as well, and dnf is not what such a system is made of.
fn choose(is_there: impl Fn(&str) -> bool) -> &'static str {
    ["apt", "dnf", "yum"].into_iter().find(|program| is_there(program)).unwrap_or("apt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_installed_by_what_the_system_has() {
        assert_eq!(choose(|program| program != "yum"), "apt");
        assert_eq!(choose(|program| program != "apt"), "dnf");
        assert_eq!(choose(|program| program == "yum"), "yum");
        assert_eq!(choose(|_| false), "apt");
    }
}
