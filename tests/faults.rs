//! Every way in which an application or an nginx may misbehave, in each stage: the exit code, the word that helps,
//! and the old slot that goes on serving.

/// The application's faults.
mod application;
/// nginx's.
mod nginx;

use bg_tests::{World, http};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// A world in which 1.0 serves from set1.
fn serving(world: World) -> World {
    world.deploy_fake(&["--version-text", "1.0"]).success();
    world
}

/// 1.0 serves from set1: nginx says so, and its file.
#[track_caller]
fn assert_as_before(world: &World, what: &str) {
    assert_eq!(http::get(&world.nginx.front_url("/version")).expect("an answer").body, "1.0", "{what}");
    let live = world.cmd("bg-probe").args(["--slot", "live", "--format", "name"]).output().expect("a program of ours");
    assert_eq!(String::from_utf8_lossy(&live.stdout), "set1\n", "{what}: {}", String::from_utf8_lossy(&live.stderr));
    assert!(!world.dir().join("switching.json").exists(), "{what}: a switch was not finished");
}
