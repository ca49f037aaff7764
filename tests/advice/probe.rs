use super::{deploying, follow};
use bg_tests::{Ran, Run, World, process, programs};
use nix::sys::signal::Signal;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::Command;

const NOBODY: u32 = 65534;

/// A line in the shell of a user who may do nothing.
#[track_caller]
fn as_nobody(world: &World, line: &str) -> Ran {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it runs programs as another user");
    for program in ["bg-probe", "bg-launch", "bg-health", "bg-switch", "bg-deploy", "fake-app"] {
        // What runs already can't be written.
        if !world.path(format!("programs/{program}")).exists() {
            world.copy(programs::ours(program), format!("programs/{program}"));
        }
    }
    let mut shell: Command = world.command("/bin/sh".as_ref());
    shell.env("PATH", format!("{}:/usr/sbin:/usr/bin:/bin", world.word("programs")));
    shell.args(["-c", line]).uid(NOBODY).gid(NOBODY).ran()
}

/// Both ways out of a file that nginx has not read are taken by their lines.
#[track_caller]
fn both_ways_by_the_lines(world: &World, bring: &str) {
    for (words, slot) in [("go on serving set1 with: ", "set1"), ("or move to set2 with: ", "set2")] {
        let refused = world.run_line(format!("{bring}bg-probe")).exit(7);
        let refused = refused.stderr().to_lowercase();
        let line = refused.split_once(words).expect("the advice").1.split("; or").next().expect("a line").trim();
        world.run_line(line).success();
        assert_eq!(world.live().as_deref(), Some(slot));
        world.point_at("set1");
        world.edit_upstream("set2");
    }
}

#[test]
fn where_nginx_and_its_file_disagree_either_line_ends_that() {
    let world = World::new().both_running();
    world.edit_upstream("set2");
    both_ways_by_the_lines(&world, "");
}

