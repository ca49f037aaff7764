use bg_tests::{World, programs};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A file that is there only if a word was executed.
fn mark(world: &World) -> PathBuf {
    world.folder().join("executed")
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
    let expected = format!("set $service_url http://127.0.0.1:{};\n", world.port(slot));
    assert_eq!(world.nginx.read_upstream(), expected);
    assert!(!mark(world).exists(), "a word was executed");
}

#[test]
fn a_record_is_facts_and_names_no_command() {
    let world = World::new();
    world.deploy_fake(&[]).success();
    let probed = world.cmd("bg-probe").assert().success();
    let probed: Value = serde_json::from_slice(&probed.get_output().stdout).expect("a record");
    let touch = mark(&world).display().to_string();
    let mut record = probed.clone();
    // What the flags are called, and what the stages have on disk.
    for key in ["nginx", "pid_file", "workdir", "adopt", "path", "warmup", "exec", "shell"] {
        record[key] = json!(format!("touch {touch}"));
    }
    record["command"] = json!(["touch", touch]);
    record["probe"]["command"] = json!(["touch", touch]);
    let stage = |words: &[&str], record: &Value| {
        let mut command = world.cmd(words[0]);
        command.args(&words[1..]).write_stdin(format!("{record}\n"));
        serde_json::from_slice::<Value>(&command.assert().success().get_output().stdout).expect("a record")
    };
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
    world.deploy_fake(&[]).success();
    let probed = world.cmd("bg-probe").assert().success();
    let probed: Value = serde_json::from_slice(&probed.get_output().stdout).expect("a record");
    // What a person has started is no other folder's.
    let by_hand = World::new();
    by_hand.start_fake("set1", &[]);
    let probed_by_hand = by_hand.cmd("bg-probe").assert().success();
    let probed_by_hand: Value = serde_json::from_slice(&probed_by_hand.get_output().stdout).expect("a record");
    for word in evil(&world) {
        for key in ["app", "slot", "port", "live", "front", "front_host"] {
            let mut record = probed.clone();
            record[key] = json!(word);
            record["health"] = json!({});
            for stage in [&["bg-launch", "--", "fake-app"][..], &["bg-health"], &["bg-switch"]] {
                let mut command = world.cmd(stage[0]);
                command.args(&stage[1..]).write_stdin(format!("{record}\n")).assert().code(3).stdout("");
            }
        }
        // A path may be called anything, and is only ever a path.
        let mut record = probed_by_hand.clone();
        record["dir"] = json!(world.folder().join("d").join(word.replace('\n', " ").replace('/', "_")));
        let mut launch = by_hand.cmd("bg-launch");
        launch.args(["--", "true"]).write_stdin(format!("{record}\n")).assert().success();
    }
    assert_plain(&world, "set1");
    assert!(!world.dir().join("slots/set2").exists());
}

#[test]
fn an_answer_of_the_application_is_never_more_than_an_answer() {
    let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "500ms").env("BG_HEALTH_TIMEOUT", "700ms");
    world.deploy_fake(&[]).success();
    for word in evil(&world) {
        world.deploy_fake(&["--profile", &word]).code(5).stderr(contains("the front answered 200"));
        assert_plain(&world, "set1");
        world.cmd("bg-launch").args(["--slot", "set2", "--stop"]).assert().success();
    }
    for word in evil(&world) {
        for body in [word.clone(), json!({ "status": word }).to_string()] {
            world.deploy_fake(&["--status-json", &body]).code(4);
            assert_plain(&world, "set1");
        }
    }
}

#[test]
fn a_file_is_called_what_it_is_called() {
    let world = World::new();
    for (name, slot) in evil(&world).iter().zip(["set1", "set2"].into_iter().cycle()) {
        let name = format!("{{port}} {}", name.replace('/', "_"));
        let artifact = world.folder().join(&name);
        fs::copy(programs::ours("fake-app"), &artifact).expect("a folder of ours");
        fs::set_permissions(&artifact, fs::Permissions::from_mode(0o755)).expect("a file of ours");
        world.cmd("bg-deploy").arg(&artifact).args(["--", "{artifact}"]).assert().success();
        assert_plain(&world, slot);
        let held = fs::read_dir(world.dir().join("slots").join(slot).join("current")).expect("a release").flatten();
        assert!(held.into_iter().any(|file| file.file_name().to_string_lossy() == name), "{name:?}");
    }
}

#[test]
fn a_dry_run_is_quoted_for_a_shell() {
    let world = World::new();
    for word in evil(&world).iter().filter(|word| !word.contains('\n')) {
        let mut dry = world.cmd("bg-deploy");
        let dry = dry.arg("--dry-run").args(["--", "fake-app", "--version-text", word]).assert().success();
        let line = String::from_utf8_lossy(&dry.get_output().stdout).into_owned();
        world.shell(&line).assert().success();
        assert!(!mark(&world).exists(), "a word was executed: {line}");
        assert_eq!(world.get("/version").body, *word);
    }
}

#[test]
fn a_folder_whose_name_would_be_configuration_is_not_written_into_it() {
    let world = World::new();
    world.start_fake("set1", &[]);
    let dir = world.folder().join("x) { return 200; } if (-f y");
    let refused = world.cmd("bg-switch").args(["--convert", "link"]).arg("--dir").arg(&dir).assert().code(1);
    refused.stderr(contains("can't stand in nginx's configuration").and(contains("choose a --dir")));
    assert_plain(&world, "set1");
}

#[test]
fn nginx_is_called_with_the_words_of_its_line_and_no_shell_reads_them() {
    let world = World::new();
    for slot in ["set1", "set2"] {
        world.start_fake(slot, &[]);
    }
    for word in evil(&world).iter().filter(|word| !word.contains(['\'', '"', '`'])) {
        let nginx = format!("{} '{word}'", world.nginx.command_line());
        world.cmd("bg-switch").args(["--to", "set2", "--nginx", &nginx]).assert().code(5);
        assert_plain(&world, "set1");
    }
}
