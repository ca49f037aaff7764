use super::{kept, prepare};
use bg_tests::{World, process};
use nix::sys::signal::Signal;

/// Neither bg-switch by a pipe nor --finish moves nginx by this record; both say why.
#[track_caller]
fn refused(world: &World, line: &str, why: &str) {
    let before = world.live();
    world.pipe(line, "bg-switch", &[]).exit(7).printed_nothing().said("the record is no longer true: ").said(why);
    world.pipe(line, "bg-deploy", &["--finish", "-"]).exit(7).said(why).said("the finish was refused, exit 7");
    assert_eq!(world.live(), before);
}

#[test]
fn a_record_is_refused_when_another_release_is_in_the_slot() {
    let world = World::new().serving();
    let line = prepare(&world, "1.1").success().stdout();
    prepare(&world, "1.2").success();
    let now = world.held("set2").expect("a release");
    refused(&world, &line, &format!("set2 has release {now} by now, and the record is of "));
    world.pipe(line, "bg-health", &[]).exit(7).printed_nothing().said("the record is no longer true");
    world.run("bg-deploy", &["--finish"]).success();
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn a_record_is_refused_when_the_release_was_started_again() {
    let world = World::new().serving();
    let line = prepare(&world, "1.1").success().stdout();
    world.run_line("bg-launch --slot set2 --stop && bg-launch --slot set2 --current </dev/null").success();
    refused(&world, &line, "which was started again since");
    world.run("bg-deploy", &["--finish"]).exit(7).said("was started again since");
    world.run("bg-deploy", &["--abandon"]).success().said("nothing is prepared");
    assert!(kept(&world).is_none());
}

#[test]
fn a_record_is_refused_when_another_release_has_come_beside_it() {
    let world = World::new().serving();
    let line = prepare(&world, "1.1").success().stdout();
    world.switch("set2").success();
    // 1.2 takes the place of 1.0, so 1.1 is what a rollback goes to.
    world.deploy(&["--version-text", "1.2"]).success();
    refused(&world, &line, "set1 has release ");
}

#[test]
fn a_record_is_refused_when_visitors_have_been_there_and_left() {
    let world = World::new().serving();
    let line = prepare(&world, "1.1").success().stdout();
    world.switch("set2").success();
    world.rollback().success();
    refused(&world, &line, "visitors have been in set2 since");
}

#[test]
fn a_record_whose_slot_serves_already_is_done() {
    let world = World::new().serving();
    let line = prepare(&world, "1.1").success().stdout();
    world.switch("set2").success();
    world.pipe(line.clone(), "bg-switch", &[]).success();
    world.pipe(line, "bg-deploy", &["--finish", "-"]).success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn finish_exits_8_when_what_is_prepared_has_ended_and_abandon_puts_the_slot_back() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let before = world.held("set1");
    prepare(&world, "1.2").success();
    let waits = world.pid("set1");
    process::signal(waits, Signal::SIGKILL);
    process::gone(waits);
    world.run("bg-deploy", &["--finish"]).exit(8).said("prepare it again; or give it up: bg-deploy --abandon");
    world.run("bg-deploy", &["--abandon"]).success();
    assert_eq!((world.held("set1"), kept(&world)), (before, None));
}

#[test]
fn a_record_of_another_boot_is_refused() {
    let world = World::new().serving();
    let line = prepare(&world, "1.1").success().stdout();
    let boot = world.process("set2")["boot_id"].as_str().expect("a boot").to_owned();
    refused(&world, &line.replace(&boot, "another"), "the machine was started anew");
}

#[test]
fn a_record_of_another_application_is_refused() {
    let (world, other) = (World::new().serving(), World::new().serving());
    let line = prepare(&other, "1.1").success().stdout();
    world.pipe(line, "bg-deploy", &["--finish", "-"]).exit(7).said("the record is of web in ");
    assert_eq!((world.get("/version").body, other.get("/version").body), ("1.0".to_owned(), "1.0".to_owned()));
}

#[test]
fn a_file_that_is_damaged_is_named_with_the_command_that_helps() {
    let world = World::new().serving();
    prepare(&world, "1.1").success();
    let file = world.dir().join("prepared.json");
    for damaged in ["", "{", "{\"bg\":1}", "null"] {
        world.write(&file, damaged);
        let rm = format!("rm {}", file.display());
        world.run("bg-deploy", &["--finish"]).exit(7).said("is damaged").said(&rm);
        world.run("bg-deploy", &["--abandon"]).exit(7).said("is damaged").said(&rm);
        world.run("bg-probe", &["--format", "table"]).success().never_printed("prepared");
        world.run("bg-probe", &[]).success();
    }
    world.deploy(&["--version-text", "1.2"]).success();
    assert_eq!(world.get("/version").body, "1.2");
}
