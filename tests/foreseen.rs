//! What can be known before anything is touched is known before: `--check` and a deploy find the same, a deploy that would
//! fail at its switch stops nothing and starts nothing, and what its line says to type works.

/// A release or a site that is down is a reason to deploy, and no reason not to.
mod down;
/// A front that names no slot.
mod front;
/// The upstream file, and an nginx that could not be moved.
mod nginx;
/// The release, its folder, its port and the hooks.
mod release;

use bg_tests::{Ran, World};

/// A world in which 1.1 serves from set2, and 1.0 waits in set1, which the next deploy is for.
fn two_releases() -> World {
    two_releases_in(World::new())
}

/// The same by link.
fn two_releases_by_link() -> World {
    two_releases_in(World::new().link_form())
}

fn two_releases_in(world: World) -> World {
    let world = world.env("BG_SWITCH_VERIFY_TIMEOUT", "3s").serving();
    world.deploy(&["--version-text", "1.1"]).success();
    world
}

/// Everything that a deploy could touch.
#[track_caller]
fn touchable(world: &World) -> impl PartialEq + std::fmt::Debug + use<> {
    let slots = ["set1", "set2"].map(|slot| {
        let pid = world.is_launched(slot).then(|| world.pid(slot));
        (pid, pid.is_some_and(bg_tests::process::alive), world.held(slot))
    });
    let upstream = std::fs::read_to_string(world.nginx.upstream_file()).ok();
    (slots, upstream, world.releases(), world.nginx.workers(), std::fs::read_link(world.dir().join("live")).ok())
}

/// `bg-deploy --check` fails with this line, and a deploy with the same words is refused by it and touches nothing.
#[track_caller]
fn refused(world: &World, words: &[&str], code: i32, line: &str) -> Ran {
    let before = touchable(world);
    world.run("bg-deploy", &[&["--check"], words].concat()).exit(1).printed(line);
    let refused = world.run("bg-deploy", words).exit(code).printed_nothing().said(line);
    assert_eq!(touchable(world), before, "{refused}");
    refused
}

/// The command behind these words in what was said, up to the end of the line.
#[track_caller]
fn advice(said: &Ran, before: &str) -> String {
    let text = said.stderr();
    let line = text.lines().find_map(|line| Some(line.split_once(before)?.1)).unwrap_or_else(|| panic!("{said}"));
    line.to_owned()
}
