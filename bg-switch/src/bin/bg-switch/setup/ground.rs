//! What a setup finds out, so that nobody has to be asked: who will deploy, where nginx includes its sites, which ports are
//! free, which server answers at that name already.

use crate::means::Means;
use crate::nginx::servers::{full, named, rival_of};
use crate::nginx::tested::Rejected;
use crate::nginx::tree::Tree;
use crate::nginx::trial::{Sites, sites};
use crate::nginx::{Nginx, dump::Dump};
use crate::print::{NAMELESS, Server};
use crate::setup::by_hand::{self, ByHand};
use crate::setup::rights::by_root;
use crate::setup::wanted::{Setup, What};
use anyhow::{Context, Result};
use bg_probe::cli::lines;
use bg_probe::live::front::SLOT_PAGE;
use bg_probe::nginx::call;
use bg_probe::say::exit::{Exit, OrExit};
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::{FrontSetting, Setting, Settings, Site};
use bg_probe::site::slot::Slots;
use nix::unistd::{User, geteuid};
use std::path::{Path, PathBuf};

/// Where the settings files are, as all programs look for them.
const FOLDER: &str = "/etc/bg";

/// What a site listens on, where nothing else is said.
const LISTEN: &str = "80";

/// What makes a server the one that visitors meet who ask for no server's name.
const DEFAULT: &str = " default_server";

/// The first port of the first pair that is tried, and of the last. Above them are ports that the kernel gives out.
const PORTS: std::ops::Range<u16> = 8081..9081;

/// All that is known of the machine and wanted of it.
pub(super) struct Ground {
    pub(super) site: Site,
    pub(super) server: Server,
    /// The settings file, and whether it is there.
    pub(super) file: PathBuf,
    pub(super) has_file: bool,
    /// Who will deploy.
    pub(super) owner: User,
    pub(super) sites: Sites,
    /// The server that answers at that name already, which is a person's to change.
    pub(super) by_hand: Option<ByHand>,
    /// How nginx is called, where that is not the usual way.
    pub(super) nginx: Option<String>,
    /// The files that nginx reads.
    pub(super) read: Vec<PathBuf>,
}

impl Ground {
    /// Looks at everything, and changes nothing.
    ///
    /// # Errors
    /// [`Exit::Refused`] where something is in the way, with what to do.
    pub(super) fn find(
        mut settings: Settings,
        mut server: Server,
        file: &Path,
        setup: &Setup,
        means: &Means,
    ) -> Result<Ground> {
        let dump = configuration(&means.nginx, setup.what)?;
        let sites = sites_of(dump)?;
        if !settings.is_given(Setting::UpstreamFile) {
            settings.upstream_file = upstream_file(&sites, settings.app.as_str());
        }
        if server.name == NAMELESS
            && let Some(host) = &settings.front_host
        {
            server.name.clone_from(host);
        }
        settings.front_host = settings.front_host.or_else(|| host_of(&server.name));
        let tree = Tree::of(dump);
        let site_file = site_file(&sites, settings.app.as_str());
        let others = named(&tree, &server.name, &settings.upstream_file, &site_file);
        let by_hand = if server.name == NAMELESS { None } else { by_hand::of(&tree, &others, &server.name) };
        if let Some(file) = by_hand.as_ref().and_then(ByHand::upstream) {
            file.clone_into(&mut settings.upstream_file);
        }
        if by_hand.is_none() && server.name == NAMELESS {
            ensure_met(&tree, &mut server, &settings, &site_file)?;
        }
        if !settings.is_given(Setting::Front) {
            settings.front = front(&server, by_hand.as_ref())?;
        }
        let moves_over = by_hand.as_ref().and_then(ByHand::upstream).is_some();
        if !settings.is_given(Setting::Slots) && !moves_over {
            settings.slots = free_slots(&settings.slots, file)?;
        }
        if let Some(by_hand) = &by_hand {
            by_hand.ensure_of(&settings.site()?)?;
        }
        let nginx = Some(setup.nginx.clone()).filter(|line| line != "nginx");
        let owner = owner(setup.owner.as_deref())?;
        let (site, has_file) = (settings.site()?, file.exists());
        Ok(Ground {
            site,
            server,
            file: file.to_owned(),
            has_file,
            owner,
            sites,
            by_hand,
            nginx,
            read: dump.files.clone(),
        })
    }
}

/// The settings file that is meant.
pub(super) fn settings_file(settings: &Settings, setup: &Setup) -> PathBuf {
    let given = setup.file.clone().or_else(|| settings.env_file.clone());
    given.unwrap_or_else(|| Path::new(FOLDER).join(format!("{}.env", settings.app)))
}

