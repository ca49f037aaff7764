//! The bare pipeline, in `sh` without pipefail: what works in any script, and what a break in it leaves alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bg_tests::{Ran, World, until};

const SOON: Duration = Duration::from_secs(20);

/// A whole deploy by hand, of fake-app with these flags.
fn chain(world: &World, flags: &str) -> Ran {
    world.run_line(format!("bg-probe | bg-launch -- fake-app {flags} | bg-health --timeout 5s | bg-switch"))
}

#[test]
fn the_first_deploy_lands_in_set1_and_the_next_ones_take_turns() {
    let world = World::new();
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2"), ("1.2", "set1"), ("1.3", "set2")] {
        let run = chain(&world, &format!("--version-text {version}")).success().printed(format!(r#""slot":"{slot}""#));
        assert_eq!(run.stdout().matches('\n').count(), 1, "{run}");
        assert_eq!(world.live().as_deref(), Some(slot));
        assert_eq!(world.get("/version").body, version);
    }
    assert!(world.listens("set1"), "the release before stays up");
}

#[test]
fn a_chain_whose_probe_can_not_tell_ends_before_anything_is_launched() {
    let world = serving();
    world.edit_upstream("set2");
    breaks(&world, "bg-probe | bg-launch -- fake-app | bg-health | bg-switch", "bg-probe: nginx and its file disagree");
}

#[test]
fn a_chain_whose_launch_is_refused_ends_there() {
    let world = serving();
    world.start_fake("set2", &[]);
    let launch = "bg-probe | bg-launch -- fake-app | bg-health | bg-switch";
    breaks(&world, launch, "bg-launch: port");
    assert!(world.listens("set2"), "what bg-launch did not start is not stopped");
}

#[test]
fn a_chain_whose_release_is_never_healthy_leaves_nginx_alone() {
    let world = serving();
    let before = seen(&world);
    let refused = chain(&world, "--down").exit(3).printed_nothing();
    refused.said("bg-health: set2 was not healthy within 5").never_said("bg-switch");
    assert_eq!(seen(&world).nginx, before.nginx);
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_chain_whose_release_crashes_leaves_nginx_alone() {
    let world = serving();
    let before = seen(&world);
    chain(&world, "--crash-at-boot").exit(3).printed_nothing().said("exited before it was healthy");
    assert_eq!(seen(&world).nginx, before.nginx);
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_chain_whose_switch_is_refused_ends_with_its_code_and_the_old_file() {
    let world = serving();
    world.nginx.add_to_http("broken", "this is no directive;\n");
    let before = seen(&world);
    chain(&world, "--version-text 1.1").exit(5).printed_nothing().said("nginx -t refused");
    assert_eq!(seen(&world).nginx, before.nginx);
    assert_eq!(world.get("/version").body, "1.0");

    world.nginx.add_to_http("broken", "");
    world.run_line("bg-probe --slot idle | bg-health | bg-switch").success();
    assert_eq!(world.get("/version").body, "1.1", "the healthy release waited for nginx to be mended");
}

#[test]
fn two_bare_chains_at_once_end_with_one_whole_deploy() {
    let world = serving();
    let chain = |version| {
        let line = format!("bg-probe | bg-launch -- fake-app --version-text {version} | bg-health | bg-switch");
        let mut shell = world.command(Path::new("/bin/sh"));
        shell.args(["-c", &line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().expect("sh(1)")
    };
    let mut racers = [chain("1.1"), chain("1.2")];
    let codes = racers.each_mut().map(|racer| racer.wait().expect("a child of ours").code());
    assert!(codes.contains(&Some(0)), "{codes:?}");

    let live = world.live().expect("nginx serves a slot");
    assert!(world.nginx.read_upstream().contains(&world.port(&live).to_string()), "nginx and its file agree");
    assert_eq!(live, "set2");
    let winner = world.get("/version").body;
    let done = ["1.1", "1.2"].into_iter().zip(codes).find(|(version, _)| *version == winner);
    assert!(matches!(done, Some((_, Some(0)))), "{winner} serves, {codes:?}");
    chain("1.3").wait().expect("a child of ours");
    until(SOON, "the next chain deploys", || world.get("/version").body == "1.3");
}

/// A world in which 1.0 serves from set1, put there by a chain.
fn serving() -> World {
    let world = World::new();
    chain(&world, "--version-text 1.0").success();
    world
}

/// Runs a chain that is to break, and looks whether it touched anything.
#[track_caller]
fn breaks(world: &World, line: &str, why: &str) {
    let before = seen(world);
    world.run_line(line).exit(3).printed_nothing().said(why);
    assert_eq!(seen(world), before);
    assert_eq!(world.get("/version").body, "1.0");
}

/// What a broken chain must leave as it was.
#[derive(Debug, PartialEq)]
struct Seen {
    /// The upstream file, and who serves it.
    nginx: (String, Option<String>, Vec<u32>),
    /// The processes and what they run, by slot.
    slots: BTreeMap<&'static str, (Option<String>, Option<String>)>,
    releases: Vec<String>,
}

fn seen(world: &World) -> Seen {
    let slot = |slot: &'static str| {
        let process = world.dir().join("slots").join(slot).join("process.json");
        let answer = world.get_slot(slot, "/version").ok().map(|response| response.body);
        (slot, (fs::read_to_string(process).ok(), answer))
    };
    Seen {
        nginx: (world.nginx.read_upstream(), world.live(), world.nginx.workers().into_iter().collect()),
        slots: ["set1", "set2"].map(slot).into(),
        releases: world.releases(),
    }
}
