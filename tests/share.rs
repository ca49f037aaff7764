//! A share of the visitors: who meets the new release, who does not, and the way on and back.

/// What a switch of a share refuses, and what is refused while one is out.
mod refused;

/// The printed site: who is whom, and who may say so.
mod visitor;

/// What becomes of a share when processes end.
mod crashed;

/// Installs of before: old files, old routes, and both together.
mod old;

use std::collections::BTreeSet;

use bg_tests::{KeepAlive, Ran, Run, Traffic, World, http, until};

pub(crate) const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// A world with nothing but the printed site in the link form, and its URL; the front is its `/_bg/slot`.
pub(crate) fn shared_site(world: World) -> (World, String) {
    site_with(world, "")
}

/// The same with extras.
pub(crate) fn site_with(world: World, extras: &str) -> (World, String) {
    let listen = format!("127.0.0.1:{}", world.free_port());
    let printed = world.run("bg-switch", &["--print-site", "--listen", &listen, "--with", extras]).success();
    world.nginx.add_to_http("site", &printed.stdout());
    world.nginx.reload();
    let url = format!("http://{listen}");
    let world = world.env("BG_FRONT", &format!("{url}/_bg/slot"));
    world.run("bg-switch", &["--convert", "link"]).success();
    assert!(world.nginx.read_upstream().contains(".$bg_web_bucket)"), "{}", world.nginx.read_upstream());
    (world, url)
}

pub(crate) fn switch(world: &World, words: &[&str]) -> Ran {
    world.run("bg-switch", &[words, &["--verify-timeout", "2s"]].concat())
}

/// The slot that answers a visitor who says so.
pub(crate) fn seen_by(url: &str, visitor: &str) -> String {
    let headers = [("X-Bg-Visitor", visitor)];
    http::request("GET", &format!("{url}/profile"), &headers, b"").expect("an answer").body
}

/// The numbers that a slot answers.
pub(crate) fn numbers(url: &str, slot: &str) -> BTreeSet<u8> {
    (1..=100).filter(|number: &u8| seen_by(url, &number.to_string()) == slot).collect()
}

#[test]
fn a_share_goes_to_the_slot_and_grows_and_shrinks_and_nobody_moves_who_need_not() {
    let (world, url) = shared_site(World::new().both_running());
    let mut before = BTreeSet::new();
    for share in ["1", "5", "10", "25", "50", "75", "99"] {
        switch(&world, &["--to", "set2", "--share", share])
            .success()
            .said(format!("set2 has {share} % of the visitors"));
        let now = numbers(&url, "set2");
        assert_eq!(now.len().to_string(), share);
        assert!(now.is_superset(&before), "{before:?} {now:?}");
        before = now;
    }
    // Seen from the other slot it is the same order.
    switch(&world, &["--to", "set1", "--share", "90"]).success();
    let now = numbers(&url, "set2");
    assert_eq!(now.len(), 10);
    assert!(now.is_subset(&before));
    switch(&world, &["--share", "0"]).success().said("-> set1 by link");
    assert_eq!(numbers(&url, "set1").len(), 100);
    switch(&world, &["--share", "0"]).success().said("no share of the visitors is out");
    assert_eq!(world.names(world.dir().join("routes")), ["set1"], "routes that nobody needs are removed");
}

#[test]
fn the_record_and_the_table_say_who_has_which_share_and_most_of_them_make_a_slot_live() {
    let (world, url) = shared_site(World::new().both_running());
    let front = |kind: &str| {
        http::request("GET", &format!("{url}/_bg/slot"), &[("X-Bg-Visitor", kind)], b"").expect("an answer").body
    };
    for (share, live) in [(10, "set1"), (50, "set1"), (51, "set2")] {
        let run = switch(&world, &["--to", "set2", "--share", &share.to_string()]).success();
        let shares = format!("\"shares\":{{\"set1\":{},\"set2\":{share}}}", 100 - share);
        run.printed(&shares).printed(format!("\"share\":{share}}}")).printed("\"from\":\"set1\",\"to\":\"set2\"");
        world.run("bg-probe", &["--slot", "set2"]).success().printed(&shares).printed(format!("\"live\":\"{live}\""));
        let table = world.run("bg-probe", &["--format", "table"]).success().stdout();
        assert!(table.contains(&format!(" {}% ", 100 - share)) && table.contains(&format!(" {share}% ")), "{table}");
        assert_eq!(http::get(&format!("{url}/_bg/slot")).expect("an answer").body.trim(), live);
        for kind in ["set1", "set2"] {
            assert_eq!((front(kind).trim(), seen_by(&url, kind).as_str()), (kind, kind));
        }
        assert_ne!(seen_by(&url, "preview"), live);
    }
    switch(&world, &["--to", "set2"]).success().never_printed("shares").said("set1 -> set2 by link");
    world.run("bg-probe", &["--slot", "live"]).success().never_printed("shares").printed("\"live\":\"set2\"");
}

#[test]
fn the_release_chooses_who_meets_it_first() {
    let (world, url) = shared_site(World::new().serving());
    let mut met = BTreeSet::new();
    for version in ["1.1", "1.2"] {
        let app = world.fake_app(&["--version-text", version]).join(" ");
        world.run_line(format!("bg-probe | bg-launch -- {app} | bg-health | bg-switch --share 10")).success();
        met.insert(numbers(&url, "set2"));
        switch(&world, &["--share", "0"]).success();
    }
    assert_eq!(met.len(), 2, "{met:?}");
}

