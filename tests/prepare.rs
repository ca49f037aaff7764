//! A deploy in two steps: `--prepare` leaves a healthy release in the idle slot, and `--finish` or `--abandon` comes later.

/// What else is done while a release waits: a rollback, another deploy, a cron line.
mod beside;
/// Several applications on one server.
mod many;
/// Records that are no longer true, and files that are damaged.
mod refused;
/// Releases that no visitor was ever in.
mod unserved;

use bg_tests::{Ran, Run, Traffic, World, http, process, until};

use crate::share::site_with;
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// `bg-deploy --prepare` of fake-app with this version.
#[track_caller]
fn prepare(world: &World, version: &str) -> Ran {
    let app = world.fake_app(&["--version-text", version]);
    world.cmd("bg-deploy").args(["--prepare", "--"]).args(app).ran()
}

fn kept(world: &World) -> Option<Value> {
    let text = std::fs::read_to_string(world.dir().join("prepared.json")).ok()?;
    Some(serde_json::from_str(&text).expect("JSON"))
}

/// What the last lines of the history say was done, and how it ended.
fn told(world: &World) -> Vec<(String, Value)> {
    let ended =
        |line: &Value| (line["deploy"]["what"].as_str().unwrap_or_default().to_owned(), line["deploy"]["exit"].clone());
    world.history().iter().map(ended).collect()
}

#[test]
fn a_release_is_prepared_unseen_and_goes_live_when_it_is_finished() {
    let world = World::new().serving();
    let traffic = Traffic::start(&world.nginx.front_url("/version"));
    let prepared = prepare(&world, "1.1")
        .success()
        .said("waiting release ")
        .said(" in set2 is prepared; release ")
        .said("next    move nginx to it: bg-deploy --finish");
    assert_eq!(world.get("/version").body, "1.0");
    assert_eq!(world.get_slot("set2", "/version").expect("it waits").body, "1.1");
    let (record, file) = (prepared.record(), kept(&world).expect("a file"));
    assert_eq!(
        (&record["slot"], &record["launch"], &record["health"]),
        (&file["slot"], &file["launch"], &file["health"])
    );
    assert_eq!((&record["switch"], &record["deploy"]["what"]), (&Value::Null, &Value::from("prepare")));

    let held = world.held("set2").expect("a release");
    let table = world.run("bg-probe", &["--format", "table"]).success().stdout();
    let row = table.lines().find(|row| row.starts_with("set2")).expect("a row");
    assert!(row.contains(" prepared ") && row.contains(&held), "{table}");
    let probed = world.run("bg-probe", &[]).success().record();
    assert_eq!(probed["prepared"]["slot"], "set2");
    assert_eq!(probed["prepared"]["release"], held.as_str());

    let before = world.pid("set2");
    let finished = world.run("bg-deploy", &["--finish"]).success().said("health  UP").said("live    release ");
    assert_eq!(world.pid("set2"), before);
    assert_eq!(finished.record()["switch"]["to"], "set2");
    let seen = traffic.sent();
    until(SOON, "more visitors come", || traffic.sent() > seen + 20);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(told(&world)[1..], [("prepare".to_owned(), 0.into()), ("finish".to_owned(), 0.into())]);
    assert!(!world.run("bg-probe", &["--format", "table"]).stdout().contains("prepared"));
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_release_that_is_abandoned_leaves_the_slot_with_what_it_held_before() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.held("set1");
    prepare(&world, "1.2").success();
    let waits = world.pid("set1");
    world.run("bg-deploy", &["--abandon"]).success().said("set1 holds release ");
    assert!(!process::alive(waits));
    assert_eq!((world.held("set1"), kept(&world)), (before, None));
    assert_eq!(world.get("/version").body, "1.1");
    assert_eq!(told(&world)[2..], [("prepare".to_owned(), 0.into()), ("abandon".to_owned(), 0.into())]);
    world.run("bg-deploy", &["--abandon"]).success().said("nothing is prepared in ").said("; nothing was changed");
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0", "the way back is as it was");
}

