//! `kill -9` at every step leaves no process that nobody knows.

use super::SOON;
use bg_tests::{World, process, programs, until};
use std::process::Stdio;

/// The calls by which a launch changes something, as strace(1) takes them (kernels differ in their exact names).
const CALLS: [&str; 7] = ["/^rename", "/^symlink", "/^unlink", "/^(clone|vfork)", "/^kill$", "/^sendto$", "/^write$"];

#[test]
fn a_launch_killed_anywhere_leaves_nobody_unknown_and_can_be_repeated() {
    let world = World::new();
    let mut killed = 0;
    for call in CALLS {
        let mut nth = 1;
        while !survives(&world, call, nth) {
            until(SOON, &format!("only what is written down runs (killed before {call} {nth})"), || {
                let known = known(&world);
                applications(&world).iter().all(|app| Some(*app) == known)
            });
            killed += 1;
            nth += 1;
            assert!(nth < 50, "{call} has no end");
        }
        until(SOON, "what was launched listens", || world.listens("set2"));
        assert_eq!(applications(&world), [known(&world).expect("it is written down")]);
        until(SOON, "nothing is left of a release", || !world.releases().iter().any(|name| name.starts_with('.')));
    }
    assert!(killed > 10, "killed {killed} times only");
}

/// Whether a launch ends well that is killed just before its nth call of this kind, if there is an nth.
fn survives(world: &World, call: &str, nth: usize) -> bool {
    let status = world
        .command(&programs::of_the_system("strace"))
        .args(["-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={nth}")])
        .arg(programs::ours("bg-launch"))
        .args(["-q", "--slot", "set2", "--", "fake-app"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .expect("strace, which was found before");
    status.success()
}

/// What is written down and runs.
fn known(world: &World) -> Option<u32> {
    let json = world.is_launched("set2").then(|| world.process("set2"))?;
    let app = u32::try_from(json["pid"].as_u64()?).ok()?;
    (process::start_ticks(app) == json["start_ticks"].as_u64()).then_some(app)
}

/// Every process of this world that was given a release.
fn applications(world: &World) -> Vec<u32> {
    let has_release = |pid: &u32| {
        process::alive(*pid) && process::environment(*pid).iter().any(|variable| variable.starts_with("BG_RELEASE="))
    };
    world.processes().into_iter().filter(has_release).collect()
}
