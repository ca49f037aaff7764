use super::{refused, two_releases};
use bg_tests::{Run, World, process, until};
use nix::sys::signal::Signal;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

#[test]
fn a_hook_that_can_not_be_executed_is_refused() {
    let world = two_releases();
    let hook = world.write("hook", "#!/bin/sh\n");
    let hook = hook.to_str().expect("a path");
    for flag in ["--before-switch", "--on-success", "--on-failure", "--on-rollback"] {
        refused(&world, &[flag, "/nowhere/hook", "--", "fake-app"], 1, &format!("{flag}: /nowhere/hook is not there"));
        refused(&world, &[flag, "no-such-hook", "--", "fake-app"], 1, "is not on this machine's PATH");
        let run = refused(&world, &[flag, hook, "--", "fake-app"], 1, "may not be executed");
        run.said(format!("Let it be: chmod +x {hook}\n"));
    }
    world.run_line(format!("chmod +x {hook}")).success();
    world.run("bg-deploy", &["--on-success", hook, "--", "fake-app"]).success();
}

#[test]
fn an_artifact_that_the_disk_has_no_room_for_is_refused() {
    let world = two_releases();
    let artifact = world.folder().join("big");
    File::create(&artifact).expect("a folder of ours").set_len(4 << 40).expect("a sparse file");
    let artifact = artifact.to_str().expect("a path");
    refused(&world, &[artifact, "--", "fake-app"], 1, "less than a release takes (439804");
}

#[test]
fn a_ramp_on_a_site_without_shares_is_refused() {
    let world = two_releases();
    let run = refused(&world, &["--ramp", "10=1s", "--", "fake-app"], 1, "in which nginx sends everybody to one slot");
    run.said("For shares, install the site of bg-switch --print-site");
}

#[test]
fn a_program_that_is_missing_is_refused() {
    let world = two_releases();
    refused(&world, &["--", "/nowhere/app"], 1, "/nowhere/app is not there, or may not be executed");
    refused(&world, &["--launch-user", "no-such-user", "--", "fake-app"], 2, "no user called \"no-such-user\"");
    refused(&world, &["--launch-workdir", "/nowhere", "--", "fake-app"], 1, "/nowhere is not a folder");
}

/// What is in braces and is no place of ours is the application's, as JSON is.
#[test]
fn a_place_that_is_spelled_wrong_in_a_command_or_a_hook_is_refused() {
    let world = two_releases();
    let wrong = "{artefact} stands in the command, and is not filled in";
    refused(&world, &["--", "fake-app", "--version-text", "{artefact}"], 2, wrong);
    let hook = ["--before-launch", "echo {realease}", "--", "fake-app"];
    refused(&world, &hook, 2, "{realease} is not filled in; {release} is");
    for braces in [r#"{"port": 1}"#, "{host} {level}", "${PORT}"] {
        world.deploy(&["--version-text", braces]).success();
        assert_eq!(world.get("/version").body, braces);
    }
}

#[test]
fn a_user_who_would_start_it_as_another_is_refused() {
    const USER: u32 = 12345;
    let world = World::new().link_form();
    let dir = world.make_dir(world.dir());
    std::os::unix::fs::chown(&dir, Some(USER), Some(USER)).expect("this test needs root");
    let programs = ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy", "fake-app"];
    let programs = programs.map(|program| world.copy_of(program));
    let app = programs[5].to_str().expect("a path");
    for check in [&["--check"][..], &[]] {
        let mut deploy = world.command(&programs[4]);
        let words = [check, &["--launch-user", "root", "--", app]].concat();
        let run = deploy.uid(USER).gid(USER).args(words).ran().exit(if check.is_empty() { 2 } else { 1 });
        let said = run.stdout() + &run.stderr();
        assert!(said.contains("only root can start the application as another user"), "{run}");
    }
    assert!(world.processes().is_empty() && world.releases().is_empty());
}

#[test]
fn a_port_held_by_a_stranger_is_refused_in_a_deploy_and_in_a_rollback() {
    let world = two_releases();
    process::signal(world.pid("set1"), Signal::SIGKILL);
    until(Duration::from_secs(5), "1.0 is gone", || !world.listens("set1"));
    let stranger = world.start_fake("set1", &[]);
    let began = Instant::now();
    for words in [&["--", "fake-app"][..], &["--rollback"]] {
        refused(&world, words, 7, &format!("is held by pid {stranger} "));
    }
    assert!(began.elapsed() < Duration::from_secs(20), "nobody's health was waited for");
    assert!(process::alive(stranger));
    // --adopt takes it for the slot's own.
    world.run("bg-deploy", &["--launch-adopt", "--rollback"]).success();
}

#[test]
fn a_rollback_to_nothing_is_refused() {
    let world = World::new().serving();
    let before = world.pid("set1");
    let run = world.rollback().exit(1).said("set2 holds no release: there is nothing to start again");
    run.said("the rollback was refused, exit 1; nothing was touched");
    assert_eq!(world.pid("set1"), before);
    assert_eq!(world.history()[1]["deploy"]["failed"], "preflight");
}

#[test]
fn a_release_that_its_file_system_would_not_execute_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let world = World::new();
    let mount = world.make_dir("noexec");
    let place = mount.display();
    let mounted = format!("mount -t tmpfs -o noexec,size=16m,mode=755 none {place}");
    let world = world.env("BG_DIR", mount.join("web").to_str().expect("a path"));
    let server = world.script("server", "exit 0");
    let words = format!("{server} -- {{artifact}} {{port}}");
    // In a mount namespace of its own.
    let inside = |line: &str| world.run_line(format!("unshare -m sh -c '{mounted} && {line}'"));
    inside(&format!("bg-deploy --check {words}"))
        .exit(1)
        .printed("is mounted noexec: the release could not be executed");
    inside(&format!("bg-deploy {words}")).exit(1).said("is mounted noexec").said(": mount -o remount,exec $(findmnt");
    inside(&format!("bg-launch --slot set1 {words}")).exit(1).said("is mounted noexec");
    // What is run by another program may stay there.
    inside(&format!("bg-deploy --check {server} -- sh {{artifact}}")).success();
}
