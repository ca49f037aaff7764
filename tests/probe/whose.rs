//! Another application's site: a settings file that was copied, and changed by half.

use std::path::{Path, PathBuf};

use bg_tests::{Ran, Run, World, process};

/// One of our programs with the settings of the first application, but for its name and folder.
#[track_caller]
fn copied(world: &World, app: &str, dir: &Path, program: &str, words: &[&str]) -> Ran {
    world.cmd(program).env("BG_APP", app).env("BG_DIR", dir).args(words).ran()
}

fn second_folder(world: &World) -> PathBuf {
    world.path("second")
}

#[test]
fn a_second_application_with_the_first_ones_site_is_refused() {
    let world = World::new();
    world.deploy(&["--version-text", "first"]).success();
    let (dir, app) = (second_folder(&world), world.pid("set1"));
    // Another name, and the same name from another folder.
    for name in ["shop", "web"] {
        let served = format!("set1 is served by pid {app} (");
        let refused = |program: &str, words: &[&str]| {
            let run = copied(&world, name, &dir, program, words).exit(7).said(&served);
            run.said("launched as web").said("Nothing was touched")
        };
        refused("bg-deploy", &["--", "fake-app", "--version-text", "second"]);
        refused("bg-probe", &[]).printed_nothing();
        let check = copied(&world, name, &dir, "bg-deploy", &["--check", "--", "fake-app"]);
        check.exit(1).printed(format!("fail    {served}"));
        for words in [&["--slot", "set2", "--", "fake-app"][..], &["--slot", "set2", "--stop"]] {
            refused("bg-launch", words);
        }
    }
    assert_eq!(world.get("/version").body, "first");
    assert!(process::alive(app) && !world.listens("set2"));
}

#[test]
fn a_way_back_that_another_folder_has_launched_is_neither_taken_over_nor_switched_to() {
    let world = World::new();
    world.deploy(&["--version-text", "1.0"]).success();
    world.deploy(&["--version-text", "1.1"]).success();
    let (dir, back) = (second_folder(&world), world.pid("set1"));
    copied(&world, "shop", &dir, "bg-switch", &["--to", "set1"])
        .exit(7)
        .said(format!("set1 is served by pid {back} ("));
    // What serves was started by hand, so that only the idle slot is somebody's.
    let (live, set2) = (world.pid("set2"), world.port("set2"));
    process::signal(live, nix::sys::signal::Signal::SIGKILL);
    bg_tests::until(super::SOON, "it has ended", || !world.listens("set2"));
    world.start_fake("set2", &["--version-text", "by-hand"]);
    let said = "bg-launch started for web from another folder. Nothing was touched";
    copied(&world, "shop", &dir, "bg-deploy", &["--launch-adopt", "--", "fake-app"]).exit(7).said(said);
    copied(&world, "shop", &dir, "bg-launch", &["--slot", "set1", "--adopt", "--stop"]).exit(7).said(said);
    assert!(process::alive(back), "{set2}");
    assert_eq!(world.get("/version").body, "by-hand");
}

#[test]
fn a_release_that_two_folders_have_by_one_name_is_the_folders_that_launched_it() {
    let world = World::new();
    world.deploy(&["--version-text", "1.0"]).success();
    world.deploy(&["--version-text", "1.1"]).success();
    // One file that is deployed from two folders within a second has one name in both.
    let dir = second_folder(&world);
    for slot in ["set1", "set2"] {
        world.make_dir(dir.join("releases").join(world.held(slot).expect("a release")));
    }
    let (back, live) = (world.pid("set1"), world.pid("set2"));
    let served = format!("set2 is served by pid {live} (");
    copied(&world, "web", &dir, "bg-probe", &[]).exit(7).said(&served);
    copied(&world, "web", &dir, "bg-deploy", &["--launch-adopt", "--", "fake-app"]).exit(7).said(&served);
    process::signal(live, nix::sys::signal::Signal::SIGKILL);
    bg_tests::until(super::SOON, "it has ended", || !world.listens("set2"));
    world.start_fake("set2", &["--version-text", "by-hand"]);
    let said = "bg-launch started for web from another folder. Nothing was touched";
    copied(&world, "web", &dir, "bg-launch", &["--slot", "set1", "--adopt", "--stop"]).exit(7).said(said);
    assert!(process::alive(back));
    // What its own folder has launched is that one's, by whatever way the folder was named.
    let same = world.path("same");
    world.link(world.dir(), &same);
    copied(&world, "web", &same, "bg-launch", &["--slot", "set1", "--stop"]).success();
    assert!(!process::alive(back));
}

#[test]
fn a_link_of_another_folder_is_another_applications() {
    let world = World::new().link_form();
    // Started by hand, it carries no marks: the link alone says whose site it is.
    world.start_fake("set1", &[]);
    let dir = second_folder(&world);
    let looks = format!("looks at {}", world.dir().join("live").display());
    copied(&world, "web", &dir, "bg-deploy", &["--", "fake-app"]).exit(7).said(&looks);
    let check = copied(&world, "web", &dir, "bg-probe", &["--check"]).exit(1);
    check.printed("fail    the upstream file").printed(&looks);
    assert!(!world.listens("set2"));

    // By another way to the same folder it is the same.
    world.make_dir(world.dir());
    let same = world.path("same");
    world.link(world.dir(), &same);
    copied(&world, "web", &same, "bg-probe", &[]).success();
}

#[test]
fn what_a_release_starts_beside_its_session_is_its_own() {
    let world = World::new();
    let serve = "setsid fake-app --fork-server & exec sleep 600";
    world.run("bg-deploy", &["--", "sh", "-c", serve]).success();
    world.deploy(&[]).success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}