/// Refuses what was typed and stands otherwise in the settings file, which is there and is never written again.
///
/// # Errors
/// [`Exit::Usage`].
pub(super) fn ensure_agrees(file: &Path, settings: &Settings, server: &Server) -> Result<()> {
    let typed = settings.site()?;
    let refuse = |flag: &str, says: &str| {
        let what =
            format!("{} has {says}, and another value was given as --{flag}. Nothing was touched", file.display());
        Err(Exit::Usage.refuse(what, format!("change it in the file, or leave --{flag} out")))
    };
    for setting in Setting::ALL.into_iter().filter(|setting| settings.is_typed(*setting)) {
        let there = std::env::var(setting.variable()).unwrap_or_default();
        let value = typed.spelled(setting)?.unwrap_or_default();
        if !there.is_empty() && there != value {
            return refuse(setting.flag(), &format!("{}={there}", setting.variable()));
        }
    }
    let lacks = |flag: &str, variable: &str, value: &str| {
        let what = format!("{} has no {variable}, and --{flag} gives one. Nothing was touched", file.display());
        let add = Advice::line(&format!("{variable}={}", shell_words::quote(value)), &file.to_string_lossy());
        Err(Exit::Usage.refuse(what, format!("add it, and run this again: {add}; or leave --{flag} out")))
    };
    let with = server.extras.to_string();
    let [from, ready] = [&server.front_from, &server.ready_from].map(|addresses| addresses.join(","));
    for (flag, value, usual) in [
        ("listen", &server.listen, LISTEN),
        ("with", &with, ""),
        ("front-from", &from, ""),
        ("ready-from", &ready, ""),
        ("server-name", &server.name, server.name.as_str()),
    ] {
        let variable = format!("BG_SWITCH_{}", flag.to_uppercase().replace('-', "_"));
        let written = std::env::var(&variable).ok().filter(|there| !there.is_empty());
        let there = written.as_deref().unwrap_or(usual);
        // Which a site without a name is given.
        if there == value || there.strip_suffix(DEFAULT) == Some(value) {
            continue;
        }
        return match written {
            Some(there) => refuse(flag, &format!("{variable}={there}")),
            None => lacks(flag, &variable, value),
        };
    }
    match &typed.front_host {
        Some(host) if server.name != NAMELESS && host_of(&server.name).as_ref() != Some(host) => {
            let variable = Setting::FrontHost.variable();
            refuse("server-name", &format!("{variable}={host}"))
        }
        _ => Ok(()),
    }
}

/// Where nginx includes its sites.
pub(super) fn sites_of(dump: &Dump) -> Result<Sites> {
    let main = dump.files.first().context("nginx's configuration has no file")?;
    let text = std::fs::read_to_string(main).with_context(|| format!("read {}", main.display()))?;
    sites(main, &text).map_err(|why| {
        Exit::Refused.refuse(format!("{why:#}"), "add a line to that block: include /etc/nginx/conf.d/*.conf;")
    })
}

/// The file of the site.
pub(super) fn site_file(sites: &Sites, app: &str) -> PathBuf {
    sites.path().with_file_name(format!("{app}.conf"))
}

/// Beside the site, where nginx does not take it for one; else beside the main file.
fn upstream_file(sites: &Sites, app: &str) -> PathBuf {
    let name = format!("{app}-url.inc");
    if sites.pattern.ends_with("/*") { sites.main.with_file_name(name) } else { sites.path().with_file_name(name) }
}

/// nginx's configuration, which nginx accepts as it is, and an nginx that runs.
pub(super) fn configuration(nginx: &Nginx, what: What) -> Result<&Dump> {
    if let Some(program) = nginx.missing() {
        let what = format!("there is no program {program}. Nothing was touched");
        return Err(Exit::Refused.refuse(what, "install nginx, or correct --nginx"));
    }
    if !nginx.is_on_this_machine() {
        let what = "this nginx is not one whose files are on this machine. Nothing was touched";
        return Err(Exit::Refused.refuse(what, "install what --print-upstream and --print-site print where it runs"));
    }
    match nginx.test_and_print() {
        Ok(tested) if tested.master.is_none() && what == What::Make => {
            let remedy = format!("start it: {}", call::start());
            return Err(Exit::Refused.refuse("nginx does not run. Nothing was touched", remedy));
        }
        // Who only wants to see it need not be root.
        Err(Rejected { is_permission: true, .. }) if what == What::Show => {}
        Err(Rejected { is_permission: true, .. }) if !geteuid().is_root() => {
            return Err(by_root("may not have nginx test its configuration"));
        }
        tested => {
            let tested = tested.map_err(anyhow::Error::from);
            drop(tested.context("nginx does not accept its configuration as it is, and nothing was touched")?);
        }
    }
    nginx.configuration().ok_or_else(|| Exit::Refused.refuse("nginx's configuration can't be read", "run this as root"))
}

/// The user who will deploy: as named, else who became root by sudo, else who runs this.
fn owner(named: Option<&str>) -> Result<User> {
    let by_sudo = || std::env::var("SUDO_USER").ok().filter(|name| geteuid().is_root() && !name.is_empty());
    let found = match named.map(str::to_owned).or_else(by_sudo) {
        Some(name) => User::from_name(&name)
            .with_context(|| format!("look up the user {name}"))?
            .with_context(|| format!("there is no user {name}")),
        None => User::from_uid(geteuid())?.with_context(|| format!("the user {} has no name", geteuid())),
    };
    found.or_exit(Exit::Usage)
}

