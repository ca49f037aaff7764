//! What the application is given, and what is kept from it.

use super::{SOON, facts, launch, launch_fake, pid, text};
use bg_tests::{Ran, World, process, programs, until};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn the_application_leads_a_session_and_a_group_of_its_own() {
    let world = World::new();
    let app = pid(&launch_fake(&world, &[]));
    let (_, group, session) = process::family(app).expect("it runs");
    assert_eq!((group, session), (app, app));
}

#[test]
fn the_application_has_three_descriptors_and_none_is_ours() {
    let world = World::new();
    // Descriptors 7 and 9 are open to all that the shell starts.
    let line = "exec 7</etc/passwd 9>/dev/null; bg-launch --slot set2 -- sleep 600";
    let facts = facts(&world.run_line(line).success());
    let mut open = BTreeMap::new();
    for fd in fs::read_dir(format!("/proc/{}/fd", pid(&facts))).expect("it runs").flatten() {
        let target = fs::read_link(fd.path()).expect("proc(5)").display().to_string();
        open.insert(fd.file_name().into_string().expect("a number"), target);
    }
    let log = text(&facts, "log");
    let expected = [("0", "/dev/null"), ("1", log), ("2", log)];
    assert_eq!(open, expected.map(|(fd, target)| (fd.to_owned(), target.to_owned())).into());
}

#[test]
fn the_application_ignores_and_blocks_no_signal_whatever_launch_does() {
    let world = World::new();
    let line = "trap '' TERM HUP INT QUIT; \
                exec env --ignore-signal=USR1,RTMIN+3 --block-signal=TERM,USR2 bg-launch --slot set2 -- sleep 600";
    let facts = facts(&world.run_line(line).success());
    let status = fs::read_to_string(format!("/proc/{}/status", pid(&facts))).expect("it runs");
    for field in ["SigBlk:\t", "SigIgn:\t"] {
        let set = status.lines().find_map(|line| line.strip_prefix(field)).expect("proc_pid_status(5)");
        let set = u64::from_str_radix(set, 16).expect("a number");
        // 32 and 33 are the C library's own, and out of everybody's reach.
        assert_eq!(set & !(0b11 << 31), 0, "{field}{set:x}");
    }
}

#[test]
fn the_application_gets_our_environment_less_what_is_not_for_it() {
    let world = World::new()
        .env("RUNNER_TRACKING_ID", "github_1")
        .env("JENKINS_NODE_COOKIE", "2")
        .env("BUILD_ID", "3")
        .env("BG_LAUNCH_KEEP", "4")
        .env("BG_RELEASE", "a lie")
        .env("PORT", "1")
        .env("DB_PASSWORD", "two words");
    let facts = facts(&launch(&world, &["--", "sleep", "600"]).success());
    let environ = fs::read_to_string(format!("/proc/{}/environ", pid(&facts))).expect("it runs");
    let variables: BTreeMap<&str, &str> = environ.split('\0').filter_map(|variable| variable.split_once('=')).collect();
    let port = world.port("set2").to_string();
    let ours: BTreeMap<&str, &str> =
        variables.iter().map(|(k, v)| (*k, *v)).filter(|(k, _)| k.starts_with("BG_")).collect();
    let live = world.dir().join("live/is-set2").display().to_string();
    let expected =
        [("BG_APP", "web"), ("BG_LIVE", &live), ("BG_SLOT", "set2"), ("BG_RELEASE", text(&facts, "release"))];
    assert_eq!(ours, expected.into());
    assert_eq!((variables["PORT"], variables["SERVER_PORT"]), (port.as_str(), port.as_str()));
    assert_eq!(variables["DB_PASSWORD"], "two words");
    assert_eq!(variables.get("HOME").copied(), std::env::var("HOME").ok().as_deref());
    for mark in ["RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"] {
        assert!(!variables.contains_key(mark), "{mark}");
    }
}

