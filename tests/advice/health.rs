use super::{SOON, deploying, follow};
use bg_tests::{Ran, World, until};

/// Deploys this fake application with little patience, does what is printed behind these words, and deploys again: with the
/// settings in variables, in a file, and as a bare pipeline.
#[track_caller]
fn mended_by(app: &str, more: &[(&str, &str)], words: &str) {
    let world = more.iter().fold(deploying(World::new(), app), |world, (name, value)| world.env(name, value));
    let world = world.env("BG_HEALTH_TIMEOUT", "1500ms");
    let pipeline = "bg-probe | bg-launch | bg-health | bg-switch";
    for line in ["bg-deploy", pipeline] {
        let advice = failed(&world, line).advice(words);
        world.run_line(format!("{advice}; {line}")).success();
    }
    let (world, file) = world.by_file();
    let line = format!("bg-deploy --env-file {file}");
    let advice = failed(&world, &line);
    follow(&world, &advice, words).success();
    world.run_line(line).success();
    // Made for good.
    world.run_line(format!("bg-deploy --env-file {file} --rollback")).success();
}

/// A run that health ends.
#[track_caller]
fn failed(world: &World, line: &str) -> Ran {
    let run = world.run_line(line);
    assert!(run.stderr().contains("was not healthy within"), "{run}");
    run
}

#[test]
fn an_application_that_sends_to_https_is_told_that_it_is_https() {
    mended_by("--only-https", &[], "where it believes a proxy: ");
}

#[test]
fn a_redirect_to_https_will_do_by_the_printed_line() {
    mended_by("--only-https", &[("BG_HEALTH_PATH", "/version")], "or where that answer will do: ");
}

#[test]
fn a_word_of_its_own_for_well_is_expected_by_the_printed_line() {
    for body in ["{\"status\":\"ready\"}", "{\"status\":3}"] {
        mended_by(
            &format!("--status-json '{body}'"),
            &[("BG_HEALTH_PATH", "/health")],
            "if that is how the application says it is well: ",
        );
    }
}

#[test]
fn a_host_name_that_is_taken_is_named_by_the_printed_line() {
    mended_by("--only-host www.example.org", &[], "name one that it takes: ");
    mended_by(
        "--only-host shop.example.org",
        &[("BG_HEALTH_HOST", "www.example.org"), ("BG_FRONT_HOST", "shop.example.org")],
        "name another: ",
    );
}

#[test]
fn a_page_without_a_status_will_do_by_the_printed_line() {
    mended_by("--status-json fine", &[], "if any 2xx will do: ");
}

#[test]
fn a_longer_wait_is_had_by_the_printed_line() {
    mended_by("--boot-ms 2000", &[], "or still booting: ");
}

#[test]
fn an_answer_that_takes_long_may_take_so_by_the_printed_line() {
    mended_by("--hold-ms 300", &[("BG_HEALTH_CHECK_TIMEOUT", "200ms"), ("BG_PROBE_TIMEOUT", "2s")], "if it may: ");
}

#[test]
fn a_port_for_management_is_asked_by_the_printed_line() {
    let world = World::new();
    // The application's own rule: as far from the slot's port as everybody's 9081 from 8081, and free here.
    let apart = i32::from(world.free_port()) - i32::from(world.port("set1"));
    let script = world.script("app", &format!("exec fake-app --management-port $((PORT + {apart}))"));
    let world = world.env("BG_HEALTH_TIMEOUT", "1500ms").env("BG_LAUNCH_COMMAND", &script);
    let advice = failed(&world, "bg-deploy").advice("if its health page is there: ");
    for _ in 0..2 {
        world.run_line(format!("{advice}; bg-deploy")).success();
    }
}

#[test]
fn a_port_that_is_asked_in_vain_is_set_to_the_slots_own_by_the_printed_line() {
    let world = World::new();
    let ports = format!("set1={},set2={}", world.free_port(), world.free_port());
    mended_by("", &[("BG_HEALTH_PORT", &ports)], "ask on its own: ");
}

#[test]
fn a_flag_that_was_typed_is_typed_otherwise_by_the_printed_line() {
    let world = deploying(World::new(), "--boot-ms 1500");
    let refused = failed(&world, "bg-deploy --health-timeout 1s");
    assert_eq!(refused.advice("or still booting: "), "bg-deploy --health-timeout 2s");
    follow(&world, &refused, "or still booting: ").success();
}

#[test]
fn by_sudo_the_printed_line_is_by_sudo() {
    let world = deploying(World::new(), "--boot-ms 1500").env("BG_HEALTH_TIMEOUT", "1s").with_sudo();
    let refused = failed(&world, "sudo -E bg-deploy");
    let line = refused.advice("or still booting: ");
    assert!(line.starts_with("sudo "), "{line}");
    world.run_line(line).success();
}

#[test]
fn what_listens_in_the_place_of_the_application_is_stopped_or_taken_over_by_the_printed_lines() {
    for (words, line) in [
        ("; stop it: ", "bg-deploy"),
        ("let bg-launch take it over: ", "bg-deploy"),
        ("let bg-launch take it over: ", "bg-probe | bg-launch | bg-health | bg-switch"),
        ("let bg-launch take it over: ", "bg-deploy -- fake-app"),
    ] {
        let world = World::new().serving();
        // It can't have the port any more when it comes to that.
        let late = "[ -e there ] || { touch there; until curl -s localhost:$PORT >/dev/null; do sleep 0.05; done; }; exec fake-app";
        let late = late.replace("there", &world.word("there"));
        let script = world.script("app", &late);
        let world = world.env("BG_LAUNCH_COMMAND", &script).env("BG_HEALTH_TIMEOUT", "9s");
        let line = line.replace("-- fake-app", &format!("-- {script}"));
        // It was there before, and listens only then.
        world.spawn_fake("set2", &["--boot-ms", "2000"]);
        let run = world.run_line(&line);
        let followed = follow(&world, &run, words).success();
        if words.contains("stop it") {
            until(SOON, "it has ended", || !world.listens("set2"));
            world.run_line(&line).success();
        } else {
            followed.said("adopted");
        }
        assert_eq!(world.live().as_deref(), Some("set2"), "{run}");
    }
}

#[test]
fn in_a_bare_pipeline_a_release_that_went_bad_is_left_by_the_printed_line() {
    let world = World::new();
    world.deploy(&["--version-text", "1.0"]).success();
    let slots = format!("set1={},set2={}", world.port("set1"), world.port("set2"));
    let world = world.env("BG_SLOTS", "set1=1,set2=2");
    let run = world.run_line(format!(
        "bg-probe --slots {slots} | bg-launch -- fake-app --bad-after-ms 1000 | bg-health \
        | bg-switch | bg-health --watch 30s"
    ));
    let run = run.exit(9);
    follow(&world, &run, "move nginx back: ").success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn in_a_bare_pipeline_what_listens_on_the_live_port_is_stopped_by_the_printed_line() {
    let world = World::new();
    world.start_fake("set1", &["--reuse-port"]);
    let run = world.run_line(format!(
        "bg-probe | bg-launch -- fake-app --reuse-port --listen-port {} | bg-health --interval 60s | bg-switch",
        world.port("set1")
    ));
    let pid = world.pid("set2");
    follow(&world, &run, "stop it: ").success();
    assert!(!bg_tests::process::alive(pid));
}

#[test]
fn where_nothing_runs_the_printed_line_shows_what_does() {
    let world = World::new().serving();
    let run = world.run("bg-health", &["--slot", "idle", "--once"]).exit(4);
    let port = world.port("set2");
    follow(&world, &run, &format!("or not on port {port}: ")).success().printed("set2");
}
