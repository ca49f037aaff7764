//! Two nginxes at once: a binary upgrade under way (USR2).

use std::collections::BTreeSet;

use bg_tests::{World, http, process};
use nix::sys::signal::Signal;

use super::{assert_untouched, wrapper};

/// What fresh connections get.
fn answers(world: &World) -> BTreeSet<String> {
    let url = world.nginx.front_url("/profile");
    (0..60).map(|_| http::get(&url).expect("an answer").body).collect()
}

#[test]
fn a_switch_by_reload_waits_for_an_upgrade_to_be_finished() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let old = world.nginx.upgrade();

    let refused = world.switch("set2").exit(5).printed_nothing().said("upgrade of nginx is under way");
    refused.said(format!("kill -QUIT $(cat {}.oldbin)", world.nginx.pid_file().display()));
    assert_untouched(&world, &before);
    let refused = world.run("bg-switch", &["--check"]).exit(1);
    refused.printed("fail    a binary upgrade of nginx is under way").printed("kill -QUIT $(cat ");
    world.run("bg-switch", &["--convert", "link"]).exit(5).said("upgrade of nginx is under way");
    assert_untouched(&world, &before);

    process::signal(old, Signal::SIGQUIT);
    process::gone(old);
    world.switch("set2").success();
    assert_eq!(answers(&world), BTreeSet::from(["set2".to_owned()]));
}

#[test]
fn an_old_master_without_workers_is_no_reason_to_wait() {
    let world = World::new().both_running();
    let old = world.nginx.upgrade();
    world.nginx.stop_workers_of(old);
    world.switch("set2").success().said("kill -QUIT $(cat ");
    assert_eq!(answers(&world), BTreeSet::from(["set2".to_owned()]));
    world.run("bg-switch", &["--check"]).success().printed("warn    a binary upgrade of nginx");
}

#[test]
fn a_switch_by_link_goes_on_in_an_upgrade() {
    let world = World::new().link_form().both_running();
    let _old = world.nginx.upgrade();
    for to in ["set2", "set1", "set2"] {
        world.switch(to).success();
        assert_eq!(answers(&world), BTreeSet::from([to.to_owned()]));
    }
    world.run("bg-switch", &["--check"]).success();
}

#[test]
fn a_switch_that_an_upgrade_overtakes_is_undone() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let pid_file = world.nginx.pid_file().display().to_string();
    // Between the first look and the reload somebody begins an upgrade.
    let upgrade = format!(
        "if [ \"$last\" = -t ] && [ ! -e {pid_file}.oldbin ]; then\n\
         kill -USR2 $(cat {pid_file})\nuntil [ -s {pid_file} ] && [ -e {pid_file}.oldbin ]; do sleep 0.01; done\nfi"
    );
    let nginx = wrapper(&world, "ngx", &upgrade);
    let flags = ["--to", "set2", "--nginx", &nginx, "--pid-file", &pid_file];
    world.run("bg-switch", &flags).exit(5).printed_nothing().said("upgrade of nginx is under way");
    assert_eq!(answers(&world), BTreeSet::from(["set1".to_owned()]));
    assert_untouched(&world, &before);
}
