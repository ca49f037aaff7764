//! A course of blows at one scene: which there are, one after another, and what they have broken.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bg_tests::strace::Call;
use bg_tests::{Strace, is_full, tell};

use super::blow::Blow;
use super::call::CALLS;
use super::scene::{Act, Form, Scene};
use super::{whole, written};

/// How long a sample of a course may take.
const SAMPLE: Duration = Duration::from_secs(6);

pub(crate) struct Course {
    act: Act,
    /// The programs that are struck, of those that take part.
    targets: &'static [&'static str],
    form: Form,
    scene: Scene,
    killed: usize,
    refused: usize,
    violations: Vec<String>,
}

impl Course {
    /// Strikes `act` in these programs at every point, or, without `BG_TEST_FULL`, at as many as fit into a few seconds; fails the test if
    /// anything was not whole.
    #[track_caller]
    pub(crate) fn run(act: Act, form: Form, targets: &'static [&'static str]) {
        let began = Instant::now();
        let scene = Scene::new(act, form);
        let mut course = Self { act, targets, form, scene, killed: 0, refused: 0, violations: Vec::new() };
        let how = if is_full() { course.full() } else { course.sample() };
        tell(&format!(
            "{act:?} in the {form:?} form, {} struck, {how}: killed at {} points, refused at {}, {} violations, {:.0} s",
            targets.join(" and "),
            course.killed,
            course.refused,
            course.violations.len(),
            began.elapsed().as_secs_f64()
        ));
        assert!(course.violations.is_empty(), "{}", course.violations.join("\n"));
    }

    /// Every call of every target, the first, the second, and so on until the program runs through.
    fn full(&mut self) -> String {
        for (target, call) in self.calls().into_keys() {
            for way in 0..Blow::all(target, &call, 1).count() {
                let mut blows = (1..).filter_map(|n| Blow::all(target, &call, n).nth(way));
                while blows.next().is_some_and(|blow| self.strike(&blow)) {}
            }
        }
        for blow in self.in_child() {
            assert!(self.strike(&blow), "{blow}: never came to that");
        }
        "all points".to_owned()
    }

    /// Some of the points, chosen by a seed; or those whose name contains `BG_TEST_POINT`, to look at one again.
    fn sample(&mut self) -> String {
        let seed = env::var("BG_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        let mut blows = self.in_child();
        for ((target, call), count) in self.calls() {
            blows.extend((1..=count).flat_map(|n| Blow::all(target, &call, n)));
        }
        let count = blows.len();
        shuffle(&mut blows, seed);
        let only = env::var("BG_TEST_POINT").ok();
        blows.retain(|blow| only.as_ref().is_none_or(|only| blow.to_string().contains(only)));
        let deadline = Instant::now() + SAMPLE;
        for blow in blows.iter().take_while(|_| only.is_some() || Instant::now() < deadline) {
            self.strike(blow);
        }
        format!("a sample of {count} points by BG_TEST_SEED={seed}")
    }

    fn in_child(&self) -> Vec<Blow> {
        if self.act == Act::Launch { Blow::all_in_child() } else { Vec::new() }
    }

    /// The calls of each target in a run that nothing disturbs, and how many there are of each.
    fn calls(&mut self) -> BTreeMap<(&'static str, String), usize> {
        self.scene.begin();
        let may_write = written::files(&self.scene);
        let traces: Vec<_> =
            self.targets.iter().map(|target| (*target, Strace::of(CALLS, &self.log(target)))).collect();
        let output = self.scene.run_under(&traces);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?} fails undisturbed: {said}", self.act);
        let mut counts = BTreeMap::new();
        for (target, strace) in traces {
            let counts_in = |call: &Call| !call.opens() || call.opens_to_write() && !written::is_of_a_process(call);
            for call in strace.calls().into_iter().filter(counts_in) {
                let known = !call.opens() || call.paths().iter().all(|path| may_write.contains(path));
                assert!(known, "{target} opens a file that is not on the list: {}", call.arguments());
                *counts.entry((target, call.name)).or_default() += 1;
            }
        }
        counts
    }

    /// Strikes once, and looks at everything; false where the program never came to that point.
    fn strike(&mut self, blow: &Blow) -> bool {
        self.scene.begin();
        let strace = blow.strace(&self.log(blow.target), &written::files(&self.scene));
        let output = self.scene.run_under(&[(blow.target, strace.clone())]);
        let Some(call) = strace.struck() else { return false };
        *(if blow.error.is_none() { &mut self.killed } else { &mut self.refused }) += 1;
        let mut faults = blow.faults_of(&output, &call);
        let ended_well = blow.error.is_some() && output.status.success();
        if blow.error.is_some() && !ended_well {
            faults.extend(whole::stayed(&self.scene));
        }
        let warned = String::from_utf8_lossy(&output.stderr).contains("warning: ");
        faults.extend(match (ended_well, warned) {
            (false, _) => whole::half_done(&self.scene),
            (true, false) => whole::done(&self.scene),
            (true, true) => whole::reached(&self.scene),
        });
        // The second run finds nginx as it was left, or started again.
        if blow.n.is_multiple_of(2) && faults.is_empty() {
            self.scene.restart_nginx();
        }
        self.scene.begin_again();
        let again = self.scene.run();
        if !again.status.success() {
            faults.push(format!("again, it ended with {}: {}", again.status, String::from_utf8_lossy(&again.stderr)));
        }
        faults.extend(whole::done(&self.scene).into_iter().map(|fault| format!("after a second run: {fault}")));
        if !faults.is_empty() {
            self.violations.push(format!("{blow} ({}): {}", call.arguments(), faults.join("\n    ")));
            eprintln!("{}", self.violations.last().map_or("", String::as_str));
            // What is broken once is not the ground for the next blow.
            self.scene = Scene::new(self.act, self.form);
        }
        true
    }

    fn log(&self, target: &str) -> PathBuf {
        self.scene.world.path(format!("{target}.strace"))
    }
}

/// Fisher and Yates, with a linear congruential generator.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for left in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chosen = usize::try_from(state >> 33).unwrap_or_default() % (left + 1);
        items.swap(left, chosen);
    }
}