#[test]
fn a_slot_that_nginx_asks_at_another_port_gets_nobody_and_check_tells_before() {
    let (world, url) = shared_site(World::new().serving());
    // Somebody has changed the settings, and not the site.
    let (port, live) = (world.free_port(), world.port("set1"));
    let world = world.env("BG_SLOTS", &format!("set1={live},set2={port}"));
    let words = format!(
        "nginx asks set2 at 127.0.0.1:{} (upstream web_set2), and it is on port {port} of set2",
        world.port("set2")
    );
    world.run("bg-switch", &["--check"]).exit(1).printed(words);
    let words = |nginx: &str| ["--nginx", nginx, "--", "fake-app", "--version-text", "1.1"].map(str::to_owned);
    let deploy = |nginx: &str| world.cmd("bg-deploy").args(words(nginx)).ran();
    deploy(&world.nginx.command_line()).exit(1).said("nothing was touched");
    // Who may not read the configuration finds out before the switch.
    let refused = deploy("/nowhere").exit(5);
    refused.said("but nginx does not reach it: its upstream web_set2 has another address. nginx stays where it is");
    let answer = http::get(&format!("{url}/version")).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, "1.0"));
}

#[test]
fn a_canary_is_a_bare_pipeline() {
    let (world, url) = shared_site(World::new().serving());
    let app = world.fake_app(&["--version-text", "1.1"]).join(" ");
    let line = format!(
        "bg-probe | bg-launch -- {app} | bg-health | bg-switch --share 10 | bg-health --watch 2s | bg-switch || \
         {{ bg-switch --share 0; false; }}"
    );
    let traffic = Traffic::start(&format!("{url}/version"));
    let record = world.run_line(&line).success().record();
    assert_eq!(
        (&record["slot"], &record["live"], &record["shares"]),
        (&"set2".into(), &"set1".into(), &serde_json::Value::Null)
    );
    assert_eq!((&record["switch"]["from"], &record["switch"]["to"]), (&"set1".into(), &"set2".into()));
    assert_eq!(traffic.stop().failed, 0);
    assert_eq!(numbers(&url, "set2").len(), 100);

    let bad = world.fake_app(&["--version-text", "1.2", "--bad-after-ms", "1500"]).join(" ");
    let run = world.run_line(line.replace(&app, &bad)).exit(1);
    let held = |slot: &str| format!("release {}", world.held(slot).expect("a release"));
    run.said("bg-health: set1 went bad")
        .said(format!(
            "  serving   {} in set2 for 90 % of the visitors, {} in set1 for 10 %\n",
            held("set2"),
            held("set1")
        ))
        .said("  now       take them back: bg-switch --share 0\n")
        .said("-> set2 by link");
    assert_eq!(numbers(&url, "set2").len(), 100, "taken back");
}

#[test]
fn no_request_is_lost_while_shares_come_and_go_under_load() {
    let (world, url) = shared_site(World::new().both_running());
    let visitors = [("GET", "/profile"), ("POST", "/echo")]
        .map(|(method, path)| KeepAlive::start(method, &format!("{url}{path}"), 8));
    until(SOON, "visitors come", || visitors.iter().all(|visitors| visitors.sent() > 100));
    for round in 0..5 {
        for share in ["1", "10", "50"] {
            switch(&world, &["--to", "set2", "--share", share]).success();
        }
        let end = if round % 2 == 0 { ["--share", "0"] } else { ["--to", "set2"] };
        switch(&world, &end).success();
        switch(&world, &["--to", "set1"]).success();
    }
    for visitors in visitors {
        assert!(visitors.sent() > 1000, "{} requests", visitors.sent());
        assert_eq!(visitors.stop(), Vec::<String>::new());
    }
}

#[test]
fn no_answer_is_stale_when_a_share_has_been_switched() {
    let (world, url) = shared_site(World::new().both_running());
    for share in [10, 90, 30] {
        switch(&world, &["--to", "set2", "--share", &share.to_string()]).success();
        assert_eq!(numbers(&url, "set2").len(), share, "at once, for each of a hundred");
    }
}

#[test]
fn a_watch_of_a_share_asks_as_one_of_its_visitors() {
    let (world, _) = shared_site(World::new().both_running());
    let record = switch(&world, &["--to", "set2", "--share", "1"]).success().stdout();
    let fine = world.pipe(record.as_str(), "bg-health", &["--watch", "300ms", "--path", "/version"]);
    fine.success().said("set2 stayed well");
    switch(&world, &["--share", "0"]).success();
    world.pipe(record, "bg-health", &["--watch", "300ms", "--path", "/version"]).exit(9);
}

#[test]
fn a_share_that_is_given_twice_is_still_given() {
    let (world, url) = shared_site(World::new().both_running());
    for _ in 0..2 {
        switch(&world, &["--to", "set2", "--share", "10"]).success().said("set2 has 10 % of the visitors");
        assert_eq!(numbers(&url, "set2").len(), 10);
    }
}