#[test]
fn finish_takes_the_record_on_stdin_where_that_is_asked_for() {
    let world = World::new().serving();
    let line = prepare(&world, "1.1").success().stdout();
    world.run("bg-deploy", &["--finish", "-"]).exit(3).said("stdin is empty");
    assert_eq!(world.get("/version").body, "1.0");
    world.pipe(line, "bg-deploy", &["--finish", "-"]).success();
    assert_eq!(world.get("/version").body, "1.1");
    world.run("bg-deploy", &["--finish"]).success().said("set2 serves already");
    world.deploy(&["--version-text", "1.2"]).success();
    world.run("bg-deploy", &["--finish"]).exit(3).said("nothing is prepared in ");
    world.run("bg-deploy", &["--finish", "app.jar"]).exit(2).said("it takes - for the record on stdin");
}

#[test]
fn finish_runs_the_hooks_and_the_ramp_and_the_watch_of_a_deploy() {
    let world = World::new().serving();
    let hook = format!("sh -c 'cat >{}'", world.word("record.json"));
    let (success, all) = (format!("touch {}", world.word("done")), ["--watch", "200ms"]);
    let hooks = ["--before-switch", &hook, "--on-success", &success];
    let app = world.fake_app(&["--version-text", "1.1"]);
    world.cmd("bg-deploy").arg("--prepare").args(hooks).args(all).arg("--").args(app).ran().success();
    assert!(!world.path("record.json").exists() && !world.path("done").exists(), "no visitor sees anything yet");
    let finished = world.cmd("bg-deploy").arg("--finish").args(hooks).args(all).ran().success();
    let seen: Value = serde_json::from_str(&world.read("record.json")).expect("JSON");
    assert_eq!(seen["launch"]["release"], finished.record()["launch"]["release"]);
    let stages = &finished.record()["deploy"]["stages"];
    for stage in ["health", "before-switch", "switch", "watch"] {
        assert!(stages[stage].is_u64(), "{stage} in {stages}");
    }
    assert!(world.path("done").exists());
}

#[test]
fn a_pass_shows_what_is_prepared_until_it_is_finished() {
    let (world, url) = site_with(World::new(), "preview");
    let world = world.env("BG_FRONT", &format!("{url}/_bg/slot")).serving();
    prepare(&world, "1.1").success();
    let printed = world.run("bg-switch", &["--preview", "on"]).success().stdout();
    let cookie = printed.lines().find_map(|line| line.strip_prefix("BG_PREVIEW_COOKIE=")).expect("a cookie").to_owned();
    let seen = |cookie: &str| {
        http::request("GET", &format!("{url}/version"), &[("Cookie", cookie)], b"").expect("an answer").body
    };
    assert_eq!((seen(&cookie).as_str(), seen("").as_str()), ("1.1", "1.0"));
    world.run("bg-deploy", &["-q", "--finish"]).success().said_nothing();
    assert_eq!(seen(""), "1.1");
    assert!(world.names(world.dir().join("pass")).is_empty(), "the pass has ended");
}

#[test]
fn a_preparation_that_fails_leaves_nothing_behind() {
    let world = World::new().serving().env("BG_HEALTH_TIMEOUT", "1s");
    let app = world.fake_app(&["--boot-503-ms", "60000"]);
    world.cmd("bg-deploy").args(["--prepare", "--"]).args(app).ran().exit(4).said("was stopped").said("as before");
    assert!(kept(&world).is_none() && !world.listens("set2"));
    world.make_dir(world.dir().join("prepared.json"));
    let way_back = world.run("bg-launch", &["--slot", "set2", "--", "fake-app"]).success().record();
    prepare(&world, "1.1").exit(1).said("prepared.json is a folder, and no file").said("Move it away: mv ");
    assert_eq!(world.pid("set2"), way_back["launch"]["pid"]);
    assert!(process::alive(world.pid("set2")), "nothing was touched");
}