#[test]
fn the_lines_for_an_unread_file_have_the_settings_that_were_typed_on_the_first_stage() {
    // What was typed for bg-probe is in its record, and in no variable of the stages behind it.
    let world = World::new().both_running();
    let slots = format!("set1={},set2={}", world.port("set1"), world.port("set2"));
    let world = world.env("BG_SLOTS", "set1=1,set2=2");
    let record = world.run_line(format!("bg-probe --slots {slots}")).success().stdout();
    world.edit_upstream("set2");
    let refused = world.pipe(record, "bg-launch", &["--", "fake-app"]).exit(7);
    let line = refused.advice("Go on serving set1 with: ");
    assert!(line.contains(&slots), "{line}");
    world.run_line(line).success();
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn a_switch_that_was_cut_short_is_ended_by_the_printed_line() {
    for (words, slot) in [("by hand with: ", "set1"), ("; or: ", "set2")] {
        let world = World::new().env("BG_FRONT", "-").both_running();
        let note = format!(r#"{{"from":"set1","to":"set2","before":{:?}}}"#, world.nginx.read_upstream());
        world.write(world.dir().join("switching.json"), note);
        world.point_at("set2");
        let refused = world.run("bg-probe", &[]).exit(7);
        follow(&world, &refused, words).success();
        assert_eq!(world.live().as_deref(), Some(slot));
        world.run("bg-probe", &[]).success();
    }
}

#[test]
fn what_nobody_can_tell_is_told_by_the_printed_line() {
    let world = World::new().env("BG_FRONT", "-").both_running();
    std::fs::remove_file(world.nginx.upstream_file()).expect("a file");
    let refused = world.run("bg-probe", &[]).exit(7);
    follow(&world, &refused, "; or: ").success();
    world.run("bg-probe", &[]).success().said("set2 is live");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn slots_that_are_not_those_of_the_launch_are_typed_as_they_were() {
    let world = World::new().serving();
    let wrong = format!("set1={},set2={}", world.free_port(), world.port("set2"));
    let world = world.env("BG_SLOTS", &wrong);
    let deploy = |words: &str| world.run_line(format!("bg-deploy {words} --rollback"));
    world.run("bg-probe", &[]).exit(7);
    let refused = world.run("bg-probe", &["--format", "name", "--slots", &wrong]).exit(7);
    follow(&world, &refused, "print the site again): ").success().printed_only("set2\n");
    deploy("").exit(7);
}

#[test]
fn a_file_that_looks_into_a_folder_of_nobodys_looks_here_after_the_printed_line() {
    let world = World::new().link_form().set1_running();
    let elsewhere = world.nginx.read_upstream().replace("/state/live", "/moved/live");
    world.nginx.write_upstream(&elsewhere);
    world.nginx.reload();
    let refused = world.run("bg-probe", &[]).exit(7);
    follow(&world, &refused, "so it may look here instead: ").success();
    world.run("bg-probe", &[]).success().said("set1 is live");
}

#[test]
fn a_slot_that_another_folder_has_launched_is_left_for_ones_own_by_the_printed_line() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    // Another folder's release takes the place of what served.
    let (dir, other) = (world.word("other"), world.pid("set2"));
    bg_tests::process::signal(other, nix::sys::signal::Signal::SIGKILL);
    bg_tests::until(super::SOON, "it has ended", || !world.listens("set2"));
    let mut launch = world.cmd("bg-launch");
    launch.env("BG_DIR", &dir).env("BG_FRONT", "-").env("BG_UPSTREAM_FILE", world.word("none"));
    launch.env("BG_SLOTS", format!("set1={},set2={}", world.free_port(), world.port("set2")));
    launch.args(["--slot", "set2", "--", "fake-app"]).ran().success();
    bg_tests::until(super::SOON, "it listens", || world.listens("set2"));
    let refused = world.run("bg-probe", &[]).exit(7);
    follow(&world, &refused, "serves again with: ").success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_folder_is_given_to_the_application_by_its_new_name_by_the_printed_line() {
    let world = deploying(World::new(), "").serving().env("BG_APP", "shop");
    let refused = world.run("bg-deploy", &[]).exit(7);
    follow(&world, &refused, "is called shop now: ").success();
    world.run("bg-deploy", &[]).success();
}

#[test]
fn a_folder_that_others_may_write_is_closed_by_the_printed_line() {
    let world = deploying(World::new(), "");
    world.make_dir(world.dir());
    world.chmod(world.dir(), 0o777);
    let refused = world.run("bg-deploy", &[]).exit(1);
    follow(&world, &refused, "Take that from them: ").success();
    world.run("bg-deploy", &[]).success();
}

#[test]
fn a_user_who_may_not_write_roots_folder_deploys_by_the_printed_line() {
    let world = deploying(World::new().link_form(), "").serving().with_sudo();
    for words in ["bg-deploy", "bg-deploy --health-timeout 9s"] {
        let refused = as_nobody(&world, words).exit(1);
        follow(&world, &refused, "Deploy as root: ").success();
    }
    assert_eq!(world.history().len(), 3);
    // The settings stand in a file, so that sudo need keep nothing.
    let (world, file) = world.by_file();
    let refused = as_nobody(&world, &format!("bg-deploy --env-file {file} --rollback")).exit(1);
    let line = refused.advice("Deploy as root: ");
    assert!(!line.contains("-E"), "{line}");
    world.run_line(line).success();
}

#[test]
fn root_in_a_users_folder_deploys_as_that_user_by_the_printed_line() {
    let world = deploying(World::new().link_form(), "").with_sudo();
    world.make_dir(world.dir());
    chown(world.dir(), Some(NOBODY), Some(NOBODY)).expect("root may");
    as_nobody(&world, "bg-deploy").success();
    let path = format!("{}:{}:{}", world.word("sbin"), world.word("programs"), programs::path().display());
    let world = world.env("PATH", &path);
    let refused = world.run("bg-deploy", &["--rollback"]).exit(1);
    follow(&world, &refused, "Deploy as that user: ").exit(1).said("set2 holds no release");
    let refused = world.run("bg-deploy", &[]).exit(1);
    follow(&world, &refused, "Deploy as that user: ").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_switch_of_another_user_that_was_cut_short_is_ended_as_that_user_by_the_printed_line() {
    let world = World::new().with_sudo().both_running();
    world.make_dir(world.dir());
    let note = format!(r#"{{"from":"set1","to":"set2","before":{:?}}}"#, world.nginx.read_upstream());
    let note = world.write(world.dir().join("switching.json"), note);
    for mine in [&world.dir(), &note] {
        chown(mine, Some(12345), Some(12345)).expect("root may");
    }
    let refused = world.run("bg-switch", &["--to", "set1"]).exit(1);
    let line = refused.advice("End it as that user: ");
    assert!(line.starts_with("sudo -u '#12345' -E bg-launch"), "{line}");
    let path = format!("{}:{}:{}", world.word("sbin"), world.word("programs"), programs::path().display());
    for program in ["bg-launch", "fake-app"] {
        world.copy(programs::ours(program), format!("programs/{program}"));
    }
    let world = world.env("PATH", &path);
    world.run_line(line).success();
    world.run("bg-switch", &["--to", "set2"]).success();
}

#[test]
fn a_user_whose_own_folder_is_closed_by_its_mode_opens_it_by_the_printed_line() {
    let world = deploying(World::new().link_form(), "");
    world.make_dir(world.dir());
    chown(world.dir(), Some(NOBODY), Some(NOBODY)).expect("root may");
    as_nobody(&world, "bg-deploy").success();
    let releases = world.dir().join("releases");
    for closed in [world.dir(), releases] {
        world.chmod(&closed, 0o555);
        let refused = as_nobody(&world, "bg-deploy").exit(1).never_said("chown").never_said("as its owner");
        let line = refused.advice("Let it be written: ");
        assert_eq!(line, format!("chmod u+rwX {}", closed.display()));
        as_nobody(&world, &line).success();
        as_nobody(&world, "bg-deploy").success();
    }
}

#[test]
fn a_user_who_may_not_read_the_settings_is_let_by_the_printed_line_and_nobody_loses_them() {
    let (world, file) = deploying(World::new().link_form(), "").with_sudo().by_file();
    world.make_dir(world.dir());
    chown(world.dir(), Some(NOBODY), Some(NOBODY)).expect("root may");
    let deploy = format!("bg-deploy --env-file {file}");
    world.chmod(&file, 0o600);
    let refused = as_nobody(&world, &deploy).exit(1).said(format!("may not read {file}. Let it be read: "));
    follow(&world, &refused, "Let it be read: ").success();
    as_nobody(&world, &deploy).success();
    // Its group's again, and closed to it.
    world.chmod(&file, 0o600);
    let refused = as_nobody(&world, &deploy).exit(1);
    assert_eq!(refused.advice("Let it be read: "), format!("sudo chmod g+r {file}"));
    // Of others who deploy nothing is taken.
    chown(&file, None, Some(1)).expect("root may");
    world.chmod(&file, 0o640);
    let refused = as_nobody(&world, &deploy).exit(1).never_said("chgrp");
    refused.said(format!("Run it as a user of its group, daemon: sudo -u daemon {deploy}"));
}

#[test]
fn the_line_for_the_settings_of_another_folder_takes_them_in_place_of_those_that_were_typed() {
    let world = World::new().link_form();
    world.deploy(&[]).success();
    // A relative folder is another one from each place where the line is typed.
    world.write("rel.env", "BG_DIR=state\n");
    world.write("right.env", format!("BG_DIR={}\n", world.dir().display()));
    let etc = world.make_dir("etc").display().to_string();
    for typed in ["--env-file ../rel.env", "--env-file=../rel.env", "--env-file ../rel.env --slot live"] {
        let refused = world.run_line(format!("cd {etc} && bg-probe {typed}")).exit(7);
        let line = refused.advice("Load the settings of that folder: ");
        assert_eq!(line.matches("--env-file").count(), 1, "{line}");
        world.run_line(format!("cd {etc} && {}", line.replace("FILE", "../right.env"))).success();
        let line = refused.advice("name it in full: ");
        world.run_line(format!("cd {etc} && {line}")).success();
    }
}

#[test]
fn slots_that_were_swapped_are_refused_with_those_that_the_processes_have_and_nothing_is_moved() {
    let world = World::new().link_form();
    for version in ["1.0", "1.1"] {
        world.deploy(&["--version-text", version]).success();
    }
    let [one, two] = ["set1", "set2"].map(|slot| world.port(slot));
    let (swapped, right) = (format!("set1={two},set2={one}"), format!("set1={one},set2={two}"));
    let leads_to = || std::fs::read_link(world.dir().join("live")).expect("a link");
    let before = leads_to();
    let refused = || {
        let runs = |words: &str| world.run_line(format!("{words} --slots {swapped}")).exit(7);
        for words in ["bg-probe --slot live", "bg-switch --to set1"] {
            runs(words).said("but --slots says ").said("othing was touched").said(&right);
        }
        assert_eq!(leads_to(), before);
        runs("bg-switch --to set2").advice("print the site again): ")
    };
    let line = refused();
    // The other one has ended, so its port is not known from it.
    process::signal(world.pid("set1"), Signal::SIGKILL);
    process::gone(world.pid("set1"));
    assert_eq!(refused(), line);
    world.run_line(line).success();
}
