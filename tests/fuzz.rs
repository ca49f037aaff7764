//! Broken input for everything that parses: no panic, no stack or memory without end, no input that takes for ever.
//!
//! The program `fuzz` (tests/fuzz) makes it from the corpus (tests/corpus). What it ever finds belongs there too.

use bg_tests::{is_full, programs, tell};
use std::env;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::SystemTime;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");

/// How many inputs a full run feeds at the least.
const FULL: u64 = 10_000_000;

fn fuzz(seed: u64, flags: &[&str]) -> Child {
    let mut command = Command::new(programs::ours("fuzz"));
    command.arg(CORPUS).args(["--seed", &seed.to_string()]).args(flags);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a program that was found before")
}

/// `BG_TEST_SEED`, else another one each time.
fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970").as_secs();
    env::var("BG_TEST_SEED").map_or_else(|_| now(), |seed| seed.parse().expect("BG_TEST_SEED is a number"))
}

#[test]
fn nothing_that_is_parsed_makes_a_program_panic() {
    let full = is_full();
    let runs = if full { thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let each = (FULL / u64::try_from(runs).expect("few")).to_string();
    let flags = if full { ["--executions", &each] } else { ["--time", "15s"] };
    let running: Vec<Child> = (0..).zip(0..runs).map(|(more, _)| fuzz(seed() + more, &flags)).collect();
    let mut executions = 0;
    for run in running {
        let output = run.wait_with_output().expect("a child of ours");
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("{said}");
        assert!(output.status.success(), "{}\n{said}\n{errors}", output.status);
        let last = said.lines().last().expect("a last line");
        executions += last.split(' ').nth(3).and_then(|count| count.parse::<u64>().ok()).expect("a count");
        assert!(last.ends_with(" 0 panics"), "{last}");
    }
    tell(&format!("fuzz: {executions} executions, 0 panics"));
    assert!(executions >= if full { FULL } else { 10_000 }, "{executions}");
}