#[test]
fn finish_asks_for_the_health_again_and_what_is_ill_waits_on() {
    let world = World::new().serving().env("BG_HEALTH_TIMEOUT", "1s");
    prepare(&world, "1.1").success();
    let waits = world.pid("set2");
    process::signal(waits, nix::sys::signal::Signal::SIGSTOP);
    let failed = world.run("bg-deploy", &["--finish"]).exit(4);
    failed
        .said("waits on")
        .said("next      when the cause is gone, the same command again; or stop it: bg-deploy --abandon");
    assert_eq!(world.get("/version").body, "1.0");
    process::signal(waits, nix::sys::signal::Signal::SIGCONT);
    world.run("bg-deploy", &["--finish"]).success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_release_that_has_ended_while_it_waited_is_told_so_by_the_check_and_by_the_finish() {
    let world = World::new().serving();
    prepare(&world, "1.1").success();
    world.run("bg-deploy", &["--check", "--finish"]).success().printed("ok      release ");
    let waits = world.pid("set2");
    process::signal(waits, nix::sys::signal::Signal::SIGKILL);
    until(SOON, "it is gone", || !process::alive(waits));
    world.run("bg-deploy", &["--check", "--finish"]).exit(1).printed("and has ended there: prepare it again");
    let failed = world.run("bg-deploy", &["--finish"]);
    failed.said(" has ended\n").said("next      prepare it again; or give it up: bg-deploy --abandon");
}

#[test]
fn what_waits_still_is_named_where_nothing_had_to_be_prepared() {
    let world = World::new().serving();
    let app = world.fake_app(&["--version-text", "1.0"]);
    prepare(&world, "1.1").success();
    let file = world.word("app.bin");
    world.write("app.bin", "1");
    world.run("bg-deploy", &["--abandon"]).success();
    world.cmd("bg-deploy").arg(&file).arg("--").args(&app).ran().success();
    prepare(&world, "1.2").success();
    let same = world.cmd("bg-deploy").args(["--prepare", "--if-changed", &file, "--"]).args(&app).ran().success();
    same.said(" is prepared still: bg-deploy --finish moves nginx to that one, bg-deploy --abandon stops it");
}

#[test]
fn no_folder_is_made_where_the_settings_were_forgotten() {
    let world = World::new().serving();
    let elsewhere = world.word("elsewhere");
    world.run("bg-deploy", &["--dir", &elsewhere, "--finish"]).exit(3).said("nothing is prepared in ");
    world.run("bg-deploy", &["--dir", &elsewhere, "--abandon"]).success().said("/elsewhere; nothing was changed");
    assert!(!world.path("elsewhere").exists());
}

#[test]
fn what_has_a_share_of_the_visitors_is_not_abandoned() {
    let (world, _) = site_with(World::new().serving(), "");
    prepare(&world, "1.1").success();
    world.run("bg-switch", &["--to", "set2", "--share", "20"]).success();
    let refused = world.run("bg-deploy", &["--abandon"]).exit(7);
    refused.said("has a share of the visitors").said("Take them back with: bg-switch --share 0; ");
    assert!(process::alive(world.pid("set2")) && kept(&world).is_some());
}

#[test]
fn a_dry_run_of_each_step_prints_what_can_be_typed_in_its_place() {
    let world = World::new().serving();
    let line = |words: &[&str]| world.run("bg-deploy", words).success().stdout().trim().to_owned();
    let app = world.fake_app(&["--version-text", "1.1"]).join(" ");
    let to_prepare = line(&[&["--dry-run", "--prepare", "--"][..], &app.split(' ').collect::<Vec<_>>()].concat());
    assert_eq!(to_prepare, format!("bg-probe | bg-launch -- {app} | bg-health"));
    let file = world.dir().join("prepared.json").display().to_string();
    assert!(line(&["--dry-run", "--finish", "-"]).starts_with("bg-health | bg-switch"));
    assert_eq!(line(&["--dry-run", "--abandon"]), format!("<{file} bg-launch --stop"));
    prepare(&world, "1.1").success();
    let to_finish = line(&["--dry-run", "--finish"]);
    assert!(to_finish.starts_with(&format!("<{file} bg-health | bg-switch")), "{to_finish}");
    world.run_line(to_finish).success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn check_says_whether_what_is_prepared_can_be_finished() {
    let world = World::new().serving();
    let check = ["--check", "--finish"];
    world.run("bg-deploy", &check).exit(1).printed("nothing is prepared in ");
    prepare(&world, "1.1").success();
    let release = world.held("set2").expect("a release");
    world.run("bg-deploy", &check).success().printed(format!("release {release} is prepared in set2"));
    world.run("bg-deploy", &["--check", "--abandon"]).success().printed("is prepared in set2");
    world.run_line("bg-launch --slot set2 --stop && bg-launch --slot set2 --current </dev/null").success();
    world.run("bg-deploy", &check).exit(1).printed("the record is no longer true");
}
