//! The nginx configuration to install for an application: `--print-site` and `--print-upstream`.

use crate::assets::assets;
use crate::backing;
use crate::closing;
use crate::extras::Extras;
use crate::form;
use crate::kinds::{asked, kinds};
use crate::means::Means;
use crate::nginx::groups::{NAMESAKE, namesake};
use crate::nginx::servers::{full, rival_of};
use crate::nginx::tree::Tree;
use crate::own::own;
use crate::ready::{self, BALANCER};
use crate::watched::{Watched, watched};
use anyhow::{Result, ensure};
use bg_probe::nginx::upstream::{Form, VARIABLE};
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::site::address::group_of;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::visitor::{HEADER, variable};

/// The characters of a `listen` directive besides letters and digits.
const LISTEN: &str = ".:[]*=_-/ ";

/// The name of a server that has none: nginx takes it for no host's.
pub(crate) const NAMELESS: &str = "_";

/// The operator's choices about the server block.
pub(crate) struct Server {
    /// The address to listen on, as in a `listen` directive.
    pub(crate) listen: String,
    /// The addresses and networks, beside this machine's own, that may ask /_bg/slot.
    pub(crate) front_from: Vec<String>,
    /// The addresses and networks, beside this machine's own, that may ask /_bg/ready.
    pub(crate) ready_from: Vec<String>,
    /// Its name, as in a `server_name` directive.
    pub(crate) name: String,
    /// What it has beyond the usual.
    pub(crate) extras: Extras,
}

impl Server {
    /// Warns where it has no name, and nginx has another server that answers in its place: the distribution's own site.
    fn warn_of_a_rival(&self, site: &Site, means: &Means) {
        if self.name != NAMELESS {
            return;
        }
        let dump = means.nginx.configuration();
        let Some(rival) = dump.and_then(|dump| rival_of(&Tree::of(dump), &self.listen, &site.upstream_file)) else {
            return;
        };
        let as_default = || format!("with --listen '{} default_server'", self.listen);
        let otherwise = if rival.says_so { rival.removal() } else { as_default() };
        means.voice.warn(&format!(
            "there is no --server-name, and {}. Print the site with --server-name www.example.com, or {otherwise}",
            rival.in_words(),
        ));
    }
}

impl Server {
    /// Who else may ask which slot is live, which is 1, and who whether it answers.
    fn others(&self) -> String {
        let balancers = self.ready_from.iter().filter(|address| !self.front_from.contains(address));
        let balancers = balancers.map(|address| format!("    {address} {BALANCER};\n"));
        self.front_from.iter().map(|address| format!("    {address} 1;\n")).chain(balancers).collect()
    }
}

/// The text of a new upstream file of this form.
///
/// # Errors
/// [`Exit::Usage`] when a path can't stand in nginx's configuration.
pub(crate) fn upstream(site: &Site, form: Form, means: &Means) -> Result<String> {
    form::rules_of(form).text(site, &means.nginx, means.voice).or_exit(Exit::Usage)
}

