//! The command line by which the operator calls nginx: `nginx`, `sudo -n nginx`, `nginx -p DIR`, `docker exec web nginx`.

use crate::os::sudo::typed;
use crate::site::advice::Advice;
use std::path::Path;

/// The names of nginx, and of the servers that were made from it.
const NAMES: [&str; 5] = ["nginx", "openresty", "tengine", "angie", "freenginx"];

/// Whether a word calls nginx itself.
#[must_use]
pub fn is_nginx(word: &str) -> bool {
    NAMES.iter().any(|name| Path::new(word).ends_with(name))
}

/// Whether a word makes what follows root's.
#[must_use]
pub fn takes_root(word: &str) -> bool {
    ["sudo", "doas"].iter().any(|name| Path::new(word).ends_with(name))
}

/// What starts nginx where it does not run: its unit, where systemd runs and it is called by its name alone, else the command
/// line by which it is called.
#[must_use]
pub fn start() -> Advice {
    let line = given().and_then(|line| shell_words::split(&line).ok()).filter(|words| !words.is_empty());
    started_by(&line.unwrap_or_else(|| vec!["nginx".to_owned()]), Path::new("/run/systemd/system").exists())
}

fn started_by(words: &[String], has_systemd: bool) -> Advice {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let bare: Vec<&str> = words.iter().copied().skip_while(|word| takes_root(word) || *word == "-n").collect();
    match bare[..] {
        [name] if has_systemd && NAMES.contains(&name) => Advice::by_root(&["systemctl", "start", name]),
        [name, ..] if is_nginx(name) && bare.len() == words.len() => Advice::by_root(&words),
        // Who calls it by sudo, or in a container, has said how.
        _ => Advice::by_anybody(&words),
    }
}

/// The command line that was typed for this run, or stands in its variable.
fn given() -> Option<String> {
    let words = shell_words::split(&typed()).unwrap_or_default();
    let mut words = words.iter().take_while(|word| *word != "--");
    let typed = words.find_map(|word| match word.strip_prefix("--nginx") {
        Some("") => Some(None),
        Some(rest) => rest.strip_prefix('=').map(|line| Some(line.to_owned())),
        None => None,
    });
    match typed {
        Some(line) => line.or_else(|| words.next().cloned()),
        None => std::env::var("BG_NGINX").ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_started_by_systemd_and_any_other_nginx_by_its_own_command_line() {
        let started = |line: &str, has_systemd| {
            let line = started_by(&shell_words::split(line).unwrap(), has_systemd).to_string();
            line.strip_prefix("sudo ").map_or(line.clone(), str::to_owned)
        };
        assert_eq!(started("nginx", true), "systemctl start nginx");
        assert_eq!(started("nginx", false), "nginx");
        assert_eq!(started("sudo -n openresty", true), "systemctl start openresty");
        assert_eq!(started("/opt/sbin/nginx -p '/srv/a b'", true), "/opt/sbin/nginx -p '/srv/a b'");
        assert_eq!(started("docker exec web nginx", true), "docker exec web nginx");
    }
}
