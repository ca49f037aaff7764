//! A job that looks at `BG_LIVE` is done by one release at a time, and so is a command of cron behind `--if-live`.

use std::time::Duration;

use bg_tests::{Run, World, http, process, until};
use nix::sys::signal::Signal;

use crate::share::shared_site;

const SOON: Duration = Duration::from_secs(20);

/// Deploys a release whose job writes into `jobs`; what the release is called.
#[track_caller]
fn deploy(world: &World) -> String {
    let file = world.word("jobs");
    let deploy = world.deploy(&["--job", &file]).success();
    deploy.record()["launch"]["release"].as_str().expect("a release").to_owned()
}

/// The lines so far.
fn lines(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("jobs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until the job is done by this release, and holds that from here on no other does it.
#[track_caller]
fn done_by_alone(world: &World, release: &str) {
    until(SOON, &format!("the job is done by {release}"), || lines(world).last().is_some_and(|last| last == release));
    let so_far = lines(world).len();
    until(SOON, "it is done many times", || lines(world).len() > so_far + 20);
    let since = &lines(world)[so_far..];
    assert!(since.iter().all(|line| line == release), "not {release} alone: {since:?}");
}

#[test]
fn a_job_is_done_by_the_live_release_alone_over_deploys_a_rollback_a_crash_and_a_reboot() {
    for world in [World::new(), World::new().link_form()] {
        let first = deploy(&world);
        done_by_alone(&world, &first);
        let second = deploy(&world);
        done_by_alone(&world, &second);
        world.rollback().success();
        done_by_alone(&world, &first);
        world.rollback().success();
        done_by_alone(&world, &second);

        process::signal(world.pid("set2"), Signal::SIGKILL);
        process::gone(world.pid("set2"));
        let so_far = lines(&world).len();
        world.run("bg-launch", &["--live"]).success();
        until(SOON, "it is done again", || lines(&world).len() > so_far + 20);
        assert!(lines(&world)[so_far..].iter().all(|line| *line == second), "the other release has done the job");

        for slot in ["set1", "set2"] {
            process::signal(world.pid(slot), Signal::SIGKILL);
            process::gone(world.pid(slot));
        }
        world.run("bg-launch", &["--live"]).success();
        done_by_alone(&world, &second);
    }
}

#[test]
fn what_stands_in_for_the_live_release_does_not_take_over_its_jobs() {
    let (world, url) = shared_site(World::new().serving());
    let first = deploy(&world);
    let second = deploy(&world);
    done_by_alone(&world, &second);
    let live = world.live().expect("a slot");
    process::signal(world.pid(&live), Signal::SIGKILL);
    process::gone(world.pid(&live));
    let so_far = lines(&world).len();
    for _ in 0..200 {
        assert_eq!(http::get(&format!("{url}/version")).expect("an answer").body, first, "it stands in");
    }
    assert_eq!(lines(&world).len(), so_far, "nobody does the job meanwhile");
    world.run("bg-launch", &["--live"]).success();
    done_by_alone(&world, &second);
}

#[test]
fn the_one_with_most_visitors_does_the_job_while_both_have_a_share() {
    let world = World::new().link_form();
    let groups = world.run("bg-switch", &["--print-site"]).success().stdout();
    world.nginx.add_to_http("groups", groups.split_once("\nserver {").expect("a server").0);
    world.nginx.reload();
    let first = deploy(&world);
    world.run("bg-switch", &["--convert", "link"]).success();
    let second = deploy(&world);
    for (share, does) in [("10", &second), ("50", &second), ("60", &first), ("99", &first)] {
        world.run("bg-switch", &["--to", "set1", "--share", share]).success();
        done_by_alone(&world, does);
    }
}

#[test]
fn an_application_is_told_where_it_sees_that_it_is_live() {
    let world = World::new().serving();
    let environment = world.get_slot("set1", "/env").expect("it runs").body;
    assert!(
        environment.contains(&format!("BG_LIVE={}\n", world.dir().join("live/is-set1").display())),
        "{environment}"
    );
}

#[test]
fn in_the_reload_form_a_switch_that_was_cut_short_before_it_told_so_is_ended_by_the_next_command() {
    let world = World::new().serving();
    world.deploy(&[]).success();
    // As if it had been killed right before: nginx is there, and the note too.
    world.remove(world.dir().join("live"));
    world.link("routes/set1", world.dir().join("live"));
    let note = serde_json::json!({"from": "set1", "to": "set2", "before": world.upstream_line("set1")});
    world.write(world.dir().join("switching.json"), note.to_string());
    world.run("bg-launch", &["--live"]).success();
    assert!(world.dir().join("live/is-set2").exists() && !world.is_half_switched());
    // And one that no note tells of, as after a switch by hand.
    world.remove(world.dir().join("live"));
    world.switch("set2").success().said("set2 serves already");
    assert!(world.dir().join("live/is-set2").exists());
}

#[test]
fn a_command_behind_if_live_runs_on_the_live_slot_alone() {
    let world = World::new().serving();
    let job = world.script("job", "echo \"$*\" $BG_APP; exit 5");
    let run = |slot: &str| world.run("bg-probe", &["--if-live", slot, "--", &job, "a b", "{slot}"]);
    run("set1").exit(5).printed_only("a b {slot} web\n").said_nothing();
    run("set2").success().printed_nothing().said_nothing();
    world.deploy(&[]).success();
    run("set1").success().printed_nothing().said_nothing();
    run("set2").exit(5);
    run("set3").exit(2).said("--if-live: \"set3\" is not a slot").printed_nothing();
    world
        .run("bg-probe", &["--if-live", "set2", "--", "/no/such"])
        .exit(1)
        .said("set2 is live, but /no/such is not there");
    world.run("bg-probe", &["--if-live", "set2"]).exit(2);
}

#[test]
fn a_command_behind_if_live_does_not_run_where_nobody_can_tell() {
    let world = World::new().both_running();
    world.edit_upstream("set2");
    let run = world.run("bg-probe", &["--if-live", "set1", "--", "echo", "twice"]).exit(7);
    run.printed_nothing().said("bg-probe: ");
}

#[test]
fn what_it_means_for_jobs_is_told_by_check_and_by_the_first_deploy_alone() {
    let world = World::new();
    let both =
        "scheduled jobs in both, unless they look at BG_LIVE; to have the old one end: BG_DEPLOY_STOP_OLD=after=10m";
    world.run("bg-deploy", &["--check"]).success().printed(both);
    let check = world.cmd("bg-deploy").env("BG_DEPLOY_STOP_OLD", "after=10m").arg("--check").ran().success();
    check.never_printed(both).printed("for 10m after a deploy scheduled jobs run in both releases");
    world.deploy(&[]).success().said(format!("\njobs    after a deploy both releases run, and so do {both}\n"));
    for _ in 0..2 {
        world.deploy(&[]).success().never_said("\njobs ");
    }
    let other = World::new();
    other
        .cmd("bg-deploy")
        .env("BG_DEPLOY_STOP_OLD", "now")
        .args(["--", "fake-app"])
        .ran()
        .success()
        .never_said("\njobs ");
}
