//! Whether SELinux lets nginx connect to an application, and look at the link: where it does not, every request gets a
//! 502 or goes to the first slot, and only the logs have the reason (`httpd_selinux(8)`).

use bg_probe::cli::preflight::Finding;
use bg_probe::nginx::upstream::Form;
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::Site;
use std::path::Path;
use std::process::{Command, Stdio};

const BOOLEAN: &str = "httpd_can_network_connect";

/// The type of what nginx may read and nothing more.
const CONTENT: &str = "httpd_sys_content_t";

/// The findings here.
pub(crate) fn findings(site: &Site, form: Option<Form>) -> Vec<Finding> {
    let enforced = std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1");
    let said = || Command::new("getsebool").arg(BOOLEAN).stdin(Stdio::null()).output().ok();
    let said = enforced.then(said).flatten().map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let mut findings = vec![judge(enforced, said.as_deref())];
    // In the reload form nginx does not look into the folder.
    if enforced && form == Some(Form::Link) {
        let folder = site.dir.root();
        findings.extend(label(folder).and_then(|label| judge_label(folder, &label)));
    }
    findings
}

/// `said` is what getsebool prints: `httpd_can_network_connect --> on`.
fn judge(enforced: bool, said: Option<&str>) -> Finding {
    let remedy = format!("allow it: {}", Advice::by_root(&["setsebool", "-P", BOOLEAN, "1"]));
    match said.map(|said| said.trim().ends_with("--> on")) {
        _ if !enforced => Finding::ok("selinux", "SELinux forbids nothing here"),
        Some(true) => Finding::ok("selinux", "SELinux lets nginx connect to the application"),
        Some(false) => Finding::fail("selinux", "SELinux forbids nginx to connect to the application", remedy),
        None => Finding::warn("selinux", "SELinux may forbid nginx to connect to the application", remedy),
    }
}

/// A folder's label: `system_u:object_r:var_lib_t:s0`.
fn label(folder: &Path) -> Option<String> {
    let mut label = [0; 256];
    let size = rustix::fs::getxattr(folder, "security.selinux", &mut label).ok()?;
    let text = String::from_utf8_lossy(&label[..size]);
    Some(text.trim_end_matches('\0').to_owned())
}

/// A warning where the type is not one that is made for web servers: a policy of one's own may allow others.
fn judge_label(folder: &Path, label: &str) -> Option<Finding> {
    let kind = label.split(':').nth(2)?;
    if kind.starts_with("httpd_") || kind.starts_with("public_content_") {
        return None;
    }
    let path = folder.to_string_lossy();
    let rule = Advice::by_root(&["semanage", "fcontext", "-a", "-t", CONTENT, &format!("{path}(/.*)?")]);
    let apply = Advice::by_root(&["restorecon", "-R", &path]);
    let what = format!("SELinux may forbid nginx to look into {path}, which is of type {kind}");
    Some(Finding::warn("selinux", what, format!("give it a type for web content: {rule} && {apply}")))
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

    #[test]
    fn a_folder_whose_type_is_not_for_web_servers_is_a_warning() {
        let judged = |kind: &str| judge_label(Path::new("/var/lib/bg/web"), &format!("system_u:object_r:{kind}:s0"));
        assert!(judged(CONTENT).is_none());
        let warning = judged("var_lib_t").expect("a warning");
        assert_eq!(warning.state, State::Warn);
        let remedy = warning.remedy.expect("a remedy");
        assert!(remedy.contains("semanage fcontext -a -t httpd_sys_content_t '/var/lib/bg/web(/.*)?' &&"), "{remedy}");
        assert!(remedy.ends_with("restorecon -R /var/lib/bg/web"), "{remedy}");
    }
}
