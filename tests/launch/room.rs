//! Too little disk: old releases make room before the copy, and what does not fit is refused before anything is touched.

use super::{launch, launch_fake, text};
use bg_tests::strace::Strace;
use bg_tests::{Mount, Ran, Run, World, process, programs};
use nix::errno::Errno;
use std::path::Path;

/// A world whose folder is on a disk of 20 MB with these options more; `None` where none can be mounted.
fn small(options: &str) -> Option<(World, Mount)> {
    let world = World::new();
    let disk = Mount::in_memory(&world.path("disk"), &format!("size=20m{options}"))?;
    let dir = world.word("disk/state");
    Some((world.env("BG_DIR", &dir), disk))
}

/// An artifact of so many MB, not on that disk.
fn artifact(world: &World, mb: usize) -> String {
    world.write(format!("app-{mb}.bin"), vec![b'x'; mb << 20]).display().to_string()
}

fn deploy(world: &World, artifact: &str) -> Ran {
    world.run("bg-deploy", &[artifact, "--", "fake-app"])
}

fn releases(world: &World) -> Vec<String> {
    world.names("disk/state/releases").into_iter().filter(|name| !name.starts_with('.')).collect()
}

/// The command behind the last colon of a line.
fn advice(line: &str) -> String {
    line.trim_end().rsplit(": ").next().expect("a command").to_owned()
}

#[test]
fn a_deploy_removes_the_oldest_release_that_no_slot_uses_where_that_makes_room_and_no_other() {
    let Some((world, _disk)) = small("") else { return };
    let artifact = artifact(&world, 5);
    let check = || world.run("bg-deploy", &["--check", &artifact, "--", "fake-app"]).success();
    let held = |slot: &str| -> String {
        let link = std::fs::read_link(world.path(format!("disk/state/slots/{slot}/current"))).expect("a release");
        link.file_name().expect("its name").to_string_lossy().into_owned()
    };
    deploy(&world, &artifact).success();
    let first = held("set1");
    check().never_printed("a deploy removes for it");
    for _ in 0..2 {
        deploy(&world, &artifact).success().never_said("removed, to make room");
    }
    // Both slots have a release, which are the live one and the rollback's.
    check().printed("less than a release takes (6 MB); a deploy removes for it ").printed(&first);
    deploy(&world, &artifact).success().said(format!("removed, to make room on the disk: {first}\n"));
    assert!(!releases(&world).contains(&first) && releases(&world).len() == 3);
    world.rollback().success();
}

#[test]
fn the_release_to_go_back_to_is_not_removed_for_room_while_another_is_prepared_in_its_place() {
    let Some((world, _disk)) = small("") else { return };
    let artifacts = [5, 4].map(|mb| artifact(&world, mb));
    let held = |slot: &str| {
        let link = std::fs::read_link(world.path(format!("disk/state/slots/{slot}/current"))).expect("a release");
        link.file_name().expect("its name").to_string_lossy().into_owned()
    };
    deploy(&world, &artifacts[0]).success();
    deploy(&world, &artifacts[1]).success();
    let back = held("set1");
    let prepare = |artifact: &str| world.run("bg-deploy", &["--prepare", artifact, "--", "fake-app"]);
    prepare(&artifacts[0]).success();
    prepare(&artifacts[0]).exit(1).said("less than a release takes");
    assert!(releases(&world).contains(&back));
    world.run("bg-deploy", &["--abandon"]).success();
    world.rollback().success();
    assert_eq!(held("set1"), back);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_touched_with_a_command_that_helps() {
    let Some((world, _disk)) = small("") else { return };
    let old = launch_old(&world);
    let filler = world.write("disk/forgotten.tar", vec![b'x'; 10 << 20]);
    let large = artifact(&world, 10);
    let before = releases(&world);
    let check = world.run("bg-launch", &["--check", &large, "--", "fake-app"]).exit(1);
    check.printed("fail    ").printed("less than a release takes (11 MB); the releases that no slot uses have ");
    let refused = launch(&world, &[&large, "--", "fake-app"]).exit(1).printed_nothing();
    let refused = refused.said("less than a release takes (11 MB)").never_said("removed, to make room");
    assert!(process::alive(old) && releases(&world) == before);
    let command = advice(&refused.stderr());
    world.run_line(&command).success().printed(filler.display().to_string());
    world.remove(&filler);
    launch(&world, &[&large, "--", "fake-app"]).success();
}

/// A release that runs in set2, and one before that no slot uses.
fn launch_old(world: &World) -> u32 {
    let small = artifact(world, 1);
    launch(world, &[&small, "--", "fake-app"]).success();
    launch(world, &[&small, "--", "fake-app"]).success();
    let launched = launch(world, &[&small, "--", "fake-app"]).success().record();
    launched["launch"]["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid")
}

#[test]
fn a_folder_of_more_files_than_the_disk_has_names_for_is_refused() {
    let Some((world, _disk)) = small(",nr_inodes=100") else { return };
    for n in 0..100 {
        world.write(format!("dist/{n}"), "");
    }
    let refused = launch(&world, &[&world.word("dist"), "--", "fake-app"]).exit(1).printed_nothing();
    refused.said("more files, less than a release takes (117)");
}

#[test]
fn a_disk_that_fills_up_meanwhile_is_said_with_the_command_that_helps_and_leaves_nothing() {
    let world = World::new();
    let facts = launch_fake(&world, &[]);
    let (artifact, before) = (artifact(&world, 1), world.releases());
    let strace = Strace::of("write", &world.path("strace"));
    let copied = world.dir().join("releases/.incoming/app-1.bin");
    let strace = strace.only_on(&[copied]).fail_at("write", 2, Errno::ENOSPC);
    let words = strace.words();
    let mut command = world.command(Path::new(&words[0]));
    command.args(&words[1..]).arg(programs::ours("bg-launch")).args(["--slot", "set2", &artifact, "--", "fake-app"]);
    let failed = command.ran().exit(1).said("No space left on device (os error 28). Remove what is not needed");
    assert!(strace.struck().is_some() && world.releases() == before, "{failed}");
    assert_eq!(world.held("set2").as_deref(), Some(text(&facts, "release")));
}