/// The host to ask for, of a `server_name`: its first name, and one that a pattern with a star stands for.
fn host_of(names: &str) -> Option<String> {
    let first = names.split(' ').next().filter(|name| *name != NAMELESS)?;
    let name =
        first.strip_prefix("*.").map_or_else(|| first.trim_start_matches('.').to_owned(), |rest| format!("www.{rest}"));
    Some(name).filter(|name| !name.contains('*'))
}

/// Has a server without a name be the one that visitors meet, or refuses where another one is that.
fn ensure_met(tree: &Tree, server: &mut Server, settings: &Settings, site_file: &Path) -> Result<()> {
    let is_said = server.listen.split(' ').any(|word| word == "default_server");
    let bare: Vec<&str> = server.listen.split(' ').filter(|word| *word != "default_server").collect();
    let rival = rival_of(tree, &bare.join(" "), &settings.upstream_file).filter(|rival| rival.file != site_file);
    match rival {
        // Whoever typed it wants to come before one that is only the first.
        Some(rival) if rival.says_so || !is_said => {
            let site = settings.site()?;
            let again = Advice::again(&site, &[("--server-name", Some("www.example.com"))]);
            let what = format!("there is no --server-name, and {}. Nothing was touched", rival.in_words());
            let otherwise = if rival.says_so { format!("; or {}", rival.removal()) } else { String::new() };
            Err(Exit::Refused.refuse(what, format!("give the name that visitors type: {again}{otherwise}")))
        }
        _ => {
            if !is_said {
                server.listen.push_str(DEFAULT);
            }
            Ok(())
        }
    }
}

/// The URL that names the slot: the page of the printed site at this machine's own address, or none where the server is
/// another's.
fn front(server: &Server, by_hand: Option<&ByHand>) -> Result<FrontSetting> {
    if let Some(by_hand) = by_hand {
        // The scripts' site has a page of the application's own.
        return if by_hand.upstream().is_some() { "http://127.0.0.1/profile".parse() } else { Ok(FrontSetting::Unset) };
    }
    let address = full(server.listen.split(' ').next().unwrap_or_default());
    let own = address.replacen("*:", "127.0.0.1:", 1).replacen("[::]:", "[::1]:", 1);
    let own = own.strip_suffix(":80").unwrap_or(&own);
    if address.starts_with("unix:") || server.listen.contains(" ssl") {
        let what = format!("no address of a front follows from --listen '{}'. Nothing was touched", server.listen);
        return Err(Exit::Usage.refuse(what, format!("give the URL of {SLOT_PAGE} as --front")));
    }
    format!("http://{own}{SLOT_PAGE}").parse()
}

/// The usual slots where their ports are free, else others: on neither of their ports anything listens, and no other
/// application's settings have them.
fn free_slots(usual: &Slots, file: &Path) -> Result<Slots> {
    let others = ports_of_others(file);
    let is_free = |slots: &Slots| slots.both().iter().all(|slot| !others.contains(&slot.port) && !slot.listens());
    let [first, second] = usual.both();
    for port in PORTS.step_by(2) {
        let slots: Slots = format!("{}={port},{}={}", first.name, second.name, port + 1).parse()?;
        if is_free(&slots) {
            return Ok(slots);
        }
    }
    Err(Exit::Refused.refuse("no two free ports were found", "give some as --slots"))
}

/// The ports in the other settings files of that folder.
fn ports_of_others(file: &Path) -> Vec<u16> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let others = entries.filter(|path| path != file && path.extension().is_some_and(|end| end == "env"));
    let slots = others.filter_map(|path| {
        let variables = lines::parse(&std::fs::read_to_string(path).ok()?).ok()?;
        let given = variables.into_iter().find(|variable| variable.name == Setting::Slots.variable());
        given.map_or_else(|| "set1=8081,set2=8082".to_owned(), |variable| variable.value).parse::<Slots>().ok()
    });
    slots.flat_map(|slots| slots.both().each_ref().map(|slot| slot.port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extras::Extras;

    #[test]
    fn a_front_is_asked_at_this_machines_own_address() {
        let of = |listen: &str| {
            let server = Server {
                listen: listen.into(),
                front_from: Vec::new(),
                ready_from: Vec::new(),
                name: NAMELESS.into(),
                extras: Extras::default(),
            };
            front(&server, None).map(|front| front.to_string()).ok()
        };
        for (listen, url) in [
            ("80 default_server", Some("http://127.0.0.1/_bg/slot")),
            ("8080", Some("http://127.0.0.1:8080/_bg/slot")),
            ("[::]:80", Some("http://[::1]/_bg/slot")),
            ("10.0.0.7:81", Some("http://10.0.0.7:81/_bg/slot")),
            ("unix:/run/web", None),
            ("443 ssl", None),
        ] {
            assert_eq!(of(listen).as_deref(), url, "{listen}");
        }
    }

    #[test]
    fn a_host_is_the_first_name_or_one_that_a_star_stands_for() {
        let hosts = ["a.example b.example", "*.example", ".example", "_", "www.*"].map(host_of);
        assert_eq!(hosts, [Some("a.example".into()), Some("www.example".into()), Some("example".into()), None, None]);
    }
}
