//! A preflight asks the guards that the launch itself asks: what one refuses, the other does.

use bg_tests::World;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::check;

#[test]
fn a_preflight_refuses_the_user_the_folder_and_the_systemd_that_a_launch_would_refuse() {
    let world = World::new();
    let mut refused = vec![
        (vec!["--user", "no-such-user"], "no user called \"no-such-user\""),
        (vec!["--workdir", "/nowhere"], "/nowhere is not a folder"),
    ];
    // The test of sd_booted(3).
    if !Path::new("/run/systemd/system").is_dir() {
        refused.push((vec!["--via", "systemd"], "systemd does not run this machine"));
    }
    for (flags, why) in refused {
        let command = [&flags[..], &["--slot", "set1", "--", "fake-app"]].concat();
        let launch = world.cmd("bg-launch").args(&command).output().expect("a program of ours");
        let said = String::from_utf8_lossy(&launch.stderr).into_owned();
        assert!(!launch.status.success() && said.contains(why), "{said}");

        let (text, code) = check(&world, "bg-launch", &[&flags[..], &["--", "fake-app"]].concat());
        assert!(text.lines().any(|line| line.starts_with("fail    ") && line.contains(why)), "no {why:?} in\n{text}");
        assert_eq!(code, 1, "{text}");
    }
}

#[test]
fn a_preflight_accepts_an_artifact_that_is_the_program_itself() {
    let world = World::new();
    let server = program(&world, "server", 0o755);
    let (text, code) = check(&world, "bg-launch", &[server.to_str().unwrap(), "--", "{artifact}", "{port}"]);
    assert!(code == 0 && text.contains("the command's program is /"), "{text}");
    // Nor is one needed that is still to be built.
    let (text, code) = check(&world, "bg-launch", &["--", "{artifact}", "{port}"]);
    assert!(code == 0 && text.contains("the command's program is the artifact"), "{text}");
}

#[test]
fn a_preflight_refuses_an_artifact_that_could_not_be_executed() {
    let world = World::new();
    let server = program(&world, "server", 0o644);
    let (text, code) = check(&world, "bg-launch", &[server.to_str().unwrap(), "--", "{artifact}", "{port}"]);
    assert!(code == 1 && text.contains("may not be executed: chmod +x it"), "{text}");
}

#[test]
fn a_preflight_refuses_a_hidden_file_as_a_launch_does() {
    let world = World::new();
    let hidden = program(&world, ".server", 0o755);
    let (text, code) = check(&world, "bg-launch", &[hidden.to_str().unwrap(), "--", "fake-app"]);
    assert!(
        code == 1 && text.contains("its name begins with a dot: deploy it by another name: ln -s .server server"),
        "{text}"
    );
}

fn program(world: &World, name: &str, mode: u32) -> PathBuf {
    let path = world.folder().join(name);
    fs::write(&path, "#!/bin/sh\n").expect("a folder of ours");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a file of ours");
    path
}
