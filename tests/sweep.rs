//! Killed anywhere, whole everywhere: every program is struck at every call by which it changes something outside
//! itself, by death or by an error, and then everything is looked at: what nginx serves, now and after its own
//! restart, what is on disk, what runs, and whether the same command finishes the job.
//!
//! The points are as many as the calls; a run takes a sample, `BG_TEST_FULL=1` takes all.

mod blow;
mod call;
mod course;
mod power;
mod scene;
mod scripts;
mod whole;
mod written;

use std::fs;

use bg_tests::{Run, World};
use course::Course;
use scene::{Act, Form};

#[test]
fn a_launch_is_whole() {
    Course::run(Act::Launch, Form::Reload, &["bg-launch"]);
}

#[test]
fn a_switch_in_the_reload_form_is_whole() {
    Course::run(Act::Switch, Form::Reload, &["bg-switch"]);
}

#[test]
fn a_switch_in_the_link_form_is_whole() {
    Course::run(Act::Switch, Form::Link, &["bg-switch"]);
}

#[test]
fn a_switch_of_a_share_is_whole() {
    Course::run(Act::Share, Form::Link, &["bg-switch"]);
}

#[test]
fn a_site_is_closed_and_opened_whole() {
    Course::run(Act::Close, Form::Link, &["bg-switch"]);
    Course::run(Act::Open, Form::Link, &["bg-switch"]);
}

#[test]
fn a_host_is_drained_whole() {
    Course::run(Act::Drain, Form::Link, &["bg-switch"]);
}

#[test]
fn a_pass_is_made_whole() {
    Course::run(Act::Pass, Form::Link, &["bg-switch"]);
}

#[test]
fn a_switch_after_which_some_stay_is_whole() {
    Course::run(Act::Linger, Form::Link, &["bg-switch"]);
}

#[test]
fn a_watch_of_visitors_is_whole() {
    Course::run(Act::Watch, Form::Link, &["bg-health"]);
}

#[test]
fn a_ramp_is_whole() {
    Course::run(Act::Ramp, Form::Link, &["bg-deploy", "bg-health"]);
}

#[test]
fn a_conversion_to_the_link_form_is_whole() {
    Course::run(Act::Convert, Form::Reload, &["bg-switch"]);
}

#[test]
fn a_conversion_to_the_reload_form_is_whole() {
    Course::run(Act::Convert, Form::Link, &["bg-switch"]);
}

#[test]
fn a_companion_that_follows_nginx_is_one_and_whole() {
    Course::run(Act::Companion, Form::Link, &["bg-launch"]);
}

/// The stages that do the same in both forms are struck in the reload form.
#[test]
fn a_deploy_in_the_link_form_is_whole() {
    Course::run(Act::Deploy, Form::Link, &["bg-deploy", "bg-switch"]);
}

#[test]
fn a_deploy_is_whole_whose_driver_or_probe_or_health_is_struck() {
    Course::run(Act::Deploy, Form::Reload, &["bg-deploy", "bg-probe", "bg-health"]);
}

#[test]
fn a_deploy_is_whole_whose_launch_is_struck() {
    Course::run(Act::Deploy, Form::Reload, &["bg-launch"]);
}

#[test]
fn a_deploy_is_whole_whose_switch_is_struck() {
    Course::run(Act::Deploy, Form::Reload, &["bg-switch"]);
}

#[test]
fn a_preparation_is_whole() {
    Course::run(Act::Prepare, Form::Link, &["bg-deploy", "bg-launch"]);
}

#[test]
fn a_preparation_is_finished_whole() {
    Course::run(Act::Finish, Form::Link, &["bg-deploy", "bg-health", "bg-switch"]);
}

#[test]
fn a_preparation_is_given_up_whole() {
    Course::run(Act::Abandon, Form::Link, &["bg-deploy", "bg-launch"]);
}

#[test]
fn power_may_fail_during_a_launch() {
    let world = World::new();
    let launch = |words: &[&str]| release(&world, words);
    power::fails_during(&world, "bg-launch", &launch(&["--slot", "set1"]), &power::all(&world));
    world.cmd("bg-launch").args(launch(&["--slot", "set2"])).ran().success();
    power::fails_during(&world, "bg-launch", &launch(&["--slot", "set2", "--keep", "2"]), &power::all(&world));
}

#[test]
fn power_may_fail_during_a_switch_in_the_reload_form() {
    power_may_fail_during_switches(&World::new(), [["--to", "set2"], ["--to", "set1"]]);
}

#[test]
fn power_may_fail_during_a_switch_in_the_link_form() {
    power_may_fail_during_switches(&World::new().link_form(), [["--to", "set2"], ["--to", "set1"]]);
}

#[test]
fn power_may_fail_during_a_conversion() {
    power_may_fail_during_switches(&World::new(), [["--convert", "link"], ["--convert", "reload"]]);
}

/// What bg-deploy writes itself; the writes of its stages are theirs.
#[test]
fn power_may_fail_as_a_deploy_ends() {
    let world = World::new();
    for _ in 0..2 {
        let parts = [world.history_file(), world.dir().join(".deploys.jsonl.bg-new")];
        power::fails_during(&world, "bg-deploy", &release(&world, &[]), &parts);
    }
}

/// What bg-deploy keeps of a preparation, and what a switch to it writes down.
#[test]
fn power_may_fail_as_a_release_is_prepared_and_finished() {
    let world = World::new();
    world.cmd("bg-deploy").args(release(&world, &[])).ran().success();
    let names = ["prepared.json", ".prepared.json.bg-new", "deploys.jsonl", ".deploys.jsonl.bg-new"];
    let parts = names.map(|name| world.dir().join(name));
    power::fails_during(&world, "bg-deploy", &release(&world, &["--prepare"]), &parts);
    power::fails_during(&world, "bg-deploy", &["--finish".to_owned()], &parts);
    power::fails_during(&world, "bg-switch", &["--to", "set1"].map(str::to_owned), &power::all(&world));
}

fn power_may_fail_during_switches(world: &World, switches: [[&str; 2]; 2]) {
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    for words in switches {
        power::fails_during(world, "bg-switch", &words.map(str::to_owned), &power::all(world));
    }
}

/// The words that launch a release which is not the one before.
fn release(world: &World, flags: &[&str]) -> Vec<String> {
    let artifact = world.path("app.bin");
    let so_far = fs::read_to_string(&artifact).unwrap_or_default();
    world.write(&artifact, so_far + "one more\n");
    let flags = flags.iter().map(|&flag| flag.to_owned());
    let command = [artifact.display().to_string(), "--".to_owned()];
    flags.chain(command).chain(world.fake_app(&[])).collect()
}
