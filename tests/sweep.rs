//! Killed anywhere, whole everywhere: every program is struck at every call by which it changes something outside
//! itself, by death or by an error, and then everything is looked at: what nginx serves, now and after its own
//! restart, what is on disk, what runs, and whether the same command finishes the job.
//!
//! The points are as many as the calls; a run takes a sample, `BG_TEST_FULL=1` takes all.

mod blow;
mod call;
mod course;
mod scene;
mod whole;

use course::Course;
use scene::{Act, Form};

#[test]
fn a_launch_is_whole() {
    Course::run(Act::Launch, Form::Reload);
}

#[test]
fn a_switch_in_the_reload_form_is_whole() {
    Course::run(Act::Switch, Form::Reload);
}

#[test]
fn a_switch_in_the_link_form_is_whole() {
    Course::run(Act::Switch, Form::Link);
}

#[test]
fn a_conversion_to_the_link_form_is_whole() {
    Course::run(Act::Convert, Form::Reload);
}

#[test]
fn a_conversion_to_the_reload_form_is_whole() {
    Course::run(Act::Convert, Form::Link);
}

#[test]
fn a_deploy_in_the_reload_form_is_whole() {
    Course::run(Act::Deploy, Form::Reload);
}

#[test]
fn a_deploy_in_the_link_form_is_whole() {
    Course::run(Act::Deploy, Form::Link);
}
