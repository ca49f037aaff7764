//! What becomes of a share when processes end, nginx among them.

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

#[test]
fn a_share_that_is_taken_back_while_nginx_is_down_has_nobody_when_nginx_is_back() {
    let (world, url) = shared();
    // Of the two, the one that everybody goes to is the one that most went to; then it is not.
    for share in ["30", "70"] {
        switch(&world, &["--to", "set2", "--share", share]).success();
        world.nginx.stop();
        let run = world.run("bg-switch", &["--share", "0", "--verify-timeout", "100ms"]).exit(5);
        let run = run.said("The link leads everybody to set1 all the same, and stays so").never_said("as it was");
        assert_eq!(run.advice("; start nginx: "), world.nginx.command_line());
        world.run_line(run.advice("; start nginx: ")).success();
        bg_tests::until(super::SOON, "nginx answers", || bg_tests::http::get(&url).is_ok());
        assert_eq!(numbers(&url, "set1").len(), 100);
        world.run_line(run.advice("see that nginx follows: ")).success().said("set1 serves already, seen 5 times");
        world.run("bg-probe", &[]).success().printed("\"slot\":\"set2\"").never_printed("shares");
    }
}

#[test]
fn a_share_that_is_taken_back_where_nginx_does_not_look_has_nobody_when_it_looks_again() {
    let (world, url) = shared();
    switch(&world, &["--to", "set2"]).success();
    switch(&world, &["--to", "set1", "--share", "30"]).success();
    // Where nginx may not look, everybody goes to the slot that served when the file was written.
    world.chmod(world.dir(), 0o700);
    let run = world.run("bg-switch", &["--share", "0", "--verify-timeout", "100ms"]).exit(5);
    run.said("the front still answered set1. The link leads everybody to set2 all the same").said("(mode 700)");
    world.chmod(world.dir(), 0o755);
    assert_eq!(numbers(&url, "set2").len(), 100);
}

#[test]
fn a_share_that_is_given_while_nginx_is_down_is_put_back() {
    let (world, url) = shared();
    world.nginx.stop();
    let run = world.run("bg-switch", &["--to", "set2", "--share", "30", "--verify-timeout", "100ms"]);
    assert_ne!(run.code(), Some(0), "{run}");
    world.nginx.start();
    assert_eq!(numbers(&url, "set2").len(), 10);
}
