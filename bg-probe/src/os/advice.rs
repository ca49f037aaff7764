//! A command for a person to copy, whole as it is printed.

use crate::os::sudo::is_by_sudo;
use nix::unistd::geteuid;
use shell_words::join;
use std::fmt::{self, Display};

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

    /// A command of the system's about what belongs to that user, who may run it, and so may root.
    #[must_use]
    pub fn by_owner(uid: u32, words: &[&str]) -> Advice {
        let me = geteuid();
        let may = !is_by_sudo() && (me.is_root() || me.as_raw() == uid);
        Advice(format!("{}{}", if may { "" } else { "sudo " }, join(words)))
    }

    /// A command of the system's that anybody may run, or that says itself who runs it.
    #[must_use]
    pub fn by_anybody(words: &[&str]) -> Advice {
        Advice(join(words))
    }
}
