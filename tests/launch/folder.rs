//! A folder as artifact: it is a release like any other, copied whole.

use super::{SOON, facts, launch, pid, text};
use bg_tests::{Mount, Ran, World, jar, process, programs, sample_jar, until};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// A folder with a program, libraries, links and modes; its path.
fn dist(world: &World) -> String {
    world.copy(programs::ours("fake-app"), "dist/bin/server");
    world.write("dist/lib/a.txt", "a");
    world.write("dist/lib/.hidden", "h");
    world.chmod(world.write("dist/secret.txt", "s"), 0o600);
    world.chmod(world.write("dist/shared.txt", "s"), 0o666);
    world.make_dir("dist/empty");
    world.chmod("dist/empty", 0o500);
    world.link("../lib", "dist/bin/lib");
    world.link("/etc/hostname", "dist/host");
    world.link("nowhere", "dist/dangling");
    world.word("dist")
}

const COMMAND: [&str; 2] = ["--", "{artifact}/bin/server"];

fn launch_dist(world: &World) -> serde_json::Value {
    let facts = facts(&launch(world, &[&[dist(world).as_str()][..], &COMMAND].concat()).success());
    until(SOON, "it listens", || world.listens("set2"));
    facts
}

#[test]
fn a_folder_is_copied_whole_with_its_modes_and_its_links_as_links() {
    let world = World::new();
    let facts = launch_dist(&world);
    let copy = PathBuf::from(text(&facts, "artifact"));
    assert_eq!(copy, world.dir().join("releases").join(text(&facts, "release")).join("dist"));
    assert_eq!(fs::read_link(format!("/proc/{}/exe", pid(&facts))).expect("it runs"), copy.join("bin/server"));
    let read = |path: &str| fs::read_to_string(copy.join(path)).expect("a copy");
    assert_eq!([read("lib/a.txt"), read("lib/.hidden"), read("bin/lib/a.txt")], ["a", "h", "a"]);
    for (link, leads) in [("bin/lib", "../lib"), ("host", "/etc/hostname"), ("dangling", "nowhere")] {
        assert_eq!(fs::read_link(copy.join(link)).expect("a link"), Path::new(leads));
    }
    // Nobody else may write what will be executed, and its owner can remove it.
    for (path, mode) in [("bin/server", 0o755), ("secret.txt", 0o600), ("shared.txt", 0o644), ("empty", 0o700)] {
        assert_eq!(copy.join(path).metadata().expect("a copy").mode() & 0o7777, mode, "{path}");
    }
}

#[test]
fn the_sum_of_a_folder_is_that_of_its_list_which_sha256sum_checks() {
    let world = World::new();
    let facts = launch_dist(&world);
    let release = world.dir().join("releases").join(text(&facts, "release"));
    let sums = |line: &str| world.run_line(format!("cd {} && {line}", release.display())).success();
    let checked = sums("sha256sum --strict -c .sha256");
    checked.printed("dist/bin/server: OK").printed("dist/lib/.hidden: OK");
    let inside = r"sed -E 's,^\\?(# |[0-9a-f]{64}  )[^/]*/,\1,' .sha256 | sha256sum";
    let whole = sums(inside).stdout();
    assert_eq!(whole.split(' ').next(), Some(text(&facts, "sha256")));
    assert!(text(&facts, "release").contains(&text(&facts, "sha256")[..8]));
    assert!(world.read(release.join(".sha256")).contains("# dist/bin/lib -> ../lib\n"));
}

#[test]
fn a_folder_is_deployed_rolled_back_to_started_again_and_pruned() {
    let world = World::new();
    let dist = dist(&world);
    let deploy = |version: &str| {
        let words = [&dist, "--", "{artifact}/bin/server", "--version-text", version];
        world.run("bg-deploy", &words).success()
    };
    deploy("1").said("live    dist in set1");
    deploy("2").said("live    dist in set2; back to dist in set1 with: bg-deploy --rollback");
    assert!(world.history()[1]["launch"]["artifact"].as_str().is_some_and(|path| path.ends_with("/dist")));
    world.run("bg-probe", &["--format", "table"]).success().printed(" dist\n");
    process::signal(world.pid("set1"), nix::sys::signal::Signal::SIGKILL);
    process::gone(world.pid("set1"));
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1");
    process::signal(world.pid("set1"), nix::sys::signal::Signal::SIGKILL);
    process::gone(world.pid("set1"));
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "it serves again", || world.get("/version").body == "1");
    let first = world.held("set1").expect("a release");
    world.run("bg-launch", &["--slot", "set2", "--release", &first]).success();
    for version in ["3", "4", "5"] {
        world.run("bg-deploy", &["--launch-keep", "1", "--", "fake-app", "--version-text", version]).success();
    }
    until(SOON, "it is pruned", || !world.releases().iter().any(|name| name.ends_with(&first)));
    world.run("bg-deploy", &["--dry-run", &dist, "--", "{artifact}/bin/server"]).success().printed(&dist);
}

