//! Every way in which an application or an nginx may misbehave, in each stage: the exit code, the word that helps,
//! and the old slot that goes on serving.

/// The application's faults.
mod application;
/// nginx's.
mod nginx;

use bg_tests::{World, http};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// 1.0 serves from set1: nginx says so, and its file.
#[track_caller]
fn assert_as_before(world: &World, what: &str) {
    assert_eq!(http::get(&world.nginx.front_url("/version")).expect("an answer").body, "1.0", "{what}");
    let live = world.run("bg-probe", &["--slot", "live", "--format", "name"]);
    assert_eq!(live.stdout(), "set1\n", "{what}: {live}");
    assert!(!world.is_half_switched(), "{what}: a switch was not finished");
}
