//! `--if-changed`, the warning without it, and `--dry-run --json`: whether a deploy brings anything new.

use bg_tests::{Ran, Run, World};
use serde_json::Value;

use crate::share::{numbers, shared_site};

/// A file to deploy, with this in it.
fn artifact(world: &World, name: &str, text: &str) -> String {
    world.write(name, text).display().to_string()
}

/// `bg-deploy` of an artifact with these flags, started as fake-app.
#[track_caller]
fn deploy(world: &World, flags: &[&str], artifact: &str) -> Ran {
    world.cmd("bg-deploy").args(flags).args([artifact, "--"]).args(world.fake_app(&[])).ran()
}

#[track_caller]
fn dry(world: &World, artifact: &str) -> Value {
    let printed = deploy(world, &["--dry-run", "--json"], artifact).success().stdout();
    serde_json::from_str(&printed).expect("JSON")
}

#[test]
fn what_is_live_already_is_not_launched_again_where_that_is_asked_for() {
    let world = World::new();
    let (first, second) = (artifact(&world, "app-1.0", "one"), artifact(&world, "app-1.1", "two"));
    for (artifact, slot) in [(&first, "set1"), (&second, "set2")] {
        let done = deploy(&world, &["--if-changed"], artifact).success();
        assert_eq!(
            (done.record()["slot"].as_str(), &done.record()["deploy"]["changed"]),
            (Some(slot), &Value::Bool(true))
        );
    }
    let before = (world.pid("set1"), world.pid("set2"), world.releases(), world.history().len());
    // Another name for the same file is no other release.
    for same in [&second, &artifact(&world, "copied", "two")] {
        let done = deploy(&world, &["--if-changed"], same)
            .success()
            .said("app-1.1 is live in set2 already; nothing was changed");
        assert_eq!(done.record()["deploy"]["changed"], false);
        assert_eq!(done.record()["launch"]["unchanged"], true);
    }
    assert_eq!((world.pid("set1"), world.pid("set2"), world.releases(), world.history().len()), before);
    world.rollback().success();
    let done = deploy(&world, &["--if-changed"], &second).success();
    assert_eq!(done.record()["deploy"]["changed"], true, "it is the idle one now");
}