#[track_caller]
fn refused(world: &World, words: &[&str], code: i32, sentence: &str) -> Ran {
    let check = world.run("bg-launch", &[&["--check"], words].concat()).exit(code.min(1)).printed("fail    ");
    let told = check.stdout();
    assert!(told.contains(sentence), "{told}");
    let ran = launch(world, words).exit(code).printed_nothing().said(sentence);
    assert_eq!(world.releases(), [""; 0]);
    ran
}

#[test]
fn a_folder_without_a_command_is_an_error_of_usage() {
    let world = World::new();
    let dist = dist(&world);
    let sentence = format!("{dist} is a folder. Say how to start it: bg-launch --slot set2 {dist} -- COMMAND");
    launch(&world, &[&dist]).exit(2).printed_nothing().said(sentence);
    launch(&world, &[&dist, "--", "java", "-jar", "{artifact}"]).exit(2).said("java -jar {artifact}/app.jar");
    world.run("bg-launch", &["--check", &dist]).exit(1).printed("is a folder: say how to start it");
}

#[test]
fn a_jar_in_a_folder_that_can_not_be_started_is_refused() {
    let world = World::new();
    let dist = dist(&world);
    let jar = |name: &'static str| ["--", "java", "-jar", name];
    let words = |name| [&[dist.as_str()][..], &jar(name)].concat();
    refused(&world, &words("{artifact}/gone.jar"), 1, "there is no gone.jar in it, which the command starts");
    world.copy(jar::without_main_class(), "dist/plain.jar");
    refused(&world, &words("{artifact}/plain.jar"), 1, "plain.jar has no Main-Class");
    world.copy(jar::truncated(), "dist/cut.jar");
    refused(&world, &words("{artifact}/cut.jar"), 1, "not a whole jar");
    world.copy(sample_jar("1.0"), "dist/app.jar");
    launch(&world, &words("{artifact}/app.jar")).success();
    until(SOON, "it listens", || world.listens("set2"));
    // It is the only one that can be run, and so the one that is meant.
    world.run("bg-deploy", &[&dist]).success();
    world.copy(sample_jar("1.1"), "dist/another.jar");
    launch(&world, &[&dist]).exit(2).said("is a folder. Say how to start it");
}

#[test]
fn what_can_not_be_copied_whole_is_refused_with_the_command_that_helps() {
    let helps = |make: &dyn Fn(&World), sentence: &str| {
        let world = World::new();
        let dist = dist(&world);
        make(&world);
        let ran = refused(&world, &[&dist, COMMAND[0], COMMAND[1]], 1, sentence);
        let said = ran.stderr();
        let command = said.trim_end().rsplit(": ").next().expect("a command").to_owned();
        world.run_line(&command).success();
        launch(&world, &[&dist, COMMAND[0], COMMAND[1]]).success();
    };
    helps(&|world| drop(UnixListener::bind(world.path("dist/app.sock"))), "is a socket, which can't be deployed");
    helps(&|world| drop(world.link("../../etc", "dist/lib/out")), "leads out of the folder, to ../../etc");
    helps(&|world| drop(world.link(world.path("dist/lib"), "dist/self")), "leads into the folder itself");
}

#[test]
fn a_folder_that_holds_the_releases_is_refused() {
    let world = World::new();
    world.make_dir(world.dir().join("releases"));
    let folder = world.folder().to_str().expect("UTF-8");
    refused(&world, &[folder, "--", "fake-app"], 1, "the releases are in it");
}

#[test]
fn the_folder_that_this_is_can_be_deployed() {
    let world = World::new();
    dist(&world);
    let line = format!("cd {} && bg-launch --slot set2 . -- {{artifact}}/bin/server", world.word("dist"));
    assert!(text(&facts(&world.run_line(line).success()), "artifact").ends_with("/dist"));
}

#[test]
fn a_folder_that_changes_while_it_is_copied_is_refused_or_copied_as_it_is_in_the_end() {
    let world = World::new();
    let dist = dist(&world);
    let churn = world.script("churn", "while :; do echo x >dist/lib/new; rm dist/lib/new; done");
    let mut builds = world.command(Path::new(&churn)).current_dir(world.folder()).spawn().expect("a script of ours");
    launch(&world, &[&dist, COMMAND[0], COMMAND[1]]).exit(1).said("changes while it is copied; deploy again");
    builds.kill().and_then(|()| builds.wait()).expect("a child of ours");
    launch(&world, &[&dist, COMMAND[0], COMMAND[1]]).success();
}

#[test]
fn a_copy_shares_the_blocks_of_its_artifact_where_the_file_system_can() {
    let world = World::new();
    let Some(_disk) = Mount::that_shares_blocks(&world.path("disk")) else { return };
    let dir = world.word("disk/state");
    let world = world.env("BG_DIR", &dir);
    let bytes = vec![b'x'; 32 << 20];
    let artifact = world.write("disk/app.bin", &bytes);
    let words = [artifact.to_str().expect("UTF-8"), "--", "fake-app"];
    // Two more would not fit.
    for _ in 0..3 {
        let facts = facts(&launch(&world, &words).success());
        let copy = PathBuf::from(text(&facts, "artifact"));
        assert!(fs::read(&copy).expect("a copy") == bytes);
        let line = format!("cd {} && sha256sum -c .sha256", copy.parent().expect("a release").display());
        world.run_line(line).success();
    }
}
