//! What becomes of a share when processes end.

use bg_tests::{World, process};
use nix::sys::signal::Signal;

use super::{numbers, shared_site, switch};

/// Two releases, of which the one in set2 has a tenth of the visitors.
fn shared() -> (World, String) {
    let (world, url) = shared_site(World::new().serving());
    let app = world.fake_app(&["--version-text", "1.1"]).join(" ");
    world.run_line(format!("bg-probe | bg-launch -- {app} | bg-health | bg-switch --share 10")).success();
    (world, url)
}

fn kill(world: &World, slot: &str) {
    let pid = world.pid(slot);
    process::signal(pid, Signal::SIGKILL);
    process::gone(pid);
}

#[test]
fn live_starts_what_has_a_share_as_well() {
    let (world, url) = shared();
    for slots in [&["set1", "set2"][..], &["set2"], &["set1"]] {
        for slot in slots {
            kill(&world, slot);
        }
        world.run("bg-launch", &["--live"]).success();
        for slot in ["set1", "set2"] {
            bg_tests::until(super::SOON, "it runs again", || world.listens(slot));
        }
        assert_eq!(numbers(&url, "set2").len(), 10, "{slots:?}");
    }
    switch(&world, &["--share", "0"]).success();
    kill(&world, "set2");
    world.run("bg-launch", &["--live"]).success();
    assert!(!world.listens("set2"), "it has no visitors");
}

#[test]
fn a_share_of_a_slot_that_is_down_is_taken_back_and_one_whose_old_slot_is_down_is_made_whole() {
    let (world, url) = shared();
    kill(&world, "set2");
    world.deploy(&["--version-text", "1.2"]).exit(7);
    switch(&world, &["--to", "set2"]).exit(5);
    switch(&world, &["--share", "0"]).success();
    assert_eq!(numbers(&url, "set1").len(), 100);

    let (world, url) = shared();
    kill(&world, "set1");
    switch(&world, &["--share", "0"]).exit(5);
    switch(&world, &["--to", "set2"]).success();
    assert_eq!(numbers(&url, "set2").len(), 100);
    world.deploy(&["--version-text", "1.2"]).success();
}

#[test]
fn a_deploy_after_both_have_ended_is_not_held_up_by_the_share() {
    let (world, url) = shared();
    kill(&world, "set1");
    kill(&world, "set2");
    world.deploy(&["--version-text", "1.2"]).success();
    let live = world.get_slot("set2", "/version").map_or_else(|_| "set1", |_| "set2");
    assert_eq!(numbers(&url, live).len(), 100);
}
