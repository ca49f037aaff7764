//! What a deploy has in the way of its switch, looked at before anything is touched for it.
//!
//! It costs milliseconds: the verdict is the record's, of nginx nothing is asked that takes long, and a configuration that
//! nginx runs with is not tested again.

use crate::extras::Extras;
use crate::form;
use crate::form::rules::Rules;
use crate::nginx::Nginx;
use crate::nginx::workers::{Master, is_older_than, may_be_older_than};
use crate::preflight::{configuration, passage};
use anyhow::Result;
use bg_probe::cli::preflight::{Finding, State};
use bg_probe::live::front::{Answer, FRONT_WITHIN, Front, Silence};
use bg_probe::live::stale;
use bg_probe::nginx::call;
use bg_probe::nginx::upstream::{Form, Upstream};
use bg_probe::os::http::NoReply;
use bg_probe::os::process::Process;
use bg_probe::record::Record;
use bg_probe::say::exit::Exit;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// What bg-probe has written of the front.
#[derive(Deserialize)]
struct Probe {
    by: String,
    points_at: Option<String>,
    front_said: Option<String>,
}

impl Probe {
    /// Whether the front names the live slot, and the file points at it.
    fn names(&self, live: Option<&Slot>) -> bool {
        live.is_some_and(|live| self.by == "front" && self.points_at.as_deref() == Some(live.name.as_str()))
    }
}

/// What would keep nginx from being moved to the record's slot.
///
/// # Errors
/// When the record can't be used.
pub(crate) fn findings(record: &Record, wanted: &Extras, shares: bool, nginx: &Nginx) -> Result<Vec<Finding>> {
    let (site, probe) = (&record.site, record.get::<Probe>("probe")?);
    // Of a release that was found healthy before.
    let is_of_a_launch = record.get::<Value>("launch")?.is_some();
    let is_true = stale::ensure_in_slot(record).and_then(|()| stale::ensure_none_moved(record));
    if let Err(why) = is_true
        && is_of_a_launch
    {
        return Ok(vec![Finding::refused("record", &why, "deploy again")]);
    }
    let upstream = Upstream::read(&site.upstream_file).ok();
    let rules = form::rules_of(upstream.as_ref().map_or(Form::Reload, Upstream::form));
    let is_silent = probe.as_ref().is_some_and(|probe| probe.front_said.is_some());
    let mut findings = Vec::new();
    if let Err(why) = nginx.program()
        && rules.tests_configuration()
    {
        return Ok(vec![Finding::refused("nginx", &why, &super::how_to_have_nginx())]);
    }
    if is_silent {
        findings.extend(refusing(record, nginx, rules)?);
    }
    findings.extend(rules.findings(site, nginx, upstream.as_ref()));
    let is_followed = probe.is_some_and(|probe| probe.names(record.live.as_ref()));
    findings.extend(on_the_way(record, nginx, upstream.as_ref(), is_followed));
    findings.extend(wanted.missing(site, nginx, upstream.as_ref()));
    // Where no slot is live nobody is there to share.
    let unshared = form::share::obstacle(site, upstream.as_ref()).filter(|_| shares && record.live.is_some());
    findings.extend(unshared.map(|why| Finding::refused("shares", &why, "print the site anew")));
    // Where anything in it was changed since nginx has read it, only a test shows whether it can be read again.
    if rules.tests_configuration() && is_changed(site, nginx) {
        findings.push(configuration(nginx, true));
    }
    findings.retain(|finding| finding.state != State::Ok);
    Ok(findings)
}

/// The way of a request, in the configuration of an nginx that runs with it. Where the front names the slot that the file
/// points at, every name in it is found; that nginx reads the file is not shown by that.
fn on_the_way(record: &Record, nginx: &Nginx, upstream: Option<&Upstream>, is_followed: bool) -> Vec<Finding> {
    let dump = nginx.running().and_then(|_| nginx.configuration()).filter(|dump| dump.is_whole);
    let Some(dump) = dump else { return Vec::new() };
    let mut findings = passage::findings(&record.site, upstream, dump, nginx.is_on_this_machine());
    findings.retain(|finding| !is_followed || finding.check != "resolver");
    findings
}

/// Whether nothing listens at the front, which a reload may change if nginx runs at all.
fn refusing(record: &Record, nginx: &Nginx, rules: &dyn Rules) -> Result<Option<Finding>> {
    let Some(front) = Front::of(&record.site)? else { return Ok(None) };
    if front.ask(FRONT_WITHIN) != Answer::NoSlot(Silence::NoReply(NoReply::Refused)) {
        return Ok(None);
    }
    let what = format!("nothing listens at {}", record.site.front);
    let why = match nginx.running() {
        Some(_) if rules.tests_configuration() => return Ok(None),
        Some(master) => Exit::NotMoved.refuse(
            format!("{what}, though nginx runs as pid {}. Nothing was touched", master.pid()),
            format!(
                "have it read its configuration: {}; or let --front be a URL through it",
                nginx.by_hand(&["-s", "reload"])
            ),
        ),
        None if !nginx.is_certain() || !nginx.is_on_this_machine() => return Ok(None),
        None => Exit::NotMoved.refuse(
            format!("{what}, and nginx does not run. Nothing was touched"),
            format!(
                "start it: {}; or, where it runs, give with --pid-file the file that has its process id",
                call::start()
            ),
        ),
    };
    Ok(Some(Finding::refused("running", &why, "start nginx")))
}

/// Whether anything may have changed since nginx has read it. The upstream file is written right before nginx reads it, by a
/// switch that has it tested.
fn is_changed(site: &Site, nginx: &Nginx) -> bool {
    let worker = nginx.running().as_ref().and_then(Master::eldest_worker);
    let files = nginx.configuration().map(|dump| dump.files.as_slice()).unwrap_or_default();
    let is_newer = |worker: &Process, file: &Path| {
        if file == site.upstream_file { is_older_than(worker, file) } else { may_be_older_than(worker, file) }
    };
    worker.is_some_and(|worker| files.iter().any(|file| is_newer(&worker, file) == Some(true)))
}
