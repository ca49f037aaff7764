//! Installs of before: old files, old routes, and both together.

use bg_tests::World;

use super::{numbers, shared_site, switch};

/// What an older bg-switch has left: a route with nothing in it but the slot's name.
fn an_old_route(world: &World, slot: &str) {
    let folder = world.dir().join("routes").join(slot);
    for name in world.names(&folder) {
        if name != slot {
            world.remove(folder.join(name));
        }
    }
}

#[test]
fn an_old_file_goes_on_with_old_and_new_routes() {
    let world = World::new().link_form().both_running();
    for slot in ["set2", "set1", "set2"] {
        switch(&world, &["--to", slot]).success();
        assert_eq!(world.live().as_deref(), Some(slot));
        assert!(world.dir().join("live").join(format!("is-{slot}")).is_file());
        an_old_route(&world, slot);
        assert_eq!(world.live().as_deref(), Some(slot));
        world.run("bg-probe", &["--slot", "live", "--format", "name"]).printed_only(format!("{slot}\n"));
    }
}

#[test]
fn an_old_install_changes_over_without_anybody_being_moved() {
    let world = World::new().link_form().both_running();
    switch(&world, &["--to", "set2"]).success();
    an_old_route(&world, "set2");
    // The new site takes the place of the old one.
    world.nginx.add_to_http("groups", "");
    let (world, url) = shared_site(world);
    assert_eq!(numbers(&url, "set2").len(), 100);
    assert!(
        world.nginx.read_upstream().starts_with("set $service_url http://web_set2;\nif (-f "),
        "{}",
        world.nginx.read_upstream()
    );
    switch(&world, &["--to", "set1", "--share", "20"]).success();
    assert_eq!(numbers(&url, "set1").len(), 20);
    switch(&world, &["--to", "set1"]).success();
    world.run("bg-switch", &["--convert", "link"]).success().said("nothing was changed");
    world.run("bg-switch", &["--convert", "reload"]).success();
    assert_eq!(world.nginx.read_upstream(), world.upstream_line("set1"));
}

#[test]
fn a_new_file_that_is_printed_over_an_old_route_finds_it_complete() {
    let (world, url) = shared_site(World::new().both_running());
    switch(&world, &["--to", "set2"]).success();
    an_old_route(&world, "set2");
    world.run("bg-switch", &["--check"]).exit(1).printed("lacks files that nginx looks for");
    let printed = world.run("bg-switch", &["--print-upstream"]).success().stdout();
    assert_eq!(printed, world.nginx.read_upstream());
    assert_eq!(numbers(&url, "set2").len(), 100);
    world.run("bg-switch", &["--check"]).success().printed("a share of the visitors can be moved");
}

/// An older program takes the whole of `set2.$bg_web_bucket` for a file's name.
#[test]
fn an_older_program_reads_a_new_file_right() {
    let (world, _) = shared_site(World::new().both_running());
    let old_look = world.dir().join("live/set2.$bg_web_bucket");
    for (words, holds) in [(["--to", "set2", "--share=10"], false), (["--to", "set2", "--share=60"], true)] {
        switch(&world, &words).success();
        assert_eq!(old_look.is_file(), holds);
    }
    for (slot, holds) in [("set2", true), ("set1", false)] {
        switch(&world, &["--to", slot]).success();
        assert_eq!(old_look.is_file(), holds);
    }
}

#[test]
fn check_says_what_a_site_printed_anew_would_add() {
    let world = World::new().link_form().both_running();
    let run = world.run("bg-switch", &["--check"]).success();
    run.printed("a site printed anew would have shares of visitors: bg-switch --print-site");
}
