//! A front that is answered from a cache: it goes on naming the old slot, and a switch that it does not show is undone
//! with the reason.

use bg_tests::World;

/// nginx remembers what the site answers, whichever slot it came from.
fn caching(world: World, more: &str) -> World {
    let cache = world.folder().join("cache");
    world.nginx.add_to_http("cache", &format!("proxy_cache_path {} keys_zone=c:1m;\n", cache.display()));
    let lines = "proxy_cache c;\nproxy_cache_key $request_uri;\nproxy_cache_valid 200 1m;\n";
    world.nginx.add_to_location("cache", &format!("{lines}{more}\n"));
    world.nginx.reload();
    assert_eq!(world.live().as_deref(), Some("set1"));
    world
}

const REMEDY: &str = "let --front be /_bg/slot, the page of bg-switch --print-site, or put `proxy_cache off;` into the \
                      location that answers the front, and reload nginx";

#[test]
fn a_switch_that_a_cache_hides_names_the_cache() {
    for world in [World::new(), World::new().link_form()] {
        let world = caching(world.both_running(), "");
        let seen = format!("nginx answers /profile from a cache (proxy_cache c): {REMEDY}");
        let refused = world.run("bg-switch", &["--to", "set2", "--verify-timeout", "1s"]).exit(5).printed_nothing();
        refused.said(format!("  likely    {seen}\n")).said("set1 is serving, seen at the front");
        assert!(world.run("bg-switch", &["--check"]).success().stdout().contains(&format!("warn    {seen}\n")));

        // The remedy.
        world.nginx.add_to_location("cache", "");
        world.nginx.reload();
        world.run("bg-switch", &["--to", "set2"]).success();
    }
}

#[test]
fn a_cache_that_names_itself_is_believed() {
    for (header, named) in [
        ("X-Cache-Status $upstream_cache_status", "x-cache-status: HIT"),
        ("Age 7", "age: 7"),
        ("X-Cache \"Hit from a cdn\"", "x-cache: Hit from a cdn"),
    ] {
        // The exception hides it from who reads the configuration.
        let world = World::new().link_form().both_running();
        let world = caching(world, &format!("proxy_no_cache $arg_fresh;\nadd_header {header};"));
        let refused = world.run("bg-switch", &["--to", "set2", "--verify-timeout", "1s"]).exit(5);
        refused.said(format!("likely    the front's answer comes from a cache ({named}): {REMEDY}"));
    }
}

#[test]
fn a_cache_that_keeps_the_slots_apart_or_another_page_is_no_reason() {
    let world = World::new().set1_running();
    world.start_fake("set2", &["--other-profile", "real"]);
    let world = caching(world, "");
    world
        .nginx
        .add_to_location("cache", "proxy_cache c;\nproxy_cache_valid 200 1m;\nadd_header Cache-Control no-cache;\n");
    world.nginx.reload();
    world.run("bg-switch", &["--to", "set2", "--verify-timeout", "1s"]).exit(5).never_said("likely");
    assert!(!world.run("bg-switch", &["--check"]).success().stdout().contains("cache"));
}
