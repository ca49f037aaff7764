//! The verdict of `nginx -t` on a configuration, and of nginx itself after a reload.

use crate::nginx::command::Printed;
use crate::nginx::error_log::ErrorLog;
use crate::nginx::workers::Master;
use bg_probe::say::exit::Exit;
use std::path::PathBuf;

/// An nginx whose configuration was found good.
pub(crate) struct Tested {
    /// Its master process, where it runs on this machine and can be found.
    pub(crate) master: Option<Master>,
    /// Its error log as it was then.
    pub(super) log: Option<ErrorLog>,
}

/// Why nginx does not accept its configuration.
pub(crate) struct Rejected {
    /// In nginx's own words.
    pub(crate) why: anyhow::Error,
    /// Whether a file could not be opened for want of a permission: another user's test may go well.
    pub(crate) is_permission: bool,
}

impl Tested {
    /// nginx's complaint in its error log since it was tested.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.log.as_ref()?.complaint()
    }

    /// Whether nginx has logged since it was tested that it goes on with the configuration it has.
    pub(crate) fn has_refused(&self) -> bool {
        self.log.as_ref().zip(self.master.as_ref()).is_some_and(|(log, master)| log.has_given_up(master.pid()))
    }
}

impl Rejected {
    /// From the output of nginx, or of the program that calls it.
    pub(super) fn by(printed: &Printed) -> Rejected {
        // As nginx prints an errno (`ngx_log_errno`), `(13: Permission denied)`, and as OpenSSL does, of a certificate's
        // key: `error:8000000D:system library:`; whatever the language.
        let is_permission = ["(13: ", "0D:system library:"].iter().any(|sign| printed.complaint().contains(sign));
        let why = Exit::NotMoved.because(format!("nginx -t refused the configuration: {}", printed.complaint()));
        Rejected { why, is_permission }
    }
}

/// nginx could not be asked.
impl From<anyhow::Error> for Rejected {
    fn from(why: anyhow::Error) -> Rejected {
        Rejected { why, is_permission: false }
    }
}

impl From<Rejected> for anyhow::Error {
    fn from(rejected: Rejected) -> anyhow::Error {
        rejected.why
    }
}

/// The main file of the configuration, from `nginx: the configuration file FILE syntax is ok`, or, where it is not,
/// from `nginx: configuration file FILE test failed`.
pub(super) fn main_file(printed: &Printed) -> Option<PathBuf> {
    let text = printed.stderr();
    let between = |line: &str, before, after| {
        let (_, rest) = line.split_once(before)?;
        rest.strip_suffix(after).map(PathBuf::from)
    };
    text.lines().find_map(|line| {
        between(line, ": the configuration file ", " syntax is ok")
            .or_else(|| between(line, ": configuration file ", " test failed"))
    })
}
