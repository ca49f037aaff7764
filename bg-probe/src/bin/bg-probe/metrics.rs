//! Metrics about a site, as Prometheus reads them.
//!
//! The text is good OpenMetrics, and good in the older text format, which is all that node_exporter's textfile collector
//! takes: that refuses a whole file for a time of its own behind a value and for a type that is new in OpenMetrics
//! (`info`, `stateset`), and sees a comment in `# EOF`. So everything is a gauge. That is true to the subject, too: the
//! history is cut off when it is long, so its counts may fall.

use crate::history::{self, Ended};
use crate::order::Ask;
use crate::table::process_in;
use anyhow::Result;
use bg_probe::live::lingering::Lingering;
use bg_probe::live::verdict::{self, Verdict};
use bg_probe::site::closed::is_closed;
use bg_probe::site::drained::is_drained;
use bg_probe::site::prepared::Prepared;
use bg_probe::site::settings::Site;
use bg_probe::site::slot::Slot;
use bg_probe::site::visitor::NUMBERS;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What all names begin with.
const PREFIX: &str = "bg_";

/// A metric: its name, what it tells, and its values by their labels.
struct Family {
    name: &'static str,
    help: &'static str,
    values: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// The metrics of a site now. Where nobody can tell which slot is live, that is a value like the others.
///
/// # Errors
/// When the history is there and can't be read.
pub(crate) fn metrics(site: &Site, ask: Ask) -> Result<String> {
    let verdict = verdict::live(site, ask.by, ask.within).ok();
    let deploys = history::ended(&site.dir)?;
    let families = [visitors(site, verdict.as_ref()), releases(site), past(&deploys)];
    Ok(written(site.app.as_str(), families.iter().flatten()))
}

/// Where visitors go.
fn visitors(site: &Site, verdict: Option<&Verdict>) -> Vec<Family> {
    let of = |what: &dyn Fn(&Verdict, &Slot) -> f64| -> Vec<(Vec<(&'static str, String)>, f64)> {
        let slots = site.slots.both().iter();
        verdict.map(|verdict| slots.map(|slot| (named(slot), what(verdict, slot))).collect()).unwrap_or_default()
    };
    let lingering = Lingering::of(site);
    vec![
        Family::one("known", "Whether it is known which slot is live.", flag(verdict.is_some())),
        Family::new(
            "live",
            "Whether the slot is live: nginx sends it most visitors.",
            of(&|verdict, slot| flag(verdict.live.as_ref() == Some(slot))),
        ),
        Family::new(
            "share_ratio",
            "The part of the visitors that go to the slot.",
            of(&|verdict, slot| f64::from(verdict.share_of(slot)) / f64::from(NUMBERS)),
        ),
        Family::new(
            "stands_in",
            "Whether the slot answers visitors in place of the live one, which is down.",
            of(&|verdict, slot| flag(verdict.stand_in.as_ref() == Some(slot))),
        ),
        Family::new(
            "lingers_until_timestamp_seconds",
            "When those who stayed in the slot are moved at the latest.",
            lingering.iter().map(|lingering| (named(&lingering.old), seconds(lingering.until))).collect(),
        ),
        Family::one("closed", "Whether the site is closed to visitors.", flag(is_closed(&site.dir))),
        Family::one("drained", "Whether a load balancer is to send nobody to this host.", flag(is_drained(&site.dir))),
    ]
}

/// What is in the slots.
fn releases(site: &Site) -> Vec<Family> {
    let slots = || site.slots.both().iter();
    let held = || slots().filter_map(|slot| Some((slot, site.dir.release(&slot.name)?)));
    let release = |(slot, release): (&Slot, String)| {
        let file = site.dir.artifact(&slot.name).map(|file| file.to_string_lossy().into_owned());
        let mut labels = named(slot);
        labels.extend([("release", release), ("artifact", file.unwrap_or_default())]);
        (labels, 1.0)
    };
    let made = |(slot, release): (&Slot, String)| Some((named(slot), seconds(site.dir.made(&release)?)));
    let began = |slot| Some((named(slot), seconds(process_in(site, slot)?.started()?)));
    let prepared = |slot: &Slot| flag(Prepared::in_slot(&site.dir, &slot.name).is_some());
    vec![
        Family::new(
            "prepared",
            "Whether the slot holds a release that waits for its switch.",
            slots().map(|slot| (named(slot), prepared(slot))).collect(),
        ),
        Family::new(
            "up",
            "Whether something listens in the slot.",
            slots().map(|slot| (named(slot), flag(slot.listens()))).collect(),
        ),
        Family::new("release_info", "The release that the slot holds; always 1.", held().map(release).collect()),
        Family::new(
            "release_timestamp_seconds",
            "When the release that the slot holds was made.",
            held().filter_map(made).collect(),
        ),
        Family::new(
            "process_start_timestamp_seconds",
            "When the process in the slot began.",
            slots().filter_map(began).collect(),
        ),
    ]
}

/// What became of the deploys.
fn past(deploys: &[Ended]) -> Vec<Family> {
    let mut exits = BTreeMap::from([(0, 0_u32)]);
    for deploy in deploys {
        *exits.entry(deploy.exit).or_default() += 1;
    }
    let last =
        |what: &dyn Fn(&Ended) -> f64| deploys.first().map(|last| (Vec::new(), what(last))).into_iter().collect();
    let exits = exits.into_iter().map(|(exit, count)| (vec![("exit", exit.to_string())], f64::from(count)));
    vec![
        Family::new(
            "deploys",
            "The runs of bg-deploy in the history, by exit code; old ones leave it.",
            exits.collect(),
        ),
        Family::new(
            "last_deploy_timestamp_seconds",
            "When the last run of bg-deploy that has ended began.",
            last(&|last| seconds(last.at)),
        ),
        Family::new("last_deploy_duration_seconds", "How long it took.", last(&|last| thousandths(last.took))),
        Family::new("last_deploy_exit", "Its exit code.", last(&|last| f64::from(last.exit))),
    ]
}

impl Family {
    fn new(name: &'static str, help: &'static str, values: Vec<(Vec<(&'static str, String)>, f64)>) -> Family {
        Family { name, help, values }
    }

    fn one(name: &'static str, help: &'static str, value: f64) -> Family {
        Family::new(name, help, vec![(Vec::new(), value)])
    }
}

fn named(slot: &Slot) -> Vec<(&'static str, String)> {
    vec![("slot", slot.to_string())]
}

fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map(thousandths).unwrap_or_default()
}

/// Seconds, as exact as the history has them.
#[expect(clippy::cast_precision_loss, reason = "so many milliseconds are 285,000 years")]
fn thousandths(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

/// The text; a metric without a value is left out.
fn written<'a>(app: &str, families: impl Iterator<Item = &'a Family>) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    for Family { name, help, values } in families.filter(|family| !family.values.is_empty()) {
        let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge");
        for (labels, value) in values {
            let all = std::iter::once(("app", app)).chain(labels.iter().map(|(label, value)| (*label, value.as_str())));
            let labels: Vec<String> = all.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            let _ = writeln!(text, "{PREFIX}{name}{{{}}} {value}", labels.join(","));
        }
    }
    text + "# EOF\n"
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_label_ends_where_it_ends() {
        let label = |value: &str| (vec![("artifact", value.to_owned())], 0.5);
        let family = Family::new("x", "Help.", vec![label("a\\b\"c\nd")]);
        let none = Family::new("y", "Help.", Vec::new());
        let text = "# HELP bg_x Help.\n# TYPE bg_x gauge\nbg_x{app=\"web\",artifact=\"a\\\\b\\\"c\\nd\"} 0.5\n# EOF\n";
        assert_eq!(written("web", [family, none].iter()), text);
    }
}