/// The server block, with all it needs. Passes `nginx -t` from nginx 1.18 on.
///
/// # Errors
/// [`Exit::Usage`] when an address, a name or a path can't stand in nginx's configuration.
pub(crate) fn site(site: &Site, server: &Server, means: &Means) -> Result<String> {
    plain("--listen", &server.listen, LISTEN).or_exit(Exit::Usage)?;
    ensure_port(&server.listen)?;
    plain("--server-name", &server.name, ".:[]*-_ ").or_exit(Exit::Usage)?;
    for (flag, addresses) in [("--front-from", &server.front_from), ("--ready-from", &server.ready_from)] {
        for address in addresses {
            plain(flag, address, ".:/").or_exit(Exit::Usage)?;
        }
    }
    server.warn_of_a_rival(site, means);
    if let Some(why) = means.nginx.configuration().and_then(|dump| namesake(dump, site)) {
        means.voice.warn(&format!("{why}: {NAMESAKE}"));
    }
    let others = server.others();
    let file = site.upstream_file.display().to_string();
    plain("--upstream-file", &file, "/._-+@,=~").or_exit(Exit::Usage)?;
    let (app, listen, server_name) = (&site.app, &server.listen, &server.name);
    let var = |what| variable(app, what);
    let [slot, is_local] = ["slot", "is_local"].map(var);
    plain("--dir", &site.dir.root().display().to_string(), "/._-+@,=~").or_exit(Exit::Usage)?;
    let told = backing::told(site, &slot);
    let (door, shut) = (closing::door(site), closing::shut(site));
    let (who, exempt) = (backing::who(), closing::exempt());
    let (kinds, asked) = (kinds(site, &server.extras), asked(site, &server.extras));
    let own = own(site, &server.extras);
    let watched = if server.extras.watch { watched(site, means).or_exit(Exit::Usage)? } else { Watched::default() };
    let settings = settings();
    // A path behind the port takes the place of the request's own URI, unless that is added.
    let pass = if site.address.has_path() { format!("{VARIABLE}$request_uri") } else { VARIABLE.to_owned() };
    let backing = backing::stand_in(site, &slot, &pass, &(settings.clone() + &own.location));
    let ready = ready::page(site, &is_local, &slot, &pass, &settings);
    let assets = assets(site, &server.extras, &slot, &(settings.clone() + &own.location));
    let [first, second] = site.slots.both();
    let groups = [group, backing::group].map(|group| [first, second].map(|slot| group(site, slot)).join("")).join("");
    let names = [first, second].map(|slot| names(site, slot)).join("");
    let closes = [first, second].map(|slot| closes(site, slot)).join("");
    Ok(format!(
        "\
# The application {app} in two slots. Printed by bg-switch --print-site.

# Connections to the slots are kept, but only while they are busy: a tenth of a second after a
# switch, the old slot has only those with a request in flight, and draining waits for nothing else.
{groups}
{kinds}{maps}{said}
{who}
{exempt}
{answered}
map {VARIABLE} {slot} {{
    default \"\";
{names}}}
{others_of}
geo {is_local} {{
    default     0;
    127.0.0.0/8 1;
    ::1         1;
{others}}}

server {{
    listen {listen};
    server_name {server_name};
    # What nginx remembers of a file, it would not see changing, and it has to follow a link.
    open_file_cache off;
    disable_symlinks off;

    # The host that was asked for, with its port; old health checks name none.
    set $bg_host $http_host;
    if ($http_host = \"\") {{ set $bg_host $host; }}

{asked}{door}{looks}{shut}{heard}
    # Says which slot is live. Changed by bg-switch, or looked up by nginx itself.
    include {file};

    # An address there is none of the groups above, so nothing is kept, and the application is told to
    # close: whoever closes first can't use the port again for a while, and nginx would run out of ports.
    set $bg_connection \"\";
{closes}    if ($http_upgrade) {{ set $bg_connection upgrade; }}

{backing}
    location / {{
        proxy_pass {pass};
{settings}        # Uploads of more than 1 MB: else nginx answers 413.
        #client_max_body_size 50m;
        # Event streams: else nginx keeps small events back, unless they come with X-Accel-Buffering: no.
        #proxy_buffering off;
        # Answers, streams and websockets that are silent for more than a minute: else they end, with 504.
        #proxy_read_timeout 10m;
{headers}    }}
{files}{pages}
    # --front http://127.0.0.1/_bg/slot, for applications without /profile. nginx runs return
    # before allow and deny, so the address is looked at here.
    location = /_bg/slot {{
        default_type text/plain;
        if ({is_local} != 1) {{ return 404; }}
        {told}
        return 200 \"{slot}\\n\";
    }}
{ready}}}
",
        answered = ready::answered(),
        maps = own.http,
        looks = own.server,
        headers = own.location,
        pages = own.pages,
        others_of = assets.http,
        files = assets.pages,
        said = watched.http,
        heard = watched.server,
    ))
}

/// What each location of the application has.
fn settings() -> String {
    format!(
        "        proxy_http_version 1.1;
        proxy_set_header Host $bg_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $bg_connection;
        proxy_set_header {HEADER} \"\";
"
    )
}

/// Refuses an address to listen on with a port that there is not.
///
/// # Errors
/// [`Exit::Usage`].
pub(crate) fn ensure_port(listen: &str) -> Result<()> {
    let address = full(listen.split(' ').next().unwrap_or_default());
    let port = address.rsplit_once(':').map_or("", |(_, port)| port);
    if address.starts_with("unix:") || port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Ok(());
    }
    Err(Exit::Usage.refuse(format!("--listen '{listen}' has no port that there is"), "give one from 1 to 65535"))
}

fn group(site: &Site, slot: &Slot) -> String {
    format!(
        "upstream {} {{\n    server {};\n    keepalive 64;\n    keepalive_timeout 100ms;\n}}\n",
        group_of(&site.app, slot),
        site.address.server(slot)
    )
}

fn names(site: &Site, slot: &Slot) -> String {
    let (group, address) = (site.address.by_group(&site.app, slot), site.address.of(slot));
    format!("    {group} {name};\n    {address} {name};\n", name = slot.name)
}

fn closes(site: &Site, slot: &Slot) -> String {
    format!("    if ({VARIABLE} = {}) {{ set $bg_connection close; }}\n", site.address.of(slot))
}

/// Nothing that ends a directive or begins another may come from a setting.
fn plain(flag: &str, value: &str, others: &str) -> Result<()> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    ensure!(!value.is_empty() && value.chars().all(harmless), "{flag} {value:?} can't stand in nginx's configuration");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_ends_a_directive_gets_through() {
        for bad in ["", "80; return 200", "80\n", "80}", "$x", "\"80\""] {
            assert!(plain("--listen", bad, LISTEN).is_err(), "{bad:?}");
        }
        for good in ["80 default_server", "[::]:443 ssl", "unix:/run/web-1.sock", "127.0.0.1:8080"] {
            assert!(plain("--listen", good, LISTEN).and(ensure_port(good)).is_ok(), "{good}");
        }
        for bad in ["0", "65536 default_server", "127.0.0.1:99999", "[::]:0"] {
            assert!(ensure_port(bad).is_err(), "{bad}");
        }
    }
}
