//! `bg-switch --check`: could nginx be moved, and would it be seen to move?

pub(crate) mod foreseen;
mod passage;
mod selinux;

use crate::form;
use crate::nginx::Nginx;
use crate::nginx::groups::{NAMESAKE, namesake};
use crate::nginx::parts::{Has, Part};
use crate::nginx::tested::Rejected;
use bg_probe::cli::preflight::Finding;
use bg_probe::nginx::upstream::{Form, Upstream};
use bg_probe::site::advice::Advice;
use bg_probe::site::settings::Site;
use nix::unistd::geteuid;

/// What to do where SELinux may keep nginx from the application, or from the folder of a site in the link form.
pub(crate) fn selinux_remedies(site: &Site) -> Vec<String> {
    let findings = selinux::findings(site, Some(Form::Link)).into_iter();
    findings.filter_map(|finding| Some(format!("{}: {}", finding.detail, finding.remedy?))).collect()
}

/// All that a switch needs of nginx and of the upstream file, by a share first or not.
pub(crate) fn findings(site: &Site, shares: bool, nginx: &Nginx) -> Vec<Finding> {
    let upstream = Upstream::read(&site.upstream_file).ok();
    let rules = form::rules_of(upstream.as_ref().map_or(Form::Reload, Upstream::form));
    let mut findings = vec![version(nginx)];
    if nginx.program().is_ok() {
        findings.push(configuration(nginx, rules.tests_configuration()));
        findings.extend(running(nginx));
        findings.extend(passage(site, nginx, upstream.as_ref()));
    }
    findings.extend(rules.findings(site, nginx, upstream.as_ref()));
    let unshared = form::share::obstacle(site, upstream.as_ref()).filter(|_| shares);
    findings.extend(unshared.map(|why| Finding::refused("shares", &why, "print the site anew")));
    findings.extend(parts(site, nginx));
    let why = nginx.configuration().and_then(|dump| namesake(dump, site));
    findings.extend(why.map(|why| Finding::fail("names", why, NAMESAKE)));
    findings.extend(selinux::findings(site, upstream.as_ref().map(Upstream::form)));
    findings
}

fn version(nginx: &Nginx) -> Finding {
    match (nginx.program(), nginx.version()) {
        (Err(why), _) => Finding::refused("nginx", &why, &how_to_have_nginx()),
        (Ok(_), Some(version)) => Finding::ok("nginx", version.replacen('/', " ", 1)),
        (Ok(program), None) => Finding::warn(
            "nginx",
            format!("{} does not print the version of nginx", program.display()),
            "see that --nginx with -v after it works",
        ),
    }
}

/// What to do where there is no nginx.
fn how_to_have_nginx() -> String {
    format!("install it: {}; or give with --nginx how it is called", Advice::install("nginx", "nginx"))
}

/// What the site has beside the slots, and what it lacks: one that was printed before, or a server block of one's own.
fn parts(site: &Site, nginx: &Nginx) -> Option<Finding> {
    let words = [
        (Part::StandIn, "the other slot can stand in", "no other slot stands in"),
        (Part::Door, "the site can be closed", "the site can't be closed"),
        (Part::ReadyPage, "a load balancer can ask /_bg/ready", "no load balancer can ask /_bg/ready"),
    ];
    let mut lacks = false;
    let said = words.into_iter().filter_map(|(part, there, missing)| {
        let has = part.look(site, nginx);
        lacks |= matches!(has, Has::No | Has::InPart(_));
        match has {
            Has::Yes => Some(there.to_owned()),
            Has::InPart(file) => Some(format!("{there} (not by a server in {})", file.display())),
            Has::No => Some(missing.to_owned()),
            Has::Unknown => None,
        }
    });
    let said: Vec<String> = said.collect();
    let (last, before) = said.split_last()?;
    let all = if before.is_empty() { last.clone() } else { format!("{}, and {last}", before.join(", ")) };
    let print = Advice::call(site, "bg-switch", &["--print-site"]);
    Some(Finding::ok("site", if lacks { format!("{all}; the printed site has all of it: {print}") } else { all }))
}

/// Where a switch does without a test, this user need not be able to have nginx make one.
fn configuration(nginx: &Nginx, is_needed: bool) -> Finding {
    match nginx.test_and_print() {
        Ok(_) => Finding::ok("configuration", "nginx -t accepts the configuration"),
        Err(Rejected { why, .. }) if is_needed => {
            Finding::refused("configuration", &why, "fix it, or let --nginx be 'sudo nginx'")
        }
        Err(Rejected { is_permission: true, .. }) if !geteuid().is_root() => {
            let words = "nginx -t and -T take root here and were not asked; a switch by link does without";
            Finding::ok("configuration", words)
        }
        Err(Rejected { why, .. }) => {
            Finding::warn("configuration", format!("{why:#}"), "fix it, or nginx will not start again")
        }
    }
}

/// Where its pid file is not found, it may run all the same: the front shows that.
fn running(nginx: &Nginx) -> Option<Finding> {
    let master = nginx.running()?;
    Some(Finding::ok("running", format!("nginx runs as pid {}", master.pid())))
}

/// The way of a request through nginx's configuration.
fn passage(site: &Site, nginx: &Nginx, upstream: Option<&Upstream>) -> Vec<Finding> {
    match nginx.configuration() {
        Some(dump) => passage::findings(site, upstream, dump, nginx.is_on_this_machine()),
        None => vec![Finding::warn(
            "include",
            "nginx -T does not print the configuration, so it was not looked into",
            "fix what nginx -t reports, or check once as root",
        )],
    }
}
