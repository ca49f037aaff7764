//! Whether SELinux lets nginx connect to an application: where it does not, every request gets a 502, and only
//! nginx's error log has the reason (`httpd_selinux(8)`).

use bg_probe::cli::preflight::Finding;
use bg_probe::site::advice::Advice;
use std::process::{Command, Stdio};

const BOOLEAN: &str = "httpd_can_network_connect";

/// The finding here.
pub(crate) fn finding() -> Finding {
    let enforced = std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1");
    let said = || Command::new("getsebool").arg(BOOLEAN).stdin(Stdio::null()).output().ok();
    let said = enforced.then(said).flatten().map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    judge(enforced, said.as_deref())
}

/// `said` is what getsebool prints: `httpd_can_network_connect --> on`.
fn judge(enforced: bool, said: Option<&str>) -> Finding {
    let remedy = Advice::by_root(&["setsebool", "-P", BOOLEAN, "1"]).to_string();
    match said.map(|said| said.trim().ends_with("--> on")) {
        _ if !enforced => Finding::ok("selinux", "SELinux forbids nothing here"),
        Some(true) => Finding::ok("selinux", "SELinux lets nginx connect to the application"),
        Some(false) => Finding::fail("selinux", "SELinux forbids nginx to connect to the application", remedy),
        None => Finding::warn("selinux", "SELinux may forbid nginx to connect to the application", remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bg_probe::cli::preflight::State;

    #[test]
    fn only_an_enforced_no_is_a_failure() {
        let off = Some("httpd_can_network_connect --> off\n");
        assert_eq!(judge(false, off).state, State::Ok);
        assert_eq!(judge(true, off).state, State::Fail);
        assert_eq!(judge(true, Some("httpd_can_network_connect --> on\n")).state, State::Ok);
        assert_eq!(judge(true, None).state, State::Warn);
    }
}
