use super::{SOON, deploying, follow};
use bg_tests::{World, programs, until};

#[test]
fn what_holds_the_idle_port_is_stopped_by_the_printed_line() {
    let world = deploying(World::new(), "").both_running();
    let refused = world.run("bg-deploy", &[]).exit(7);
    follow(&world, &refused, "Stop it: ").success();
    until(SOON, "it has ended", || !world.listens("set2"));
    world.run("bg-deploy", &[]).success();
}

#[test]
fn what_holds_the_idle_port_is_taken_over_by_the_printed_line() {
    let world = deploying(World::new(), "").both_running();
    let refused = world.run("bg-deploy", &["--health-timeout", "9s"]).exit(7);
    follow(&world, &refused, "or let bg-launch take it over: ").success().said("adopted");
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn in_a_bare_pipeline_what_holds_the_idle_port_is_taken_over_by_the_printed_pipeline() {
    let world = World::new().both_running();
    // What was typed for the first stage alone belongs into it, too.
    let slots = format!("set1={},set2={}", world.port("set1"), world.port("set2"));
    let world = deploying(world, "").env("BG_SLOTS", "set1=1,set2=2");
    let refused =
        world.run_line(format!("bg-probe --slots {slots} | bg-launch --stop-timeout 9s | bg-health | bg-switch"));
    follow(&world, &refused, "or let bg-launch take it over: ").success().said("adopted");
    assert_eq!(world.get("/profile").body, "set2");
}

#[test]
fn in_a_bare_pipeline_the_printed_pipeline_has_the_settings_file() {
    let world = World::new().both_running();
    let (world, file) = deploying(world, "").by_file();
    let refused = world.run_line(format!("bg-deploy --env-file {file}")).exit(7);
    let line = refused.advice("or let bg-launch take it over: ");
    assert_eq!(line, format!("bg-deploy --launch-adopt --env-file {file}"));
    world.run_line(line).success();
    assert_eq!(world.get("/profile").body, "set2");
}

#[test]
fn what_nginx_is_set_to_serve_is_moved_away_from_by_the_printed_line() {
    let world = World::new().both_running().env("BG_FRONT", "-");
    let refused = world.run("bg-launch", &["--slot", "set1", "--", "fake-app"]).exit(7);
    follow(&world, &refused, "if a release runs there: ").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_file_that_is_no_jar_is_deployed_by_the_printed_line() {
    let world = World::new();
    let server = world.copy(programs::ours("fake-app"), "server").display().to_string();
    let refused = world.run("bg-deploy", &["--health-timeout", "9s", &server]).exit(2);
    follow(&world, &refused, "how to start it: ").success();
    assert_eq!(world.live().as_deref(), Some("set1"));
    let refused = world.run("bg-launch", &["--slot", "set2", &server]).exit(2);
    follow(&world, &refused, "how to start it: ").success();
    until(SOON, "it listens", || world.listens("set2"));
}

#[test]
fn a_slot_that_holds_nothing_gets_a_release_that_is_on_disk_by_the_printed_line() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    world.deploy(&["--version-text", "1.2"]).success();
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    world.remove(world.dir().join("slots/set2/current"));
    let refused = world.rollback().exit(1);
    follow(&world, &refused, "newest that is on disk: ").success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn where_systemd_does_not_run_the_release_runs_in_a_session_after_the_printed_line() {
    if std::path::Path::new("/run/systemd/system").is_dir() {
        return;
    }
    let world = deploying(World::new(), "");
    // Typed, it is typed otherwise; in a variable or a file it is set otherwise there.
    let refused = world.run("bg-deploy", &["--launch-via", "systemd"]).exit(1);
    follow(&world, &refused, "session of its own: ").success();
    let world = world.env("BG_LAUNCH_VIA", "systemd");
    let refused = world.run("bg-deploy", &[]).exit(1);
    world.run_line(format!("{}; bg-deploy", refused.advice("session of its own: "))).success();
    let (world, file) = world.by_file();
    let deploy = format!("bg-deploy --env-file {file}");
    let refused = world.run_line(&deploy).exit(1);
    follow(&world, &refused, "session of its own: ").success();
    world.run_line(&deploy).success();
    assert_eq!(world.history().iter().filter(|line| line["deploy"]["exit"] == 0).count(), 3);
}

#[test]
fn a_folder_that_can_not_be_made_is_made_by_the_printed_line() {
    use std::os::unix::process::CommandExt;
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it looks as another user");
    let world = World::new().with_sudo().link_form();
    let mut check = world.command(&world.copy_of("bg-launch"));
    let seen = bg_tests::Run::ran(check.args(["--check", "--", "true"]).uid(12345).gid(12345)).exit(1);
    let line = seen.advice(": make it: ");
    assert!(line.starts_with("sudo "), "{line}");
    world.run_line(line).success();
    bg_tests::Run::ran(&mut check).success();
}
