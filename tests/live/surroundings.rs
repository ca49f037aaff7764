//! What is started again has the environment and the limits of its launch, and not those of cron.

use super::{SOON, kill};
use bg_tests::{Ran, Run, World, process, programs, until};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a line as cron does it: with the settings, and next to nothing else.
#[track_caller]
fn by_cron(world: &World, line: &str) -> Ran {
    let mut cron = Command::new("/bin/sh");
    cron.env_clear().env("PATH", "/usr/bin:/bin").env("BIN", programs::folder()).args(["-c", line]);
    for (name, value) in world.command(Path::new("sh")).get_envs() {
        if let Some(value) = value.filter(|_| name.as_encoded_bytes().starts_with(b"BG_")) {
            cron.env(name, value);
        }
    }
    cron.ran()
}

/// What is around the release in a slot: its limit of open files, its umask, its niceness.
#[track_caller]
fn around(world: &World, slot: &str) -> (String, String, String) {
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", world.pid(slot))).expect("it runs");
    let limits = read("limits");
    let open = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("proc_pid_limits(5)");
    let status = read("status");
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).expect("proc_pid_status(5)");
    let stat = read("stat");
    let nice = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(16)).expect("proc_pid_stat(5)");
    let open: Vec<&str> = open.split_whitespace().take(2).collect();
    (open.join(" "), umask.trim().to_owned(), nice.to_owned())
}

/// The file in which those of the release in a slot are kept.
#[track_caller]
fn kept(world: &World, slot: &str) -> PathBuf {
    world.dir().join("surroundings").join(world.held(slot).expect("a release"))
}

#[track_caller]
fn has(world: &World, slot: &str, variable: &str) -> bool {
    process::environment(world.pid(slot)).iter().any(|one| one == variable)
}

#[test]
fn live_starts_a_release_with_the_environment_and_limits_of_its_launch() {
    let world = World::new();
    let line = "ulimit -S -n 1234; umask 0027; \
                SECRET='two words' nice -n 5 bg-deploy -- fake-app --version-text 1.0";
    world.run_line(line).success();
    let then = around(&world, "set1");
    assert!(then.0.starts_with("1234 ") && (then.1.as_str(), then.2.as_str()) == ("0027", "5"), "{then:?}");
    let kept = kept(&world, "set1");
    assert_eq!(fs::metadata(&kept).expect("a file").mode() & 0o7777, 0o600);
    kill(&world, "set1");
    // The program is found on the PATH of the launch, too.
    let started = by_cron(&world, "ulimit -S -n 256; umask 077; exec $BIN/bg-launch --live -v").success();
    started.never_said("two words").never_printed("two words");
    until(SOON, "it serves", || world.listens("set1"));
    assert_eq!(around(&world, "set1"), then);
    assert!(has(&world, "set1", "SECRET=two words") && has(&world, "set1", "BG_SLOT=set1"));
    let ours = process::environment(world.pid("set1")).iter().filter(|one| one.starts_with("BG_")).count();
    assert_eq!(ours, 4, "BG_APP, BG_SLOT, BG_RELEASE, BG_LIVE and no others");
}

#[test]
fn what_a_settings_file_says_now_is_newer_than_the_launch() {
    let world = World::new();
    let file = world.write("web.env", "DB=old\n").display().to_string();
    world.run("bg-deploy", &["--env-file", &file, "--", "fake-app"]).success();
    world.write("web.env", "DB=new\nKEY=k\n");
    let starts = |line: &str, has_key: bool| {
        kill(&world, "set1");
        by_cron(&world, line).success();
        until(SOON, "it serves", || world.listens("set1"));
        assert_eq!((has(&world, "set1", "DB=new"), has(&world, "set1", "KEY=k")), (true, has_key), "{line}");
    };
    // What a shell has read can't be told from its own, but for what came from the file at the launch.
    starts(&format!("set -a; . {file}; exec $BIN/bg-launch --live"), false);
    starts(&format!("exec $BIN/bg-launch --env-file {file} --live"), true);
    // And what is known once stays so.
    starts("exec $BIN/bg-launch --live", true);
}

#[test]
fn a_rollback_starts_the_old_release_with_what_was_around_it() {
    let world = World::new();
    world.run_line("ulimit -S -n 1234; DB=one bg-deploy -- fake-app").success();
    world.run_line("ulimit -S -n 1235; DB=two bg-deploy -- fake-app").success();
    kill(&world, "set1");
    world.run_line("ulimit -S -n 1236; DB=three bg-deploy --rollback").success();
    assert!(has(&world, "set1", "DB=one"));
    assert!(around(&world, "set1").0.starts_with("1234 "));
    // A new release has those of its own deploy.
    world.run_line("ulimit -S -n 1237; DB=four bg-deploy -- fake-app").success();
    assert!(has(&world, "set2", "DB=four") && around(&world, "set2").0.starts_with("1237 "));
}

