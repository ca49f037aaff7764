use super::SOON;
use bg_tests::{Run, World, process, programs, until};
use std::fs;

#[test]
fn a_release_that_is_never_healthy_is_stopped_and_its_log_kept() {
    let world = World::new().serving().env("BG_HEALTH_TIMEOUT", "1s");
    let before = world.nginx.read_upstream();
    let failed = world.deploy(&["--down"]).exit(4).printed_nothing();
    let failed = failed.said("the deploy failed at health, exit 4").said("in set1, as before");
    let process = world.process("set2");
    let name = process["release"].as_str().expect("a name");
    failed.said(format!("  release   {name} in set2 was stopped; its log is kept"));
    assert!(!process::alive(world.pid("set2")));
    let log = fs::read_to_string(world.dir().join("slots/set2/logs/app.log")).expect("its log");
    assert!(log.contains("Started fake-app"), "{log}");
    assert_eq!(world.nginx.read_upstream(), before);
    assert_eq!(world.get("/version").body, "1.0");
    let line = &world.history()[1]["deploy"];
    assert_eq!((&line["failed"], &line["exit"]), (&"health".into(), &4.into()));
}

#[test]
fn keep_failed_leaves_the_failed_release_running() {
    let world = World::new().serving().env("BG_HEALTH_TIMEOUT", "1s").env("BG_DEPLOY_KEEP_FAILED", "1");
    world.deploy(&["--down"]).exit(4).said("was left running, as --keep-failed says");
    assert!(process::alive(world.pid("set2")));
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn keep_failed_says_of_a_release_that_has_ended_that_it_has() {
    let ended = " in set2 has ended; its log is kept: /";
    let world = World::new().serving().env("BG_DEPLOY_KEEP_FAILED", "1");
    let failed = world.deploy(&["--crash-at-boot"]).exit(8).said(ended).never_said("was left running");
    failed.said("  idle      release ").said(" in set2 still; the next deploy replaces it\n");
    // It ends between its health and the switch.
    let pid = format!("p=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' {})", world.process_file("set2").display());
    let kill = format!("{pid}; kill -KILL $p; while [ -e /proc/$p/exe ]; do :; done; exit 1");
    let hook = world.script("hook", &kill);
    let failed = world.run("bg-deploy", &["--before-switch", &hook, "--", "fake-app"]).exit(4);
    failed.said(ended).never_said("was left running");
}

#[test]
fn deploy_stops_a_first_release_that_never_listens() {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1s");
    world.deploy(&["--boot-ms", "600000"]).exit(4).said("was stopped; its log is kept");
    assert!(!process::alive(world.pid("set1")));
    world.deploy(&["--version-text", "1.1"]).success();
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn deploy_stops_a_failed_first_release_that_nginx_serves_by_accident() {
    // The file points at set1 from the start, and so nginx does as soon as something answers there.
    for world in [World::new(), World::new().link_form()] {
        let world = world.env("BG_HEALTH_TIMEOUT", "1s");
        let failed = world.deploy(&["--down"]).exit(4).said("was stopped; its log is kept");
        failed.said("nginx is set to serve set1\n").said("  serving   nothing: no slot was live before\n");
        assert!(!world.listens("set1"));
        assert_eq!((world.live(), world.get("/version").status), (None, 502));
        world.deploy(&["--version-text", "1.1"]).success();
        assert_eq!((world.live().as_deref(), world.get("/version").body.as_str()), (Some("set1"), "1.1"));
    }
}

#[test]
fn deploy_stops_a_first_release_that_a_hook_has_refused() {
    let world = World::new().env("BG_DEPLOY_BEFORE_SWITCH", "false");
    world.deploy(&[]).exit(4).said("was stopped; its log is kept").said("serving   nothing");
    assert!(!world.listens("set1"));
}

#[test]
fn a_failed_first_release_that_is_kept_is_said_to_serve_by_accident() {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1s").env("BG_DEPLOY_KEEP_FAILED", "1");
    let kept = world.deploy(&["--down"]).exit(4);
    kept.said("serving   this release, once it answers: no slot was live, and nginx is set to serve set1\n");
    assert_eq!(world.live().as_deref(), Some("set1"));
}

#[test]
fn the_bare_pipeline_says_how_to_stop_a_failed_first_release_and_that_works() {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1s");
    let line = "bg-probe | bg-launch -- fake-app --down | bg-health | bg-switch";
    let said = world.run_line(line).exit(3).said("nginx is set to serve set1").stderr();
    assert_eq!(world.live().as_deref(), Some("set1"), "nobody has stopped it");
    let stop = said.split("stop it, unless bg-deploy does: ").nth(1).and_then(|rest| rest.lines().next());
    world.run_line(stop.expect("a command")).success();
    until(SOON, "it is stopped", || !world.listens("set1"));
    world.deploy(&["--version-text", "1.1"]).success();
}

#[test]
fn a_record_of_a_failed_first_launch_stops_nothing_that_serves_by_hand() {
    let world = World::new();
    let record = world.run_line("bg-probe | bg-launch -- fake-app --down").success().stdout();
    until(SOON, "it listens", || world.listens("set1"));
    // Somebody may have found it good enough since.
    world.pipe(record, "bg-launch", &["--stop"]).exit(7).said("nothing in it may be touched");
    assert!(world.listens("set1"));
}

#[test]
fn deploy_exits_8_when_the_release_crashes() {
    let world = World::new().serving();
    world.deploy(&["--crash-at-boot"]).exit(8).printed_nothing().said("exited before it was healthy");
    assert_eq!(world.history()[1]["deploy"]["exit"], 8);
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn deploy_exits_1_when_the_system_refuses_the_launch() {
    let world = World::new().serving();
    let failed = world.run("bg-deploy", &["--", "/nowhere/app"]).exit(1);
    failed.said("the deploy was refused, exit 1; nothing was touched").said("in set1, as before");
    assert_eq!(world.history()[1]["deploy"]["failed"], "preflight");
}

#[test]
fn deploy_exits_7_when_front_and_file_disagree() {
    let world = World::new().serving();
    let text = world.nginx.read_upstream();
    let text = text.replace(&world.port("set1").to_string(), &world.port("set2").to_string());
    world.nginx.write_upstream(&text);
    world.deploy(&[]).exit(7).said("bg-deploy: the deploy failed at probe, exit 7");
    assert_eq!(world.nginx.read_upstream(), text);
    assert!(!world.dir().join("slots/set2").exists());
    let line = &world.history()[1];
    assert_eq!((&line["app"], &line["deploy"]["exit"]), (&"web".into(), &7.into()));
}

#[test]
fn the_next_line_moves_nginx_to_the_healthy_release_that_it_refused() {
    let world = World::new().serving();
    let words = ["--", "fake-app", "--version-text", "1.1", "--boot-ms", "1000"];
    let deploy = world.start("bg-deploy", &words);
    until(SOON, "it is launched", || world.is_launched("set2"));
    world.nginx.add_to_http("broken", "this is no directive;\n");
    let refused = deploy.end().exit(5);
    let refused =
        refused.said("in set2 is healthy and runs on").said("  serving   release ").said(" in set1, as before\n");
    let said = refused.stderr();
    let (_, next) = said.split_once("  next      when the cause is gone: ").expect("a next line");
    assert_eq!(next.lines().next(), Some("bg-switch --to set2"));
    assert_eq!(world.get("/version").body, "1.0");
    assert_eq!(world.get_slot("set2", "/version").expect("1.1 runs on").body, "1.1");

    world.nginx.add_to_http("broken", "");
    world.run_line(next.lines().next().unwrap_or_default()).success();
    assert_eq!(world.get("/version").body, "1.1");

    // A rollback that nginx would refuse does not begin.
    world.nginx.add_to_http("broken", "this is no directive;\n");
    let refused = world.rollback().exit(5).said("bg-deploy: the rollback was refused, exit 5; nothing was touched\n");
    refused.said(" in set2, as before\n");
    // Without a place where it can be seen what serves, that is said too.
    world.nginx.add_to_http("broken", "");
    world.nginx.stop();
    let lost = world.cmd("bg-deploy").env("BG_UPSTREAM_FILE", world.word("none")).arg("--rollback").ran().exit(7);
    lost.said("  serving   what served before: nothing was touched; to look: bg-probe --format table\n");
}

#[test]
fn deploy_exits_137_when_a_stage_is_killed() {
    let world = World::new().serving();
    for program in ["bg-deploy", "bg-probe", "bg-launch", "bg-switch"] {
        world.copy(programs::ours(program), format!("programs/{program}"));
    }
    // The look at its settings and the preflight are not what is to be killed.
    let lines = "case \"$*\" in *--read-settings*) exit 0;; *--check*) echo '[]'; exit 0;; esac\nkill -KILL $$";
    world.script("programs/bg-health", lines);
    world.command(&world.path("programs/bg-deploy")).args(["--", "fake-app"]).ran().exit(128 + 9);
    let killed = world.pid("set2");
    until(SOON, "the unproven release is stopped", || !process::alive(killed));
    assert_eq!(world.history()[1]["deploy"]["exit"], 137);
}

#[test]
fn the_log_of_a_unit_is_the_command_that_shows_its_journal() {
    let world = World::new().serving();
    let process = world.process_file("set2");
    // As it is written down of a unit; app.log is that of a release before.
    let as_unit = format!("sed -i 's/^{{/{{\"unit\":\"bg-web-set2.service\",/' '{}' && exit 1", process.display());
    let hook = world.script("hook", &as_unit);
    let deploy = world.run("bg-deploy", &["--keep-failed", "--before-switch", &hook, "--", "fake-app"]).exit(4);
    deploy.said("as --keep-failed says; its log: journalctl -u bg-web-set2.service\n");
    let expected = ["--slot", "set2", "--timeout", "200ms", "--expect", "nothing like it"];
    let health = world.run("bg-health", &expected).exit(4);
    health.said("  log       journalctl -u bg-web-set2.service").never_said("app.log");
}
