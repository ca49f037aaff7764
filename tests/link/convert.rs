//! From one form to the other: the live slot is kept, the other lines too, and nothing is left half done.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use bg_tests::{Traffic, World, programs};
use predicates::str::contains;

use super::{both_run_in_the_reload_form, convert, printed_site, said, switch};

#[test]
fn the_scripts_site_converts_there_and_back_and_keeps_the_slot() {
    let world = both_run_in_the_reload_form();
    world.point_at("set2");
    let before = format!("# who is live\n{}set $other yes; # kept\n", world.nginx.read_upstream());
    world.nginx.write_upstream(&before);
    world.nginx.reload();
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let converted = convert(&world, "link").success();
    assert!(said(&converted).contains("has the link form now; set2 serves as before"), "{}", said(&converted));
    let text = world.nginx.read_upstream();
    assert!(text.contains(&format!("set $service_url http://127.0.0.1:{};", world.port("set1"))), "{text}");
    assert!(text.starts_with("# who is live\n") && text.ends_with("set $other yes; # kept\n"), "{text}");
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(said(&convert(&world, "link").success()).contains("nothing was changed"));

    convert(&world, "reload").success();
    assert_eq!(world.nginx.read_upstream(), before);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
    switch(&world, "set1").success();
}

#[test]
fn the_printed_site_converts_to_its_groups() {
    let (world, url) = printed_site(both_run_in_the_reload_form());
    let traffic = Traffic::start(&format!("{url}/profile"));
    convert(&world, "link").success();
    let text = world.nginx.read_upstream();
    assert!(text.contains("http://web_set1;") && text.contains("http://web_set2;"), "{text}");
    switch(&world, "set2").success();
    convert(&world, "reload").success();
    assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_conversion_that_fails_leaves_the_old_bytes() {
    let world = both_run_in_the_reload_form();
    let before = world.nginx.read_upstream();
    world.nginx.add_to_http("broken", "oops;\n");
    let refused = convert(&world, "link").code(5);
    assert!(said(&refused).contains("unknown directive \"oops\""), "{}", said(&refused));
    assert_eq!(world.nginx.read_upstream(), before);
    assert!(!world.dir().join("switching.json").exists());
}

#[test]
fn a_conversion_that_was_killed_is_undone_by_the_next_switch() {
    let world = both_run_in_the_reload_form();
    kill_a_conversion(&world);
    assert!(world.nginx.read_upstream().contains("if (-f"), "half-way");
    assert_eq!(world.live().as_deref(), Some("set1"));

    let moved = switch(&world, "set2").success().stdout(contains("\"form\":\"reload\""));
    assert!(said(&moved).contains("was cut short and is undone"), "{}", said(&moved));
    assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_conversion_that_was_killed_does_not_pull_nginx_back_later() {
    let world = both_run_in_the_reload_form();
    kill_a_conversion(&world);
    world.point_at("set2");
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let moved = switch(&world, "set2").success();
    assert!(said(&moved).contains("set2 serves since, and stays"), "{}", said(&moved));
    let counts = traffic.stop();
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
}

/// Ends in the moment between the new file and the reload.
fn kill_a_conversion(world: &World) {
    let wrapper = world.folder().join("ngx");
    let nginx = world.nginx.command_line();
    let script = format!("#!/bin/sh\nfor last; do :; done\n[ \"$last\" = -t ] && kill -9 $PPID\nexec {nginx} \"$@\"\n");
    fs::write(&wrapper, script).expect("our folder");
    fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).expect("our folder");
    let mut command = world.command(&programs::ours("bg-switch"));
    let status = command.args(["--convert", "link", "--nginx"]).arg(&wrapper).stdout(Stdio::null()).status();
    assert_eq!(status.expect("bg-switch, which was found before").code(), None, "it was killed");
}

#[test]
fn a_conversion_moves_nothing_where_nginx_can_not_look_at_the_link() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: else nginx's workers own the folder");
    let world = both_run_in_the_reload_form();
    world.point_at("set2");
    fs::create_dir(world.dir()).expect("our folder");
    fs::set_permissions(world.dir(), Permissions::from_mode(0o700)).expect("our folder");
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    let converted = convert(&world, "link").success();
    assert!(said(&converted).contains("warning: nginx's workers (uid 65534) may not enter"), "{}", said(&converted));
    switch(&world, "set1").code(5);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
}

#[test]
fn a_conversion_does_not_need_a_live_slot() {
    let world = World::new();
    let converted = convert(&world, "link").success();
    assert!(said(&converted).contains("set1 serves as before"), "{}", said(&converted));
    world.start_fake("set1", &[]);
    assert_eq!(world.live().as_deref(), Some("set1"));
}
