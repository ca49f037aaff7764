//! A setup and the way back, struck at every call by which they change something: killed, nginx starts with what is on
//! disk and the same command goes on; refused, all is as it was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bg_tests::{Run, Strace, is_full, programs, tell};
use nix::errno::Errno;

use super::{Fresh, NAME};

/// What changes something.
const CALLS: &str = "openat mkdir write fsync rename unlink unlinkat rmdir fchmod fchmodat chmod fchown fchownat chown lchown \
                     kill flock";

/// How long a sample may take.
const SAMPLE: Duration = Duration::from_secs(8);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Make,
    Undo,
}

/// Runs one of the two under strace.
fn run(fresh: &Fresh, act: Act, strace: &Strace) -> bg_tests::Ran {
    let words = strace.words();
    let mut command = fresh.world.command(std::path::Path::new(&words[0]));
    command.args(&words[1..]).arg(programs::ours("bg-switch")).args(["--setup", &fresh.file()]);
    match act {
        Act::Make => command.args(["--listen", &fresh.listen, "--server-name", NAME]),
        Act::Undo => command.arg("--undo"),
    };
    command.ran()
}

/// Strikes at the `n`th such call; false where it never came to that.
fn strike(fresh: &Fresh, act: Act, call: &str, n: usize, error: Option<Errno>) -> bool {
    let point = format!("{act:?}: {} at {call} {n}", error.map_or("killed".to_owned(), |error| format!("{error:?}")));
    if act == Act::Undo {
        fresh.named(&[]).success();
    }
    let before = fresh.all();
    let strace = Strace::of(call, &fresh.world.path("strace"));
    let strace = match error {
        Some(error) => strace.fail_at(call, n, error),
        None => strace.kill_at(call, n),
    };
    let ran = run(fresh, act, &strace);
    let Some(struck) = strace.struck() else {
        fresh.undo();
        return false;
    };
    if error.is_some() && ran.code() != Some(0) {
        assert!(matches!(ran.code(), Some(1 | 5)) && !ran.stderr().contains("panicked"), "{point}: {ran}");
        if act == Act::Make {
            let left: Vec<_> = fresh.all().into_keys().filter(|path| !before.contains_key(path)).collect();
            assert!(left.is_empty(), "{point} ({}): {left:?} stayed: {ran}", struck.arguments());
        }
    }
    // nginx starts with what is there.
    fresh.world.nginx.stop();
    fresh.world.nginx.start();
    let again = match act {
        Act::Make => fresh.named(&[]),
        Act::Undo => fresh.undo(),
    };
    assert!(again.code() == Some(0), "{point} ({}): the second run: {again}", struck.arguments());
    if act == Act::Make {
        let front = format!("http://{}/_bg/slot", fresh.listen);
        let answer = bg_tests::http::request("GET", &front, &[("Host", NAME)], b"").expect("an answer");
        assert_eq!(answer.body.trim(), "set1", "{point}");
    }
    fresh.undo().success();
    let left: Vec<_> = fresh.all().into_keys().filter(|path| path.starts_with(fresh.world.path("nginx"))).collect();
    assert!(!left.iter().any(|path| path.ends_with("web.conf") || path.ends_with("web-url.inc")), "{point}: {left:?}");
    assert!(!left.iter().any(|path| path.to_string_lossy().contains(".bg-")), "{point}: {left:?}");
    true
}

#[test]
fn a_setup_and_its_undoing_are_whole_wherever_they_are_killed_or_refused() {
    let began = Instant::now();
    let mut fresh = Fresh::new();
    let mut points = Vec::new();
    for act in [Act::Make, Act::Undo] {
        let strace = Strace::of(CALLS, &fresh.world.path("strace"));
        let ran = run(&fresh, act, &strace);
        assert!(ran.code() == Some(0), "undisturbed: {ran}");
        let mut counts = std::collections::BTreeMap::new();
        for call in strace.calls() {
            *counts.entry(call.name.clone()).or_insert(0) += 1;
            let writes = !call.opens() || call.opens_to_write();
            if writes {
                let n = counts[&call.name];
                points.extend([None, Some(Errno::EIO)].map(|error| (act, call.name.clone(), n, error)));
            }
        }
    }
    // Spread over all of it.
    let step = if is_full() { 1 } else { 37 };
    let (mut struck, mut failed, all) = (0, 0, points.len());
    for at in 0..all {
        let (act, call, n, error) = &points[at * step % all];
        if !is_full() && began.elapsed() > SAMPLE {
            break;
        }
        if let Ok(is_struck) = catch_unwind(AssertUnwindSafe(|| strike(&fresh, *act, call, *n, *error))) {
            struck += usize::from(is_struck);
        } else {
            failed += 1;
            // What is broken once is not the ground for the next.
            fresh = Fresh::new();
        }
    }
    tell(&format!("setup: struck at {struck} of {all} points in {:.0} s", began.elapsed().as_secs_f64()));
    assert_eq!(failed, 0, "what was not whole is above");
}

/// A name that is taken: with the site nginx would not start again.
#[test]
fn nginx_starts_wherever_a_setup_is_killed_whose_site_nginx_will_refuse() {
    let fresh = Fresh::new();
    fresh.world.nginx.add_to_http("taken", "upstream web_set1 { server 127.0.0.1:9; }\n");
    let mut killed = 0;
    loop {
        let strace = Strace::of("fsync", &fresh.world.path("strace")).kill_at("fsync", killed + 1);
        let ran = run(&fresh, Act::Make, &strace);
        if strace.struck().is_none() {
            assert_eq!(ran.code(), Some(5), "{ran}");
            break;
        }
        killed += 1;
        fresh.world.nginx.stop();
        fresh.world.nginx.start();
        fresh.undo().success();
    }
    assert!(killed > 8, "{killed}");
}
