//! A long life: deploys and rollbacks in a row under load, with bad releases among them, and nothing lost or piled up.
//!
//! A normal run has one turn of the cycle, a full one (`BG_TEST_FULL=1`) has 300 deploys and rollbacks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bg_tests::{Traffic, World, is_full, tell, until};

/// So many deploys and rollbacks there are in a full run.
const FULL: usize = 300;

/// One deploy or rollback: what it is, the words after `bg-deploy`, and how it ends.
type Step = (&'static str, &'static [&'static str], i32);

/// One that is over before it is healthy, and may not be waited for.
const BRIEFLY: &str = "--health-timeout=400ms";

const CYCLE: [Step; 12] = [
    ("deploy", &["--", "fake-app"], 0),
    ("rollback", &["--rollback"], 0),
    ("crash at boot", &["--", "fake-app", "--crash-at-boot"], 8),
    ("deploy", &["--", "fake-app", "--boot-ms", "50"], 0),
    ("DOWN", &[BRIEFLY, "--", "fake-app", "--down"], 4),
    ("rollback after a bad one", &["--rollback"], 0),
    ("deploy", &["--", "fake-app", "--ignore-term"], 0),
    ("rollback", &["--rollback"], 0),
    ("crash after UP", &["--health-successes=99", "--", "fake-app", "--crash-after-ms", "200"], 8),
    ("deploy", &["--", "fake-app", "--fork-server"], 0),
    ("hang", &[BRIEFLY, "--", "fake-app", "--hang"], 4),
    ("deploy", &["--", "fake-app"], 0),
];

/// What must not grow.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Heap {
    processes: usize,
    nginx_descriptors: usize,
    releases: usize,
    logs: usize,
    temporary: usize,
}

impl Heap {
    fn of(world: &World) -> Self {
        let files = files_under(&world.dir());
        let named = |part: &str| files.iter().filter(|path| path.contains(part)).count();
        Self {
            processes: world.processes().len(),
            nginx_descriptors: world.nginx.workers().into_iter().chain(world.nginx.master()).map(descriptors).sum(),
            releases: fs::read_dir(world.dir().join("releases")).expect("releases").count(),
            logs: named("/logs/"),
            temporary: named(".bg-new") + named(".incoming"),
        }
    }
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn files_under(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of ours").flatten() {
        found.push(entry.path().display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files_under(&entry.path()));
        }
    }
    found
}

/// One deploy or rollback; how long it took.
#[track_caller]
fn step(world: &World, (what, words, code): Step) -> Duration {
    let began = Instant::now();
    let run = world.run("bg-deploy", words);
    assert_eq!(run.code(), Some(code), "{what}: {run}");
    began.elapsed()
}

#[test]
fn nothing_is_lost_and_nothing_piles_up() {
    let count = if is_full() { FULL } else { CYCLE.len() };
    // Connections that nginx keeps for a moment after a switch carry no request, and an application that takes no
    // notice of TERM need not be waited for.
    let world = World::new()
        .link_form()
        .env("BG_LAUNCH_DRAIN", "200ms")
        .env("BG_LAUNCH_STOP_TIMEOUT", "300ms")
        .env("BG_HEALTH_CHECK_TIMEOUT", "200ms");
    step(&world, CYCLE[0]);
    step(&world, CYCLE[0]);
    let traffic = [(); 2].map(|()| Traffic::start(&world.nginx.front_url("/profile")));
    let mut before = None;
    let mut took = BTreeMap::<&str, Vec<Duration>>::new();
    for (number, of_cycle) in CYCLE.iter().cycle().take(count).enumerate() {
        took.entry(of_cycle.0).or_default().push(step(&world, *of_cycle));
        if number + 1 == CYCLE.len() {
            before = Some(Heap::of(&world));
        }
    }
    let sent: u64 = traffic.iter().map(Traffic::sent).sum();
    for counts in traffic.map(Traffic::stop) {
        assert_eq!(counts.failed, 0, "{counts}");
    }
    tell(&format!("soak: {count} deploys and rollbacks, {sent} requests, 0 failed"));
    for (what, times) in took {
        let all: Duration = times.iter().sum();
        println!(
            "  {:>3} x {what}, {:.2} s each",
            times.len(),
            all.as_secs_f64() / f64::from(u32::try_from(times.len()).expect("few"))
        );
    }
    let before = before.expect("a whole turn of the cycle");
    let small = |heap: &Heap| heap.processes <= 4 && heap.releases <= 7 && heap.logs <= 14 && heap.temporary == 0;
    assert!(small(&before), "{before:?}");
    // What nginx keeps open to the slots and its visitors goes by itself.
    let grown = |now: &Heap| {
        now.processes > before.processes
            || now.nginx_descriptors > before.nginx_descriptors
            || now.releases > before.releases
            || now.logs > before.logs
    };
    until(Duration::from_secs(10), &format!("as little as {before:?}"), || {
        let now = Heap::of(&world);
        small(&now) && !grown(&now)
    });
    assert_eq!(world.history().len(), count + 2);
    println!("  at the end {:?}", Heap::of(&world));
}
