//! Two nginxes at once: a binary upgrade under way (USR2).

use std::collections::BTreeSet;

use bg_tests::{World, http, process};
use nix::sys::signal::Signal;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use super::{assert_untouched, both_run, said, switch, wrapper};

/// What fresh connections get.
fn answers(world: &World) -> BTreeSet<String> {
    let url = world.nginx.front_url("/profile");
    (0..60).map(|_| http::get(&url).expect("an answer").body).collect()
}

#[test]
fn a_switch_by_reload_waits_for_an_upgrade_to_be_finished() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let old = world.nginx.upgrade();

    let refused = switch(&world, "set2").code(5).stdout("");

    let pid_file = world.nginx.pid_file();
    for words in ["upgrade of nginx is under way", &format!("kill -QUIT $(cat {}.oldbin)", pid_file.display())] {
        assert!(said(&refused).contains(words), "{}", said(&refused));
    }
    assert_untouched(&world, &before);
    let check = world.cmd("bg-switch").arg("--check").assert().code(1);
    check.stdout(contains("fail    a binary upgrade of nginx is under way").and(contains("kill -QUIT $(cat ")));
    let refused = world.cmd("bg-switch").args(["--convert", "link"]).assert().code(5);
    assert!(said(&refused).contains("upgrade of nginx is under way"), "{}", said(&refused));
    assert_untouched(&world, &before);

    process::signal(old, Signal::SIGQUIT);
    process::gone(old);
    switch(&world, "set2").success();
    assert_eq!(answers(&world), BTreeSet::from(["set2".to_owned()]));
}

#[test]
fn an_old_master_without_workers_is_no_reason_to_wait() {
    let world = both_run();
    let old = world.nginx.upgrade();
    world.nginx.stop_workers_of(old);
    let moved = switch(&world, "set2").success();
    assert!(said(&moved).contains("kill -QUIT $(cat "), "{}", said(&moved));
    assert_eq!(answers(&world), BTreeSet::from(["set2".to_owned()]));
    world.cmd("bg-switch").arg("--check").assert().success().stdout(contains("warn    a binary upgrade of nginx"));
}

#[test]
fn a_switch_by_link_goes_on_in_an_upgrade() {
    let world = World::new().link_form();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    let _old = world.nginx.upgrade();
    for to in ["set2", "set1", "set2"] {
        switch(&world, to).success();
        assert_eq!(answers(&world), BTreeSet::from([to.to_owned()]));
    }
    world.cmd("bg-switch").arg("--check").assert().success();
}

#[test]
fn a_switch_that_an_upgrade_overtakes_is_undone() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let pid_file = world.nginx.pid_file().display().to_string();
    // Between the first look and the reload somebody begins an upgrade.
    let upgrade = format!(
        "if [ \"$last\" = -t ] && [ ! -e {pid_file}.oldbin ]; then\n\
         kill -USR2 $(cat {pid_file})\nuntil [ -s {pid_file} ] && [ -e {pid_file}.oldbin ]; do sleep 0.01; done\nfi"
    );
    let nginx = wrapper(&world, "ngx", &upgrade);
    let flags = ["--to", "set2", "--nginx", &nginx, "--pid-file", &pid_file];
    let refused = world.cmd("bg-switch").args(flags).assert().code(5).stdout("");
    assert!(said(&refused).contains("upgrade of nginx is under way"), "{}", said(&refused));
    assert_eq!(answers(&world), BTreeSet::from(["set1".to_owned()]));
    assert_untouched(&world, &before);
}
