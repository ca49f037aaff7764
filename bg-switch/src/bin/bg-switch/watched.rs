//! The part of a printed site that says what visitors are answered, while somebody watches: `--with watch`.

use crate::means::Means;
use crate::nginx::tree::Tree;
use anyhow::{Result, ensure};
use bg_probe::nginx::conf::spelled;
use bg_probe::os::mailbox::LONGEST_PATH;
use bg_probe::site::settings::Site;
use bg_probe::site::visitor::variable;
use bg_probe::site::watched::{FORMAT, TAG, gate, socket};

/// The directives, by where they stand.
#[derive(Default)]
pub(crate) struct Watched {
    /// In the `http` block.
    pub(crate) http: String,
    /// In the server.
    pub(crate) server: String,
}

/// What nginx needs to be watched.
///
/// # Errors
/// When the folder's path is too long for a socket.
pub(crate) fn watched(site: &Site, means: &Means) -> Result<Watched> {
    let (gate, socket) = (gate(&site.dir), socket(&site.dir));
    let too_long = socket.as_os_str().len() > LONGEST_PATH;
    ensure!(
        !too_long,
        "{} is too long for a socket, by which nginx is watched. Choose a shorter --dir",
        socket.display()
    );
    let [is_open, says] = ["watch", "says"].map(|what| variable(&site.app, what));
    let format = is_open.trim_start_matches('$');
    // A request that nginx refuses by itself has no upstream, and may never have come to where the gate is looked at.
    let http = format!(
        "
# What nginx says to whoever watches: of requests that a slot was asked for, and of a watch's own.
log_format {format} '{FORMAT}';

map $upstream_addr$http_x_bg_watch {says} {{
    default {is_open};
    \"\"      \"\";
}}
"
    );
    let server = format!(
        "    # bg-health --watch hears what visitors are answered while this file is there, and nobody else does.
    set {is_open} \"\";
    if (-f {gate}) {{ set {is_open} 1; }}
    access_log syslog:server=unix:{socket},nohostname,tag={TAG} {format} if={says};
{others}
",
        gate = gate.display(),
        socket = socket.display(),
        others = others(means),
    );
    Ok(Watched { http, server })
}

/// The logs that a server has which has none of its own.
fn others(means: &Means) -> String {
    let logs = means.nginx.configuration().and_then(|dump| {
        let tree = Tree::of(dump);
        let http = tree.main().into_iter().find(|line| line.texts() == ["http"])?;
        let logs =
            tree.block(http).into_iter().map(|line| line.texts()).filter(|words| words.first() == Some(&"access_log"));
        Some(logs.map(|words| words.into_iter().map(spelled).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>())
    });
    let logs = logs.unwrap_or_default();
    if logs.is_empty() {
        means
            .voice
            .warn("the site has no other access_log than that of the watch: where nginx's usual one is wanted, add it");
        return "    # The log of visitors, which the line above takes the place of.\n    #access_log /var/log/nginx/access.log;\n".to_owned();
    }
    let off = logs.iter().any(|log| log == "access_log off");
    if off {
        return String::new();
    }
    let lines = logs.iter().map(|log| format!("    {log};\n")).collect::<Vec<_>>().concat();
    format!("    # What all sites write, and this one would not for the line above.\n{lines}")
}
