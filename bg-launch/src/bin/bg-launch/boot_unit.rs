//! `--print-unit`: the unit that starts the live slot again after a reboot, which transient units do not outlive.

use crate::start::mode::Wish;
use anyhow::{Context, Result};
use bg_probe::site::settings::{Setting, Site, text_of};
use nix::unistd::geteuid;

/// The unit, as a file to install.
///
/// # Errors
/// When this program's own path, or a path among the settings, can't stand in a unit.
pub(crate) fn unit(site: &Site, wish: &Wish, keep: usize) -> Result<String> {
    let this = std::env::current_exe().context("find this program")?;
    let command = [vec![text_of(&this)?.to_owned(), "--live".to_owned()], flags(site, wish, keep)?].concat();
    let command: Vec<String> = command.iter().map(|word| word_of(word)).collect();
    let app = &site.app;
    // A user's own systemd knows neither the network nor nginx; at boot it begins when both are there.
    let (folder, control, after, wanted_by) = if geteuid().is_root() {
        let after = "Wants=network-online.target\nAfter=network-online.target nginx.service\n";
        ("/etc/systemd/system", "systemctl", after, "multi-user.target")
    } else {
        ("~/.config/systemd/user", "systemctl --user", "", "default.target")
    };
    Ok(format!(
        "\
# Starts what is live of {app} after a reboot. To install it, as {folder}/bg-{app}.service:
#   {control} daemon-reload && {control} enable bg-{app}.service
[Unit]
Description={app}: the live slot's release
{after}
[Service]
Type=oneshot
ExecStart={command}

[Install]
WantedBy={wanted_by}
",
        command = command.join(" ")
    ))
}

/// Every setting as a flag: what the environment has now, it will not have at boot.
fn flags(site: &Site, wish: &Wish, keep: usize) -> Result<Vec<String>> {
    let mut flags = vec![("via", "systemd".to_owned())];
    for setting in Setting::ALL {
        flags.extend(site.spelled(setting)?.map(|value| (setting.flag(), value)));
    }
    flags.push(("stop-timeout", humantime::format_duration(wish.stop_timeout).to_string()));
    flags.push(("keep", keep.to_string()));
    flags.extend(wish.stop_signal.map(|signal| ("stop-signal", signal.to_string())));
    flags.extend(wish.user.iter().map(|user| ("user", user.clone())));
    if let Some(workdir) = &wish.workdir {
        flags.push(("workdir", text_of(&std::path::absolute(workdir)?)?.to_owned()));
    }
    // With "=", for a value may begin with a dash.
    Ok(flags.into_iter().map(|(name, value)| format!("--{name}={value}")).collect())
}

/// A word as it stands in `ExecStart=` (`systemd.service(5)`, command lines).
fn word_of(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+./:=,@%$?&".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { escaped } else { format!("\"{escaped}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_comes_through_systemd_as_it_is() {
        assert_eq!(word_of("--slots=set1=8081,set2=8082"), "--slots=set1=8081,set2=8082");
        assert_eq!(word_of("--front=http://[::1]/a%20b?c=$d"), "\"--front=http://[::1]/a%%20b?c=$$d\"");
        assert_eq!(word_of("--dir=/srv/a b\\\""), "\"--dir=/srv/a b\\\\\\\"\"");
    }
}
