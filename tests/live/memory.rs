//! Two releases at a time, and the memory for them.

use bg_tests::{World, programs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use std::fs;

#[test]
fn a_launch_warns_where_two_releases_may_be_too_many() {
    let world = World::new();
    world.deploy_fake(&[]).success().stderr(contains("of memory").not());
    // A machine with hardly any memory left, for this one program.
    let meminfo = world.folder().join("meminfo");
    fs::write(&meminfo, "MemTotal: 999424 kB\nMemAvailable:     10 kB\n").expect("a folder of ours");
    let launch = programs::ours("bg-launch").display().to_string();
    let line = format!("mount --bind {} /proc/meminfo && exec {launch} --slot set2 -- fake-app", meminfo.display());
    let unshare = if nix::unistd::geteuid().is_root() { "unshare -m" } else { "unshare -rm" };
    let launched = world.shell(&format!("{unshare} sh -c '{line}'")).assert().success();
    launched.stderr(contains("warning: 0 MB of memory are available, and what runs in set1 uses "));
}
