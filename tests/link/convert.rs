//! From one form to the other: the live slot is kept, the other lines too, and nothing is left half done.

use bg_tests::{Traffic, World};

use super::{convert, printed_site, switch};

#[test]
fn the_scripts_site_converts_there_and_back_and_keeps_the_slot() {
    let world = World::new().both_running();
    world.point_at("set2");
    let before = format!("# who is live\n{}set $other yes; # kept\n", world.nginx.read_upstream());
    world.nginx.write_upstream(&before);
    world.nginx.reload();
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    convert(&world, "link").success().said("has the link form now; set2 serves as before");
    let text = world.nginx.read_upstream();
    assert!(text.contains(&format!("set $service_url http://127.0.0.1:{};", world.port("set1"))), "{text}");
    assert!(text.starts_with("# who is live\n") && text.ends_with("set $other yes; # kept\n"), "{text}");
    assert_eq!(world.live().as_deref(), Some("set2"));
    convert(&world, "link").success().said("nothing was changed");

    convert(&world, "reload").success();
    assert_eq!(world.nginx.read_upstream(), before);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
    switch(&world, "set1").success();
}

#[test]
fn the_printed_site_converts_to_its_groups() {
    let (world, url) = printed_site(World::new().both_running());
    let traffic = Traffic::start(&format!("{url}/profile"));
    convert(&world, "link").success();
    let text = world.nginx.read_upstream();
    assert!(text.contains("http://web_set1;") && text.contains("http://web_set2;"), "{text}");
    switch(&world, "set2").success();
    convert(&world, "reload").success();
    assert_eq!(world.nginx.read_upstream(), world.upstream_line("set2"));
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_conversion_that_fails_leaves_the_old_bytes() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    world.nginx.add_to_http("broken", "oops;\n");
    convert(&world, "link").exit(5).said("unknown directive \"oops\"");
    assert_eq!(world.nginx.read_upstream(), before);
    assert!(!world.is_half_switched());
}

#[test]
fn a_conversion_that_was_killed_is_undone_by_the_next_switch() {
    let world = World::new().both_running();
    kill_a_conversion(&world);
    assert!(world.nginx.read_upstream().contains("if (-f"), "half-way");
    assert_eq!(world.live().as_deref(), Some("set1"));

    switch(&world, "set2").success().printed("\"form\":\"reload\"").said("was cut short and is undone");
    assert_eq!(world.nginx.read_upstream(), world.upstream_line("set2"));
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_conversion_that_was_killed_does_not_pull_nginx_back_later() {
    let world = World::new().both_running();
    kill_a_conversion(&world);
    world.point_at("set2");
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    switch(&world, "set2").success().said("set2 serves since, and stays");
    let counts = traffic.stop();
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
}

/// Ends in the moment between the new file and the reload.
fn kill_a_conversion(world: &World) {
    let lines = format!(
        "for last; do :; done
[ \"$last\" = -t ] && kill -9 $PPID
exec {} \"$@\"",
        world.nginx.command_line()
    );
    let killed = world.run("bg-switch", &["--convert", "link", "--nginx", &world.script("ngx", &lines)]);
    assert_eq!(killed.code(), None, "it was killed: {killed}");
}

#[test]
fn a_conversion_moves_nothing_where_nginx_can_not_look_at_the_link() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: else nginx's workers own the folder");
    let world = World::new().both_running();
    world.point_at("set2");
    world.make_dir(world.dir());
    world.chmod(world.dir(), 0o700);
    let traffic = Traffic::start(&world.nginx.front_url("/profile"));
    convert(&world, "link").success().said("warning: nginx's workers (uid 65534) may not enter");
    switch(&world, "set1").exit(5);
    let counts = traffic.stop();
    assert_eq!(counts.failed, 0, "{counts}");
    assert_eq!(counts.answers.keys().collect::<Vec<_>>(), ["set2"], "{counts}");
}

#[test]
fn a_conversion_does_not_need_a_live_slot() {
    let world = World::new();
    convert(&world, "link").success().said("set1 serves as before");
    world.start_fake("set1", &[]);
    assert_eq!(world.live().as_deref(), Some("set1"));
}
