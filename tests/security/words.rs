use bg_tests::{Run, World, programs};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A file that is there only if a word was executed.
fn mark(world: &World) -> PathBuf {
    world.path("executed")
}

/// What a shell would make the mark of, in ways that break out of quotes, directives and strings.
fn evil(world: &World) -> [String; 6] {
    let mark = mark(world).display().to_string();
    [
        format!("$(touch {mark})"),
        format!("`touch {mark}`"),
        format!("; touch {mark} #"),
        format!("'\"; touch {mark} #"),
        format!("\n touch {mark}\n"),
        "http://127.0.0.1:1; } location /etc { root /; } #".to_owned(),
    ]
}

/// nginx reads one directive of ours and no other, and nothing was executed.
#[track_caller]
fn assert_plain(world: &World, slot: &str) {
    assert_eq!(world.nginx.read_upstream(), world.upstream_line(slot));
    assert!(!mark(world).exists(), "a word was executed");
}

#[test]
fn no_command_in_a_record_is_executed() {
    let world = World::new();
    world.deploy(&[]).success();
    let probed = world.run("bg-probe", &[]).success().record();
    let touch = mark(&world).display().to_string();
    let mut record = probed.clone();
    // What the flags are called, and what the stages have on disk.
    for key in ["nginx", "pid_file", "workdir", "adopt", "path", "warmup", "exec", "shell"] {
        record[key] = json!(format!("touch {touch}"));
    }
    record["command"] = json!(["touch", touch]);
    record["probe"]["command"] = json!(["touch", touch]);
    let stage =
        |words: &[&str], record: &Value| world.pipe(format!("{record}\n"), words[0], &words[1..]).success().record();
    let mut launched = stage(&["bg-launch", "--", "fake-app", "--version-text", "1.1"], &record);
    launched["launch"]["command"] = json!(["touch", touch]);
    let mut healthy = stage(&["bg-health"], &launched);
    healthy["health"]["command"] = json!(["touch", touch]);
    healthy["switch"] = json!({ "nginx": format!("touch {touch}") });
    stage(&["bg-switch"], &healthy);
    assert_eq!(world.get("/version").body, "1.1");
    assert_plain(&world, "set2");
}

#[test]
fn a_fact_of_a_record_that_is_no_name_no_port_and_no_path_gets_nowhere() {
    let world = World::new();
    world.deploy(&[]).success();
    let probed = world.run("bg-probe", &[]).success();
    let probed: Value = probed.record();
    // What a person has started is no other folder's.
    let by_hand = World::new();
    by_hand.start_fake("set1", &[]);
    let probed_by_hand = by_hand.cmd("bg-probe").ran().success();
    let probed_by_hand: Value = probed_by_hand.record();
    for word in evil(&world) {
        for key in ["app", "slot", "port", "live", "front", "front_host"] {
            let mut record = probed.clone();
            record[key] = json!(word);
            record["health"] = json!({});
            for stage in [&["bg-launch", "--", "fake-app"][..], &["bg-health"], &["bg-switch"]] {
                world.pipe(format!("{record}\n"), stage[0], &stage[1..]).exit(3).printed_nothing();
            }
        }
        // A path may be called anything, and is only ever a path.
        let mut record = probed_by_hand.clone();
        record["dir"] = json!(world.path("d").join(word.replace('\n', " ").replace('/', "_")));
        let mut launch = by_hand.cmd("bg-launch");
        launch.args(["--", "true"]).write_stdin(format!("{record}\n")).ran().success();
    }
    assert_plain(&world, "set1");
    assert!(!world.dir().join("slots/set2").exists());
}

#[test]
fn no_answer_of_the_application_is_executed_or_configured() {
    let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "500ms").env("BG_HEALTH_TIMEOUT", "700ms");
    world.deploy(&[]).success();
    for word in evil(&world) {
        world.deploy(&["--profile", &word]).exit(5).said("the front answered 200");
        assert_plain(&world, "set1");
        world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    }
    for word in evil(&world) {
        for body in [word.clone(), json!({ "status": word }).to_string()] {
            world.deploy(&["--status-json", &body]).exit(4);
            assert_plain(&world, "set1");
        }
    }
}

#[test]
fn an_artifact_may_have_any_name() {
    let world = World::new();
    for (name, slot) in evil(&world).iter().zip(["set1", "set2"].into_iter().cycle()) {
        let name = format!("{{port}} {}", name.replace('/', "_"));
        world.copy(programs::ours("fake-app"), &name);
        world.run("bg-deploy", &[&world.word(&name), "--", "{artifact}"]).success();
        assert_plain(&world, slot);
        let held = world.names(world.dir().join("slots").join(slot).join("current"));
        assert!(held.contains(&name), "{name:?}");
    }
}

#[test]
fn a_dry_run_is_quoted_for_a_shell() {
    let world = World::new();
    for word in evil(&world).iter().filter(|word| !word.contains('\n')) {
        let line = world.run("bg-deploy", &["--dry-run", "--", "fake-app", "--version-text", word]).success().stdout();
        world.run_line(&line).success();
        assert!(!mark(&world).exists(), "a word was executed: {line}");
        assert_eq!(world.get("/version").body, *word);
    }
}

#[test]
fn a_folder_whose_name_would_be_configuration_is_not_written_into_it() {
    let world = World::new().set1_running();
    let dir = world.word("x) { return 200; } if (-f y");
    let refused = world.run("bg-switch", &["--convert", "link", "--dir", &dir]).exit(1);
    refused.said("can't stand in nginx's configuration").said("choose a --dir");
    assert_plain(&world, "set1");
}

#[test]
fn nginx_is_called_with_the_words_of_its_line_and_no_shell_reads_them() {
    let world = World::new().both_running();
    for word in evil(&world).iter().filter(|word| !word.contains(['\'', '"', '`'])) {
        let nginx = format!("{} '{word}'", world.nginx.command_line());
        world.run("bg-switch", &["--to", "set2", "--nginx", &nginx]).exit(5);
        assert_plain(&world, "set1");
    }
}
