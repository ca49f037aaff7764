//! `bg-switch --check`: could nginx be moved, and would it be seen to move?

pub(crate) mod obstacles;
pub(crate) mod passage;
pub(crate) mod selinux;

use crate::args::Args;
use crate::form::link;
use crate::nginx::Nginx;
use crate::nginx::dump::Dump;
use crate::preflight::obstacles::obstacles;
use anyhow::Result;
use bg_probe::cli::preflight::{Finding, State};
use bg_probe::nginx::upstream::Upstream;
use bg_probe::site::settings::Site;
use nix::unistd::{AccessFlags, access, geteuid};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Everything that bg-switch has to look at.
///
/// # Errors
/// [`bg_probe::say::exit::Exit::Usage`] for a command line of nginx that can't be split.
pub(crate) fn findings(args: &Args, site: &Site) -> Result<Vec<Finding>> {
    let nginx = Nginx::new(&args.nginx, args.pid_file.clone())?;
    let upstream = Upstream::read(&site.upstream_file).ok();
    let flag = upstream.as_ref().and_then(Upstream::flag);
    let mut findings = vec![version(&nginx)];
    if findings[0].state != State::Fail {
        let refused = nginx.test().err().map(|why| format!("{why:#}"));
        // Who may not ask nginx need not: a switch by link does without.
        let unasked = flag.is_some() && refused.as_ref().is_some_and(|why| takes_root(why));
        findings.push(if unasked { for_root() } else { tested(refused, flag.is_some()) });
        findings.extend(running(&nginx));
        findings.extend(configured(site, &nginx, upstream.as_ref(), nginx.configuration().as_ref()));
    }
    match flag {
        Some(flag) => findings.extend(by_link(site, &nginx, flag)),
        None => findings.extend(by_reload(site, &nginx)),
    }
    findings.push(selinux::finding());
    Ok(findings)
}

fn version(nginx: &Nginx) -> Finding {
    match (nginx.program(), nginx.version()) {
        (Err(why), _) => Finding::refused("nginx", &why, "apt install nginx, or say with --nginx how it is called"),
        (Ok(_), Some(version)) => Finding::ok("nginx", version.replacen('/', " ", 1)),
        (Ok(program), None) => Finding::warn(
            "nginx",
            format!("{} does not say the version of nginx", program.display()),
            "see that --nginx with -v after it works",
        ),
    }
}

/// In the link form a switch asks nothing of nginx, so that this user need not be able to test.
fn tested(refused: Option<String>, by_link: bool) -> Finding {
    match refused {
        None => Finding::ok("configuration", "nginx -t accepts the configuration"),
        Some(why) if by_link => Finding::warn("configuration", why, "mend it, or nginx will not start again"),
        Some(why) => Finding::fail("configuration", why, "mend it, or let --nginx be 'sudo nginx'"),
    }
}

fn for_root() -> Finding {
    Finding::ok("configuration", "nginx -t and -T take root here and were not asked; a switch by link does without")
}

/// Whether it is but a permission that this user lacks, and nothing wrong.
fn takes_root(why: &str) -> bool {
    !geteuid().is_root() && why.contains("Permission denied")
}

/// Where its pid file is not found, nobody can say that it does not run: the front can.
fn running(nginx: &Nginx) -> Option<Finding> {
    let master = nginx.running()?;
    Some(Finding::ok("running", format!("nginx runs as pid {}", master.pid())))
}

/// What nginx's own words about its configuration say.
fn configured(site: &Site, nginx: &Nginx, upstream: Option<&Upstream>, dump: Option<&Dump>) -> Vec<Finding> {
    match dump {
        Some(dump) => passage::findings(site, upstream, dump, nginx.is_on_this_machine()),
        None => vec![Finding::warn(
            "include",
            "nginx -T does not print the configuration, so it was not looked into",
            "mend what nginx -t says, or check once as root",
        )],
    }
}

fn by_link(site: &Site, nginx: &Nginx, flag: &Path) -> Vec<Finding> {
    let live = site.dir.live();
    if let Err(why) = link::ensure_ours(&site.dir, flag) {
        return vec![Finding::refused("link", &why, "or run bg-switch --print-upstream with this --dir")];
    }
    let obstacles = obstacles(site, nginx);
    let barred = obstacles.iter().any(|obstacle| obstacle.about == "link");
    let mut findings: Vec<Finding> = obstacles
        .into_iter()
        .map(|found| match found.about {
            "link" => Finding::fail(found.about, found.what, found.remedy),
            _ => Finding::warn(found.about, found.what, found.remedy),
        })
        .collect();
    if !barred {
        findings.push(Finding::ok("link", format!("nginx's workers can reach {}", live.display())));
    }
    let folder = site.dir.root().ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    findings.push(match access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Finding::ok("write", format!("the link can be moved in {}", site.dir.root().display())),
        Err(why) => Finding::fail(
            "write",
            format!("the link can't be moved: {} may not be written ({})", folder.display(), why.desc()),
            "run this as its owner, or give it to this user",
        ),
    });
    findings
}

fn by_reload(site: &Site, nginx: &Nginx) -> Vec<Finding> {
    let mut findings = vec![may_rewrite(&site.upstream_file), may_reload(nginx)];
    findings.extend(nginx.upgrade().map(|upgrade| {
        let found = if upgrade.serves() { Finding::fail } else { Finding::warn };
        found("upgrade", upgrade.in_words(), upgrade.remedy())
    }));
    findings
}

/// The file is replaced by a rename and keeps its owner, so this user must own it and be able to write its folder.
fn may_rewrite(file: &Path) -> Finding {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().unwrap_or(Path::new("/"));
    let remedy = "run this as root; or let the file and its folder belong to this user, as in /etc/nginx/bg; \
                  or, as root, bg-switch --convert link once";
    if let Err(why) = access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        let what =
            format!("{} can't be replaced: {} may not be written ({})", file.display(), folder.display(), why.desc());
        return Finding::fail("write", what, remedy);
    }
    let others = file.metadata().is_ok_and(|meta| meta.uid() != geteuid().as_raw() && !geteuid().is_root());
    if others {
        return Finding::fail(
            "write",
            format!("{} belongs to another user, and would not any more", file.display()),
            remedy,
        );
    }
    Finding::ok("write", format!("{} can be replaced", file.display()))
}

fn may_reload(nginx: &Nginx) -> Finding {
    match nginx.may_reload() {
        Some(true) => Finding::ok("reload", "nginx may be told to reload"),
        Some(false) => Finding::fail(
            "reload",
            "this user may not tell nginx to reload",
            "let --nginx be 'sudo -n nginx', with a line of sudoers for nginx -t and nginx -s reload",
        ),
        None => {
            Finding::ok("reload", "nginx is told to reload by a program of yours; only that can say whether it may")
        }
    }
}
