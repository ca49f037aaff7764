//! Logs that logrotate cuts into pieces while the application writes on: the pieces are not bg-launch's.

use super::{SOON, facts, launch, text};
use bg_tests::{Run, World, pages, programs, until};
use std::fs::{self, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const LOGS: &str = "slots/set2/logs";

/// A launch whose application writes a line a moment; its log, once there is something in it.
fn talking(world: &World, flags: &[&str]) -> PathBuf {
    let talks = world.script("talks", r#"while echo "line $((n=n+1))"; do sleep 0.01; done"#);
    let launched = facts(&launch(world, &[flags, &["--", &talks]].concat()).success());
    let log = PathBuf::from(text(&launched, "log"));
    until(SOON, "it writes", || size(&log) > 0);
    log
}

fn size(log: &Path) -> u64 {
    fs::metadata(log).map_or(0, |meta| meta.len())
}

/// Whether a log has lines and nothing else: one that was cut under a writer who is not at its end has zeroes.
fn has_lines_alone(log: &Path) -> bool {
    let text = fs::read_to_string(log).expect("a log");
    text.lines().all(|line| line.starts_with("line "))
}

#[test]
fn the_recipe_of_the_page_rotates_what_runs_and_no_launch_removes_a_piece() {
    let world = World::new();
    let log = talking(&world, &[]);
    let page = pages::of("bg-launch");
    let [recipe] = pages::blocks(pages::part(&page, "### Logs"), "sh").try_into().expect("one block of shell");
    let conf = world.path("logrotate.conf");
    let recipe = recipe.replace("/etc/logrotate.d/bg-web", conf.to_str().expect("UTF-8"));
    let recipe = recipe.replace("/var/lib/bg/web", world.dir().to_str().expect("UTF-8"));
    world.run_line(format!("USER=$(id -un); sudo() {{ \"$@\"; }}\n{recipe}")).success();

    let logrotate = || {
        let mut command = world.command(&programs::of_the_system("logrotate"));
        command
            .args(["--force", "--state"])
            .arg(world.path("logrotate.state"))
            .arg(&conf)
            .ran()
            .success()
            .said_nothing()
    };
    let before = size(&log);
    logrotate();
    let piece = |name: &String| name.contains(".log-");
    let pieces = || -> Vec<String> { world.names(world.dir().join(LOGS)).into_iter().filter(piece).collect() };
    assert_eq!(pieces().len(), 1, "{:?}", world.names(world.dir().join(LOGS)));
    let first = world.dir().join(LOGS).join(&pieces()[0]);
    assert!(size(&first) >= before && has_lines_alone(&first));
    until(SOON, "it writes on into the same file", || size(&log) > 0);
    assert!(has_lines_alone(&log));

    let left = pieces();
    for _ in 0..2 {
        talking(&world, &["--keep", "1"]);
    }
    assert!(!log.exists(), "the log of the launch before is one too many");
    assert_eq!(pieces(), left);
    // The last piece of a log that is gone goes by the recipe too, once it is old.
    let old = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(40 * 86_400));
    fs::File::options().write(true).open(&first).and_then(|file| file.set_times(old)).expect("a file of ours");
    logrotate();
    assert!(!first.exists() && !pieces().is_empty());
}

#[test]
fn nothing_but_the_log_of_a_launch_is_counted_or_removed() {
    let world = World::new();
    let log = talking(&world, &[]);
    let name = log.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
    let stem = name.strip_suffix(".log").expect("a log").to_owned();
    let others = [
        format!("{name}.1"),
        format!("{name}.2.gz"),
        format!("{name}-20261125"),
        format!("{stem}.1.log"),
        format!("{stem}-20261125.log"),
        "gc.log".to_owned(),
        "heap.hprof".to_owned(),
    ];
    for other in &others {
        world.write(world.dir().join(LOGS).join(other), "ours");
    }
    talking(&world, &["--keep", "2"]);
    assert!(log.exists(), "two are kept, and these are two");
    talking(&world, &["--keep", "1"]);
    let left = world.names(world.dir().join(LOGS));
    assert!(others.iter().all(|other| left.contains(other)), "{left:?}");
    assert_eq!(left.len(), others.len() + 2, "the newest log and app.log: {left:?}");
}

#[test]
fn a_further_launch_of_a_release_has_a_log_of_its_own_that_is_pruned_too() {
    let world = World::new();
    let first = talking(&world, &[]);
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    let again = facts(&launch(&world, &["--current", "--keep", "2"]).success());
    let second = PathBuf::from(text(&again, "log"));
    assert_eq!(second, PathBuf::from(first.to_string_lossy().replace(".log", ".again-2.log")));
    assert!(first.exists());
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    launch(&world, &["--current", "--keep", "1"]).success();
    assert!(!first.exists() && !second.exists());
    assert_eq!(world.names(world.dir().join(LOGS)).len(), 2);
}
