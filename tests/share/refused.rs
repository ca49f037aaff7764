//! What a switch of a share refuses, and what is refused while one is out.

use bg_tests::{Run, World, process};
use nix::sys::signal::Signal;

use super::{numbers, shared_site, switch};

#[test]
fn a_share_is_refused_in_the_reload_form_and_by_a_file_that_looks_for_one_slot() {
    let world = World::new().both_running();
    let run = switch(&world, &["--to", "set2", "--share", "10"]).exit(1);
    run.said("has the reload form").said("bg-switch --convert link");
    let world = world.link_form();
    let run = switch(&world, &["--to", "set2", "--share", "10"]).exit(1);
    run.said("has nginx look for one slot").said("install the site of bg-switch --print-site");
    assert!(!world.dir().join("live").exists(), "nothing was touched");
}

#[test]
fn a_share_is_a_number_below_a_hundred() {
    let world = World::new();
    for bad in ["100", "-1", "ten", "1.5", ""] {
        switch(&world, &["--to", "set2", &format!("--share={bad}")]).exit(2);
    }
}

#[test]
fn a_share_is_refused_of_the_slot_that_serves_everybody_and_where_a_slot_is_down() {
    let (world, url) = shared_site(World::new().set1_running());
    let run = switch(&world, &["--to", "set1", "--share", "10"]).exit(7);
    let run = run.said("everybody goes to set1 already, so there is no share to give it. Nothing was touched");
    assert_eq!(run.advice("To give set2 that share: "), "bg-switch --to set2 --share 10");
    switch(&world, &["--to", "set2", "--share", "10"]).exit(5).said("nothing listens on port");
    world.start_fake("set2", &[]);
    switch(&world, &["--to", "set2", "--share", "10"]).success();
    assert_eq!(numbers(&url, "set2").len(), 10);
}

#[test]
fn a_share_is_refused_where_the_front_can_not_be_asked_as_a_visitor() {
    let (world, url) = shared_site(World::new().both_running());
    // A page of another server, which names a slot and knows nothing of visitors.
    let listen = format!("127.0.0.1:{}", world.free_port());
    world.nginx.add_to_http("other", &format!("server {{ listen {listen}; location / {{ return 200 set1; }} }}\n"));
    world.nginx.reload();
    let front = format!("http://{listen}/");
    let run = switch(&world, &["--to", "set2", "--share", "10", "--front", &front]).exit(1);
    run.said("answers set1 where X-Bg-Visitor: set2 is asked").said("Let --front be /_bg/slot at 127.0.0.1");
    assert_eq!(numbers(&url, "set1").len(), 100);
}

#[test]
fn while_a_share_is_out_nothing_in_either_slot_is_touched() {
    let (world, url) = shared_site(World::new().serving());
    let app = world.fake_app(&["--version-text", "1.1"]).join(" ");
    let record = world.run_line(format!("bg-probe | bg-launch -- {app} | bg-health | bg-switch --share 10")).success();
    let both = |run: bg_tests::Ran| {
        run.exit(7)
            .said("both slots serve: set1 has 90 % of the visitors, set2 has 10 %")
            .said("Give set2 all of them with: bg-switch --to set2; or take its share back with: bg-switch --share 0");
    };
    both(world.deploy(&["--version-text", "1.2"]));
    both(world.rollback());
    both(world.run("bg-probe", &[]));
    both(world.run("bg-probe", &["--slot", "idle", "--format", "name"]));
    for slot in ["set1", "set2"] {
        both(world.run("bg-launch", &["--slot", slot, "--stop"]));
        both(world.cmd("bg-launch").args(["--slot", slot, "--adopt", "--"]).args(world.fake_app(&[])).ran());
    }
    both(world.pipe(record.stdout(), "bg-launch", &["--stop"]));
    world.run("bg-switch", &["--convert", "reload"]).exit(7).said("both slots serve");
    assert_eq!(numbers(&url, "set2").len(), 10);
    assert!(world.listens("set1") && world.listens("set2"));
}

#[test]
fn what_is_to_stop_the_old_release_later_waits_while_that_has_a_share() {
    let (world, _) = shared_site(World::new().serving());
    world.run_line("bg-probe | bg-launch -- fake-app | bg-health | bg-switch --share 10").success();
    let record = world.run("bg-probe", &["--slot", "set1"]).success().stdout();
    world.pipe(record, "bg-launch", &["--stop", "--after", "1ms"]).success();
    let waits = || {
        let is_it = |pid: &u32| process::alive(*pid) && process::command_line(*pid).iter().any(|w| w == "--detached");
        world.processes().iter().any(is_it)
    };
    // It has begun to wait for the end of the share, or given up, by the time that it looks again.
    bg_tests::until(super::SOON, "it has looked", || !world.read(world.dir().join("slots/set1/stop.log")).is_empty());
    switch(&world, &["--to", "set2", "--share", "50"]).success();
    assert!(waits() && world.listens("set1"), "{}", world.read(world.dir().join("slots/set1/stop.log")));
    switch(&world, &["--to", "set2"]).success();
    bg_tests::until(super::SOON, "the old release is stopped", || !world.listens("set1"));
    bg_tests::until(super::SOON, "nobody waits any more", || !waits());
}

#[test]
fn check_refuses_what_a_deploy_would_be_refused_for_while_a_share_is_out() {
    let (world, _) = shared_site(World::new().serving());
    let pid = world.start_fake("set2", &[]);
    switch(&world, &["--to", "set2", "--share", "10"]).success();
    let refused = |is_down: bool| {
        for program in ["bg-probe", "bg-launch", "bg-deploy"] {
            let check = world.run(program, &["--check", "--", "fake-app"][..if program == "bg-probe" { 1 } else { 3 }]);
            let text = check.exit(1).stdout();
            let fails: Vec<&str> = text.lines().filter(|line| line.starts_with("fail ")).collect();
            let both = "both slots serve: set1 has 90 % of the visitors, set2 has 10 %. Nothing was touched: give set2";
            assert!(fails.len() == 1 && fails[0].contains(both), "{program} {is_down}\n{text}");
            assert!(fails[0].ends_with("with: bg-switch --share 0"), "{program}\n{text}");
            assert!(!text.contains("the idle set2") && !text.contains("next deploy"), "{program}\n{text}");
        }
        let json = world.run("bg-deploy", &["--check", "--json", "--", "fake-app"]).exit(1).stdout();
        assert!(json.contains(r#""exit":7"#), "{json}");
    };
    refused(false);
    // A share of a slot that is down is one still.
    process::signal(pid, Signal::SIGKILL);
    process::gone(pid);
    refused(true);
    switch(&world, &["--share", "0"]).success();
    world.run("bg-deploy", &["--check", "--", "fake-app"]).success();
}

#[test]
fn a_share_of_which_nothing_is_seen_is_put_back() {
    let (world, url) = shared_site(World::new().both_running());
    switch(&world, &["--to", "set2", "--share", "10"]).success();
    let before = numbers(&url, "set2");
    // It names the slot that is asked for, and never that of a number.
    let listen = format!("127.0.0.1:{}", world.free_port());
    world.nginx.add_to_http(
        "other",
        &format!(
            "map $http_x_bg_visitor $answered {{ default set1; set2 set2; }}\n\
             server {{ listen {listen}; location / {{ return 200 $answered; }} }}\n"
        ),
    );
    world.nginx.reload();
    let front = format!("http://{listen}/");
    let run = switch(&world, &["--to", "set2", "--share", "30", "--front", &front]).exit(5);
    run.said("The link is as it was");
    assert_eq!(numbers(&url, "set2"), before);
}