#[test]
fn the_application_does_not_hold_the_pipe_of_launch() {
    let world = World::new();
    // cat ends only when nobody holds stdout or stderr any more.
    let said = world.run_line("bg-launch --slot set2 -- fake-app 2>&1 | cat").success().stdout();
    assert!(said.contains(r#""launch":{"pid":"#), "{said}");
    until(SOON, "it listens", || world.listens("set2"));
}

#[test]
fn the_application_runs_in_its_work_folder_or_where_workdir_says() {
    let world = World::new();
    let cwd = |app: u32| fs::read_link(format!("/proc/{app}/cwd")).expect("it runs");
    assert_eq!(cwd(pid(&launch_fake(&world, &[]))), world.dir().join("slots/set2/work"));
    let launched = launch(&world, &["--workdir", "/usr", "--", "fake-app"]).success();
    assert_eq!(cwd(pid(&facts(&launched))), Path::new("/usr"));
}

#[test]
fn each_launch_has_its_own_log_and_a_crashs_is_kept() {
    let world = World::new();
    let crashed = facts(&launch(&world, &["--", "fake-app", "--crash-at-boot"]).success());
    until(SOON, "it has crashed", || !process::alive(pid(&crashed)));
    let second = launch_fake(&world, &[]);
    let read = |facts| fs::read_to_string(text(facts, "log")).expect("a log");
    assert!(read(&crashed).contains("Failed to configure a DataSource"), "{}", read(&crashed));
    until(SOON, "it has said so", || read(&second).contains("Started fake-app on port"));

    let newest = world.dir().join("slots/set2/logs/app.log");
    assert_eq!(newest.canonicalize().expect("a log"), Path::new(text(&second, "log")));
    assert_eq!(world.names(world.dir().join("slots/set2/logs")).len(), 3);
    let mode = fs::metadata(newest).expect("a log").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_command_that_can_not_be_executed_says_why() {
    let world = World::new();
    let script = world.executable("run", "neither a program nor a script\n");
    let refused = launch(&world, &["--", &script]).exit(1).printed_nothing();
    refused.said(format!("bg-launch: execute {script}: ")).said("Exec format error");
}

#[test]
fn launch_says_no_command_line_and_hides_it_from_others() {
    let world = World::new();
    let launched =
        launch(&world, &["-v", "--", "sleep", "600", "--", "-Dpassword=hunter2"]).success().never_said("hunter2");
    let release = text(&facts(&launched), "release").to_owned();
    for file in [format!("releases/{release}/.command.json"), "slots/set2/process.json".to_owned()] {
        let mode = fs::metadata(world.dir().join(file)).expect("a file of ours").permissions().mode();
        assert_eq!(mode & 0o007, 0, "others may read it");
    }
}

/// `bg-launch` and these words, in the control group that this text of `/proc/PID/cgroup` names.
#[track_caller]
fn in_group(world: &World, groups: &str, words: &str) -> Ran {
    let file = world.write("cgroup", groups);
    let launch = programs::ours("bg-launch").display().to_string();
    let line = format!("mount --bind {} /proc/$$/cgroup && exec {launch} {words}", file.display());
    let unshare = if nix::unistd::geteuid().is_root() { "unshare -m" } else { "unshare -rm" };
    world.run_line(format!("PATH={}:$PATH; {unshare} sh -c '{line}'", world.folder().display()))
}

#[test]
fn a_launch_warns_where_it_would_end_with_the_agent_that_started_it() {
    let world = World::new();
    let runner = "0::/system.slice/actions.runner.web.service\n";
    let words = "is ended whenever actions.runner.web.service is stopped or restarted";
    // No systemd says how that service ends what it has started: as by default.
    in_group(&world, runner, "--slot set2 -- fake-app").success().said(words).said("BG_LAUNCH_VIA=systemd");
    let said = in_group(&world, runner, "--check -- fake-app").success().stdout();
    assert!(said.lines().any(|line| line.starts_with("warn    ") && line.contains(words)), "{said}");
    // It is what the warning asks for; whether systemd runs here is another finding.
    let said = in_group(&world, runner, "--check --via systemd -- fake-app").stdout();
    assert!(said.contains("the command's program is") && !said.contains(words), "{said}");
}

#[test]
fn a_launch_by_cron_or_in_a_login_session_warns_of_no_agent() {
    let world = World::new();
    let session = "0::/user.slice/user-1000.slice/session-3.scope\n";
    in_group(&world, session, "--slot set2 -- fake-app").success().never_said("is ended whenever");
    // What systemd says of cron.
    let line = "[ \"$*\" = '--no-ask-password show --property=KillMode -- cron.service' ] && echo KillMode=process";
    let _ = world.script("systemctl", line);
    in_group(&world, "0::/system.slice/cron.service\n", "--slot set2 -- fake-app")
        .success()
        .never_said("is ended whenever");
}
