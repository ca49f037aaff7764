//! A binary upgrade of nginx (USR2): for a while an old master and a new one run side by side.
//!
//! Both have workers that take connections, and only the new one reads the configuration again: on a reload, the old one
//! just starts its workers anew (`ngx_master_process_cycle`).

use crate::nginx::workers::Master;
use std::path::{Path, PathBuf};

/// An upgrade that is under way: the old master still runs, and can be gone back to.
#[derive(Clone, Debug)]
pub(crate) struct Upgrade {
    old: Master,
    pid_file: PathBuf,
}

impl Upgrade {
    /// The one that is under way in the nginx with this pid file: the old master's is beside it (`NGX_OLDPID_EXT`).
    pub(crate) fn of(pid_file: &Path) -> Option<Upgrade> {
        let mut old = pid_file.as_os_str().to_owned();
        old.push(".oldbin");
        Some(Upgrade { old: Master::from(Path::new(&old))?, pid_file: pid_file.to_owned() })
    }

    /// Whether the old master's workers take connections: what they serve can't be moved.
    pub(crate) fn serves(&self) -> bool {
        self.old.serves()
    }

    /// The state of it, in words.
    pub(crate) fn in_words(&self) -> String {
        let what = if self.serves() {
            "serves as well, and would not move"
        } else {
            "serves nothing any more, but to go back to it is to go back to the slot it knew"
        };
        format!("a binary upgrade of nginx is under way: the old master (pid {}) {what}", self.old.pid())
    }

    /// The two ways to end it.
    pub(crate) fn remedy(&self) -> String {
        let new = self.pid_file.display();
        let again = if self.serves() { String::new() } else { format!("kill -HUP $(cat {new}.oldbin) && ") };
        format!(
            "finish the upgrade with kill -QUIT $(cat {new}.oldbin), or go back to the old nginx with \
             {again}kill -QUIT $(cat {new})"
        )
    }
}
