use super::{SOON, limit};
use bg_tests::{Run, World, process, until};
use nix::sys::signal::Signal;
use std::fs::File;
use std::time::{Duration, Instant, SystemTime};

#[test]
fn rollback_takes_a_second_and_launches_nothing_when_the_release_before_runs() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.pid("set1");
    let mut best = SOON;
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2"), ("1.0", "set1")] {
        let began = Instant::now();
        let rollback = world.rollback().success();
        best = best.min(began.elapsed());
        rollback.said(format!("runs already in {slot}"));
        assert_eq!(world.get("/version").body, version);
    }
    assert_eq!(world.pid("set1"), before);
    assert!(best < limit(Duration::from_secs(1)), "{best:?}");
    assert_eq!(world.history().len(), 5);
}

#[test]
fn a_second_rollback_says_that_it_goes_forward_to_the_release_that_the_first_left() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let [old, new] = ["set1", "set2"].map(|slot| world.held(slot).expect("a release"));
    let first = world.rollback().success().never_said("forward to");
    let again = format!("one more --rollback goes forward again, to release {new} in set2: bg-deploy --rollback\n");
    first.said(format!("live    release {old} in set1; {again}"));
    let second = world.rollback().success();
    second
        .said(format!("forward to release {new} in set2, which is newer than release {old} in set1\n"))
        .said(format!("live    release {new} in set2; back to release {old} in set1 with: bg-deploy --rollback\n"));
}

#[test]
fn of_two_releases_the_newer_one_is_that_which_was_made_later_whatever_their_names_say() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    // The clock was behind when 1.1 was named.
    let folder = world.dir().join("releases").join(world.held("set1").expect("1.0"));
    let later = SystemTime::now() + Duration::from_secs(60);
    File::open(folder).expect("open").set_modified(later).expect("date");
    world.rollback().success().said("forward to release ").never_said("goes forward again");
    world.rollback().success().never_said("forward to").said("goes forward again");
}

#[test]
fn rollback_starts_the_release_before_when_its_process_is_gone() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.pid("set1");
    process::signal(before, Signal::SIGKILL);
    until(SOON, "1.0 is gone", || !process::alive(before));
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
    assert_ne!(world.pid("set1"), before);
}

#[test]
fn a_deploy_after_a_crash_of_both_slots_says_how_to_go_back_to_what_was_live_before() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.held("set2").expect("1.1");
    let crash = || {
        for pid in ["set1", "set2"].map(|slot| world.pid(slot)) {
            process::signal(pid, Signal::SIGKILL);
            until(SOON, "it is gone", || !process::alive(pid));
        }
    };
    crash();
    let deploy = world.deploy(&["--version-text", "1.2"]).success();
    let back = format!("; back to release {before} in set2 with: bg-deploy --rollback\n");
    deploy.said(&back).never_said("nothing to go back to");
    crash();
    let again = world.rollback().success();
    let newer = world.held("set1").expect("1.2");
    again.said(format!("one more --rollback goes forward again, to release {newer} in set1: bg-deploy --rollback\n"));
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn a_first_deploy_beside_a_release_that_was_never_live_has_nothing_to_go_back_to() {
    let world = World::new();
    world.run("bg-launch", &["--slot", "set2", "--", "fake-app"]).success();
    process::signal(world.pid("set2"), Signal::SIGKILL);
    until(SOON, "it is gone", || !process::alive(world.pid("set2")));
    world.deploy(&[]).success().said(" in set1; there is nothing to go back to yet\n");
    world.rollback().exit(7).said("no visitor has ever been in ");
}

#[test]
fn rollback_takes_what_hand_made_scripts_left_in_the_slot() {
    let world = World::new();
    world.start_fake("set1", &["--version-text", "by hand"]);
    world.deploy(&["--version-text", "1.0"]).success();
    world.rollback().success().said("not as bg-launch started it");
    assert_eq!(world.get("/version").body, "by hand");
}

#[test]
fn rollback_exits_1_when_the_slot_holds_no_release() {
    let world = World::new().serving();
    world.rollback().exit(1).said("set2 holds no release").said("in set1, as before");
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn rollback_exits_4_when_the_release_before_is_not_healthy() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let world = world.env("BG_HEALTH_TIMEOUT", "1s");
    let before = world.pid("set1");
    process::signal(before, Signal::SIGSTOP);
    world.rollback().exit(4);
    assert_eq!(world.get("/version").body, "1.1");
    assert!(process::alive(before), "what this run did not launch, it does not stop");
}

#[test]
fn rollback_to_goes_back_to_an_older_release() {
    let world = World::new().serving();
    for version in ["1.1", "1.2"] {
        world.deploy(&["--version-text", version]).success();
    }
    let oldest = world.history()[0]["launch"]["release"].as_str().expect("a name").to_owned();
    let back = ["--rollback", "--to", &oldest];
    world.run("bg-deploy", &back).success();
    assert_eq!(world.get("/version").body, "1.0");
    assert_eq!(world.get_slot("set1", "/version").expect("what served is up").body, "1.2");
}

#[test]
fn rollback_to_exits_2_and_lists_the_releases_when_none_matches() {
    let world = World::new().serving();
    let there = world.history()[0]["launch"]["release"].as_str().expect("a name").to_owned();
    world.run("bg-deploy", &["--rollback", "--to", "1999"]).exit(2).said("no release begins with \"1999\"").said(there);
    for words in [&["--to", "2026"][..], &["--to", "2026", "app.jar"]] {
        world.run("bg-deploy", words).exit(2).printed_nothing();
    }
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn what_is_refused_and_what_has_nothing_to_do_makes_no_folder() {
    let world = World::new().serving();
    let missing = world.path("missing");
    let calls: [(&str, &[&str], i32, &str); 10] = [
        ("bg-deploy", &["--rollback"], 7, "set1 is served by pid "),
        ("bg-deploy", &["--rollback", "--to", "2026"], 7, "set1 is served by pid "),
        ("bg-switch", &["--to", "set1"], 7, "set1 is served by pid "),
        ("bg-switch", &["--to", "set2"], 5, "nothing listens on port "),
        ("bg-switch", &["--share", "0"], 0, "no share of the visitors is out"),
        ("bg-switch", &["--linger", "0"], 0, "nobody stays with an old release"),
        ("bg-switch", &["--preview", "off"], 0, "there is no pass"),
        ("bg-launch", &["--live", "-v"], 0, "no slot holds a release yet"),
        ("bg-launch", &["--companion", "--stop"], 0, "no companion runs"),
        ("bg-deploy", &["--abandon"], 0, "nothing is prepared in "),
    ];
    for (program, words, code, said) in calls {
        world.cmd(program).env("BG_DIR", &missing).args(words).ran().exit(code).said(said);
        assert!(!missing.exists(), "{program} {words:?}");
    }
}

#[test]
fn rollback_where_nothing_was_ever_deployed_says_so_and_makes_no_folder() {
    let world = World::new();
    world.start_fake("set1", &["--version-text", "by hand"]);
    let nothing = format!("there is nothing to go back to: {} is not there", world.dir().display());
    for words in [&["--rollback"][..], &["--rollback", "--to", "2026"]] {
        world.run("bg-deploy", words).exit(1).said(&nothing);
        assert!(!world.dir().exists(), "{words:?}");
    }
    // What other scripts have started is somewhere to go.
    world.start_fake("set2", &["--version-text", "the other"]);
    world.rollback().success();
    assert_eq!(world.get("/version").body, "the other");
}
