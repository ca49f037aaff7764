//! `bg-probe --format openmetrics`: what it tells, and that Prometheus and its textfile collector take it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use bg_tests::{Run, World, is_full, pages, tell};
use serde_json::Value;

use crate::callers::listener;
use crate::share::shared_site;

type Values = BTreeMap<String, f64>;

/// The values, by the metric with its labels as it stands in the text.
fn values(text: &str) -> Values {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    parsed.collect()
}

fn metrics(world: &World) -> Values {
    values(&world.run("bg-probe", &["--format", "openmetrics"]).success().said_nothing().stdout())
}

#[test]
fn the_metrics_of_a_site_before_a_deploy_and_after_some() {
    let world = World::new().link_form();
    let of = |values: &Values, name: &str| values.get(name).copied();
    let before = metrics(&world);
    assert_eq!(of(&before, "bg_live{app=\"web\",slot=\"set1\"}"), Some(0.0));
    assert_eq!(of(&before, "bg_deploys{app=\"web\",exit=\"0\"}"), Some(0.0));
    assert!(!before.keys().any(|name| name.starts_with("bg_last_deploy") || name.starts_with("bg_release")));

    let world = world.serving();
    world.cmd("bg-deploy").args(["--health-timeout", "300ms", "--"]).args(world.fake_app(&["--down"])).ran().exit(4);
    world.deploy(&["--version-text", "1.1"]).success();
    let after = metrics(&world);
    for (name, value) in [
        ("bg_known{app=\"web\"}", 1.0),
        ("bg_live{app=\"web\",slot=\"set1\"}", 0.0),
        ("bg_live{app=\"web\",slot=\"set2\"}", 1.0),
        ("bg_share_ratio{app=\"web\",slot=\"set2\"}", 1.0),
        ("bg_up{app=\"web\",slot=\"set1\"}", 1.0),
        ("bg_closed{app=\"web\"}", 0.0),
        ("bg_drained{app=\"web\"}", 0.0),
        ("bg_prepared{app=\"web\",slot=\"set1\"}", 0.0),
        ("bg_deploys{app=\"web\",exit=\"0\"}", 2.0),
        ("bg_deploys{app=\"web\",exit=\"4\"}", 1.0),
        ("bg_last_deploy_exit{app=\"web\"}", 0.0),
    ] {
        assert_eq!(of(&after, name), Some(value), "{name} in {after:?}");
    }
    let release = world.held("set2").expect("a release");
    let info = format!("bg_release_info{{app=\"web\",slot=\"set2\",release=\"{release}\",");
    assert!(after.keys().any(|name| name.starts_with(&info)), "{info} in {after:?}");
    let took = of(&after, "bg_last_deploy_duration_seconds{app=\"web\"}").expect("a time");
    assert!(took > 0.0 && took < 60.0, "{took}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs_f64();
    for what in ["release", "process_start"] {
        let at = of(&after, &format!("bg_{what}_timestamp_seconds{{app=\"web\",slot=\"set2\"}}")).expect("a time");
        assert!((now - 60.0..=now + 1.0).contains(&at), "{what}: {at} and now {now}");
    }

    world.cmd("bg-deploy").args(["--prepare", "--"]).args(world.fake_app(&[])).ran().success();
    assert_eq!(of(&metrics(&world), "bg_prepared{app=\"web\",slot=\"set1\"}"), Some(1.0));
}

#[test]
fn a_share_a_closed_site_and_a_site_of_which_nobody_can_tell() {
    let (world, _) = shared_site(World::new());
    let world = world.serving();
    let app = world.fake_app(&[]);
    let line = format!("bg-probe | bg-launch -- {} | bg-health | bg-switch --share 10", app[0]);
    world.run_line(line).success();
    world.run("bg-switch", &["--close"]).success();
    world.run("bg-switch", &["--drain", "on", "--drain-idle", "50ms"]).success();
    let values = metrics(&world);
    assert!(values["bg_drained{app=\"web\"}"] > 0.0, "{values:?}");
    let shares = ["set1", "set2"].map(|slot| values[&format!("bg_share_ratio{{app=\"web\",slot=\"{slot}\"}}")]);
    assert_eq!((shares, values["bg_closed{app=\"web\"}"]), ([0.9, 0.1], 1.0));

    let world = World::new().both_running();
    world.nginx.write_upstream("# nothing\n");
    let values = metrics(&world.env("BG_FRONT", "-"));
    let is = |name: &str, wanted: f64| (values[name] - wanted).abs() < f64::EPSILON;
    assert!(is("bg_known{app=\"web\"}", 0.0), "{values:?}");
    let is_silent = !values.keys().any(|name| name.starts_with("bg_live"));
    assert!(is_silent && is("bg_up{app=\"web\",slot=\"set1\"}", 1.0), "{values:?}");
}

/// As it stands on the page, but for where node_exporter looks.
#[test]
fn the_crontabs_line_writes_a_whole_file_and_says_nothing() {
    let world = World::new().serving();
    let page = pages::of("bg-probe");
    let part = pages::part(&page, "### Metrics");
    let line = part.lines().find_map(|line| line.strip_prefix("* * * * *  ")).expect("a line of a crontab");
    let folder = world.make_dir("textfile");
    let env_file = world.write("web.env", "");
    let line = line.replace("/var/lib/prometheus/node-exporter", &folder.display().to_string());
    let line = line.replace("/etc/bg/web.env", &env_file.display().to_string());
    world.run_line(&line).success().said_nothing().printed_nothing();
    assert_eq!(world.names(&folder), ["bg-web.prom"]);
    assert!(world.read(folder.join("bg-web.prom")).ends_with("\n# EOF\n"));
}

/// Every metric that the rules of the page ask for is one that there is.
#[test]
fn the_alert_rules_of_the_page_ask_for_metrics_that_there_are() {
    let world = World::new().serving();
    let there = world.run("bg-probe", &["--format", "openmetrics"]).success().stdout();
    let page = pages::of("bg-probe");
    let part = pages::part(&page, "### Metrics");
    let rules = pages::blocks(part, "yaml")[0];
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("bg_"));
    let names: Vec<&str> = words.collect();
    assert!(names.len() >= 3, "{rules}");
    for name in names {
        assert!(there.contains(&format!("# TYPE {name} gauge\n")), "no {name} in {there}");
    }
    let table: Vec<&str> = part.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let told = |name: &str| table.iter().any(|cell| cell.split(['{', ' ']).next() == Some(name));
    for name in there.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(told(name), "the page does not have {name}");
    }
}