#[test]
fn a_rollback_after_a_deploy_that_was_undone_starts_the_old_release_with_its_own_and_not_with_that_ones() {
    for undone in [
        "DB=three bg-deploy --before-switch false -- fake-app; test $? = 4",
        "DB=three bg-deploy --prepare -- fake-app && bg-deploy --abandon",
    ] {
        let world = World::new();
        world.run_line("ulimit -S -n 1234; DB=one bg-deploy -- fake-app").success();
        world.run_line("DB=two bg-deploy -- fake-app").success();
        world.run_line(format!("ulimit -S -n 1236; {undone}")).success();
        world.run_line("DB=four bg-deploy --rollback").success();
        assert!(has(&world, "set1", "DB=one"), "{undone}");
        assert!(around(&world, "set1").0.starts_with("1234 "), "{undone}");
    }
}

#[test]
fn an_older_release_comes_back_with_its_own_also_in_the_other_slot() {
    let world = World::new();
    for value in ["one", "two", "three"] {
        world.run_line(format!("DB={value} bg-deploy -- fake-app --version-text {value}")).success();
    }
    let second = world.held("set2").expect("a release");
    world.run_line("DB=four bg-deploy -- fake-app").success();
    world.run("bg-deploy", &["--rollback", "--to", &second]).success();
    assert!(has(&world, "set1", "DB=two"));
}

#[test]
fn what_is_kept_of_a_release_goes_with_it() {
    let world = World::new().env("BG_LAUNCH_KEEP", "2");
    for _ in 0..4 {
        world.run("bg-deploy", &["--", "fake-app"]).success();
    }
    let mut kept: Vec<_> = fs::read_dir(world.dir().join("surroundings"))
        .expect("a folder of ours")
        .map(|file| file.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    kept.sort_unstable();
    let mut releases = world.releases();
    releases.sort_unstable();
    assert_eq!(kept, releases);
    assert!(kept.len() < 4, "{kept:?}");
}

#[test]
fn what_an_earlier_version_has_kept_with_the_slot_is_used_until_each_release_has_its_own() {
    let world = World::new().env("BG_LAUNCH_KEEP", "2");
    world.run_line("DB=one bg-deploy -- fake-app").success();
    let older = world.dir().join("slots/set1/surroundings");
    fs::rename(kept(&world, "set1"), &older).expect("a folder of ours");
    world.run_line("DB=two bg-deploy -- fake-app").success();
    kill(&world, "set1");
    world.run_line("DB=three bg-deploy --before-switch false -- fake-app; test $? = 4").success();
    world.run_line("DB=four bg-deploy --rollback").success();
    assert!(has(&world, "set1", "DB=one"));
    world.run_line("DB=five bg-deploy -- fake-app").success();
    assert!(!older.exists());
}

#[test]
fn what_stands_in_the_place_of_what_is_kept_is_refused_before_anything_is_stopped() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    world.deploy(&["--version-text", "1.2"]).success();
    let before = world.pid("set2");
    let oldest = world.history()[0]["launch"]["release"].as_str().expect("a name").to_owned();
    let file = world.dir().join("surroundings").join(&oldest);
    fs::remove_file(&file).expect("a folder of ours");
    fs::create_dir(&file).expect("a folder of ours");
    let refused = world.run("bg-deploy", &["--rollback", "--to", &oldest]).exit(1);
    refused.said(format!("is a folder, and no file. Move it away: mv {0} {0}.old", file.display()));
    assert!(process::alive(before));
    let folder = file.parent().expect("a folder of ours");
    fs::remove_dir_all(folder).expect("a folder of ours");
    fs::write(folder, "").expect("a folder of ours");
    world.deploy(&[]).exit(1).said(format!("is no folder. Move it away: mv {0} {0}.old", folder.display()));
    assert!(process::alive(before));
}

#[test]
fn limits_that_can_not_be_had_again_are_named() {
    let world = World::new();
    let (launch, app) = (world.copy_of("bg-launch"), world.copy_of("fake-app"));
    fs::create_dir(world.dir()).expect("a folder of ours");
    chown(world.dir(), Some(12345), Some(12345)).expect("only root can become another user");
    let (launch, app) = (launch.display(), app.display());
    let as_user = |limit: &str, words: &str| {
        let line = format!("{limit}; exec setpriv --reuid 12345 --regid 12345 --clear-groups {launch} {words}");
        by_cron(&world, &line)
    };
    as_user("ulimit -n 4096", &format!("--slot set1 -- {app}")).success().never_said("open files");
    until(SOON, "it listens", || world.listens("set1"));
    kill(&world, "set1");
    let named = "it was launched with a limit of 4096 on open files and has 256 now, the most there is here";
    as_user("ulimit -n 256", "--live").success().said(named);
    assert_eq!(around(&world, "set1").0, "256 256");
    process::signal(world.pid("set1"), nix::sys::signal::Signal::SIGKILL);
}

#[test]
fn a_file_of_surroundings_that_is_damaged_or_lost_keeps_nothing_from_being_started() {
    let world = World::new();
    world.run_line("DB=one bg-deploy -- fake-app").success();
    let kept = kept(&world, "set1");
    for (text, says) in [(Some(""), true), (Some("{}\nDB"), true), (None, false)] {
        kill(&world, "set1");
        match text {
            Some(text) => fs::write(&kept, text).expect("a file of ours"),
            None => fs::remove_file(&kept).expect("a file of ours"),
        }
        let started = world.run_line("DB=here bg-launch --live").success();
        assert_eq!(started.stderr().contains("it gets the environment and limits of this run"), says);
        until(SOON, "it serves", || world.listens("set1"));
        assert!(has(&world, "set1", "DB=here"));
    }
}