#[test]
fn each_thing_that_a_release_is_started_with_makes_it_another_one() {
    let world = World::new().env("GREETING", "hello");
    let app = artifact(&world, "app", "one");
    deploy(&world, &[], &app).success();
    let dry = |world: &World, app: &str, more: &[&str]| -> (Value, String) {
        let mut words = world.cmd("bg-deploy");
        words.args(["--dry-run", "--json", app, "--"]).args(world.fake_app(more));
        let line: Value = serde_json::from_str(&words.ran().success().stdout()).expect("JSON");
        (line["changed"].clone(), line["why"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(dry(&world, &app, &[]), (false.into(), String::new()));
    assert_eq!(dry(&world, &app, &["--boot-ms", "1"]), (true.into(), "the command".to_owned()));
    let other = artifact(&world, "other", "two");
    assert_eq!(dry(&world, &other, &[]), (true.into(), "the artifact".to_owned()));
    let world = world.env("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22").env("GITHUB_RUN_ID", "7").env("PWD", "/");
    assert_eq!(dry(&world, &app, &[]), (false.into(), String::new()), "who calls is no setting");
    let world = world.env("GREETING", "secret");
    assert_eq!(dry(&world, &app, &[]), (true.into(), "the environment: GREETING".to_owned()));
}

#[test]
fn a_dry_run_as_json_says_what_would_come_in_place_of_what_and_changes_nothing() {
    let world = World::new();
    let (first, second) = (artifact(&world, "app-1.0", "one"), artifact(&world, "app-1.1", "two"));
    let none = dry(&world, &first);
    assert_eq!((&none["changed"], &none["from"]), (&Value::Bool(true), &Value::Null));
    assert!(!world.dir().exists());
    let done = deploy(&world, &[], &first).success().record();
    let there = dry(&world, &second);
    assert_eq!(there["from"]["release"], done["launch"]["release"]);
    assert_eq!(there["from"]["sha256"], done["launch"]["sha256"]);
    assert_ne!(there["to"]["sha256"], done["launch"]["sha256"]);
    assert_eq!(dry(&world, &first)["changed"], false);
    assert_eq!(world.releases().len(), 1);
    let probed = world.run("bg-probe", &[]).success().record();
    assert_eq!(
        (&probed["live_release"], &probed["live_sha256"]),
        (&done["launch"]["release"], &done["launch"]["sha256"])
    );
    world.run("bg-deploy", &["--dry-run", "--json", "--rollback"]).exit(2).said("Name what is to be deployed");
    world.run("bg-deploy", &["--json", "x"]).exit(2);
}

#[test]
fn a_folder_is_compared_by_all_that_is_in_it() {
    let world = World::new();
    let folder = world.make_dir("dist");
    world.write("dist/a", "one");
    world.write("dist/b", "two");
    let folder = folder.display().to_string();
    let done = deploy(&world, &[], &folder).success().record();
    assert_eq!(world.run("bg-probe", &[]).success().record()["live_sha256"], done["launch"]["sha256"]);
    assert_eq!(dry(&world, &folder)["changed"], false);
    // As a build with its number in the name.
    let renamed = world.word("dist-124");
    std::fs::rename(&folder, &renamed).expect("a folder of ours");
    let (same, live) = (dry(&world, &renamed), &done["launch"]["sha256"]);
    assert_eq!((&same["changed"], &same["to"]["sha256"]), (&Value::Bool(false), live), "{same}");
    let again = deploy(&world, &["--if-changed"], &renamed).success().record();
    assert_eq!(again["deploy"]["changed"], false);
    let back = world.run("bg-probe", &[]).success().record();
    assert_eq!(&back["live_sha256"], live);
    let launched = deploy(&world, &[], &renamed).success().said("is live in set1 already").record();
    assert_eq!(&launched["launch"]["sha256"], live);
    std::fs::rename(&renamed, &folder).expect("a folder of ours");
    world.write("dist/b", "three");
    assert_eq!(dry(&world, &folder)["changed"], true);
}

#[test]
fn a_pipe_of_the_stages_ends_at_what_serves_where_nothing_has_changed() {
    let world = World::new();
    let app = artifact(&world, "app", "one");
    deploy(&world, &[], &app).success();
    let fake = world.fake_app(&[]).join(" ");
    let done =
        world.run_line(format!("bg-probe | bg-launch --if-changed {app} -- {fake} | bg-health | bg-switch")).success();
    assert_eq!(done.record()["switch"]["to"], "set1");
    assert!(!world.is_launched("set2"));
}

#[test]
fn what_is_live_and_deployed_again_is_told_and_the_release_before_stays_within_reach() {
    let world = World::new().env("BG_LAUNCH_KEEP", "1");
    let (first, second) = (artifact(&world, "app-1.0", "one"), artifact(&world, "app-1.1", "two"));
    deploy(&world, &[], &first).success();
    let oldest = world.held("set1").expect("1.0");
    deploy(&world, &[], &second).success().never_said("already");
    let again = deploy(&world, &[], &second).success();
    let back = format!("bg-deploy --rollback --to {oldest}\n");
    again
        .said(
            "warning: app-1.1 is live in set2 already, started in the same way: it takes the place of app-1.0 in set1",
        )
        .said(&back)
        .said(format!("older   set2 has the same artifact and command as set1; back to app-1.0 with: {back}"));
    // And once more, after which no slot has held 1.0 for two deploys.
    deploy(&world, &[], &second).success();
    assert!(world.releases().contains(&oldest), "{:?}", world.releases());
    world.rollback().success().said("warning: set1 has the same artifact and command as set2; back to ").said(&back);
    world.run("bg-deploy", &["--rollback", "--to", &oldest]).success();
    assert_eq!(world.held(&world.live().expect("a slot")), Some(oldest));
}

#[test]
fn what_is_live_and_deployed_again_over_what_was_never_live_takes_nothing_to_go_back_to() {
    let world = World::new();
    let (live, unseen) = (artifact(&world, "app-1.0", "one"), artifact(&world, "app-1.1", "two"));
    deploy(&world, &[], &live).success();
    world.cmd("bg-launch").args(["--slot", "idle", &unseen, "--"]).args(world.fake_app(&[])).ran().success();
    deploy(&world, &[], &live).success().said("app-1.0 is live in set1 already").never_said("a --rollback went");
}

#[test]
fn a_preparation_of_what_is_live_prepares_nothing_where_that_is_asked_for() {
    let world = World::new();
    let app = artifact(&world, "app", "one");
    deploy(&world, &[], &app).success();
    let done = deploy(&world, &["--prepare", "--if-changed"], &app).success();
    assert_eq!(
        (&done.record()["deploy"]["changed"], &done.record()["deploy"]["what"]),
        (&false.into(), &"prepare".into())
    );
    assert!(!world.is_launched("set2") && !world.dir().join("prepared.json").exists());
    let abandoned = world.run("bg-deploy", &["--abandon"]).success();
    assert_eq!(abandoned.record()["deploy"]["changed"], false);
}

#[test]
fn what_an_old_record_says_is_live_is_asked_again_before_it_is_left_as_it_is() {
    let (world, url) = shared_site(World::new());
    let (first, second) = (artifact(&world, "app-1.0", "one"), artifact(&world, "app-1.1", "two"));
    for artifact in [&first, &second] {
        deploy(&world, &[], artifact).success();
    }
    // set2 is live with 1.1.
    let record = world.run("bg-probe", &[]).success().stdout();
    let given = |words: &[&str]| {
        let mut launch = world.cmd("bg-launch");
        launch.args(words).args([second.as_str(), "--"]).args(world.fake_app(&[])).write_stdin(record.as_str()).ran()
    };
    given(&["--if-changed"]).success().said("app-1.1 is live in set2 already");
    world.switch("set1").success();
    let before = (world.pid("set1"), world.pid("set2"), world.releases());
    given(&["--if-changed"]).exit(7).said("set1 is live on").said("nothing in it may be touched").printed_nothing();
    given(&["--compare"]).exit(7).said("set1 is live on").printed_nothing();
    // Nor does a share end by it, which a bg-switch behind it would take back.
    world.run("bg-switch", &["--to", "set2", "--share", "10"]).success();
    given(&["--if-changed"]).exit(7).said("both slots serve: ").printed_nothing();
    assert_eq!(numbers(&url, "set2").len(), 10);
    assert_eq!((world.pid("set1"), world.pid("set2"), world.releases()), before);
}