/// Python's own reader of OpenMetrics, which is strict, and that of the text format.
#[test]
fn a_parser_of_openmetrics_and_one_of_the_text_format_take_the_metrics() {
    if !is_full() {
        return tell("metrics: no parser asked; tests/run --full asks two");
    }
    let world = World::new().serving();
    world.deploy(&[]).success();
    let file = world.path("bg.prom");
    fs::write(&file, world.run("bg-probe", &["--format", "openmetrics"]).success().stdout()).expect("a file");
    let script = "import sys\nfrom prometheus_client import parser\nfrom prometheus_client.openmetrics import parser as strict\n\
                  text = open(sys.argv[1]).read()\n\
                  count = lambda families: sum(len(family.samples) for family in families)\n\
                  print(count(strict.text_string_to_metric_families(text)), count(parser.text_string_to_metric_families(text)))";
    let mut python = Command::new("/usr/bin/python3");
    let said = python.args(["-c", script]).arg(&file).ran().success().stdout();
    let samples = values(&world.read(&file)).len().to_string();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), [&samples, &samples]);
}

/// As it stands on the page of bg-deploy.
#[test]
fn the_hook_for_grafana_posts_an_annotation() {
    if !is_full() {
        return tell("metrics: the hook for Grafana not run, it takes jq; tests/run --full runs it");
    }
    let world = World::new();
    let page = pages::of("bg-deploy");
    let script = pages::blocks(pages::part(&page, "### Marks in Grafana"), "sh")[0];
    let header = world.write("header", "Authorization: Bearer secret\n");
    let script = script.replace("/etc/bg/grafana", &header.display().to_string());
    let hook = world.executable("mark", script);
    let (url, posted) = listener();
    let world = world.env("GRAFANA_URL", &url).env("BG_DEPLOY_ON_SUCCESS", &hook);
    world.deploy(&[]).success().never_said("warning: the hook");
    let body = posted.recv_timeout(crate::share::SOON).expect("it was posted");
    let mark: Value = serde_json::from_str(&body).expect("JSON");
    let [from, to] = ["time", "timeEnd"].map(|name| mark[name].as_u64().expect("milliseconds"));
    assert!(from <= to && to - from < 60_000, "{mark}");
    assert_eq!(mark["tags"], serde_json::json!(["deploy", "web"]));
    let release = world.held("set1").expect("a release");
    assert_eq!(mark["text"], format!("deploy: {release} in set1, exit 0"));
}
