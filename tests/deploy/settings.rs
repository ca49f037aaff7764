//! Where the settings of a deploy come from, and what a dry run prints of them.

use bg_tests::{Run, World, process};
use std::fs;
use std::path::Path;

#[test]
fn a_dry_run_prints_what_a_shell_can_run() {
    let world = World::new();
    let dir = world.word("else where");
    let dry = world
        .run(
            "bg-deploy",
            &["--dir", &dir, "--health-timeout", "20s", "--dry-run", "--", "fake-app", "--version-text", "it's 1.1"],
        )
        .success();
    assert!(!Path::new(&dir).exists() && !world.dir().exists(), "nothing was touched");
    let pipeline = dry.stdout();
    assert!(pipeline.contains("--timeout=20s") && pipeline.starts_with("bg-probe "), "{pipeline}");
    world.run_line(&pipeline).success();
    assert_eq!(world.get("/version").body, "it's 1.1");
    assert!(Path::new(&dir).join("slots/set1/process.json").exists(), "{pipeline}");
}

#[test]
fn a_dry_run_of_an_env_file_is_whole_without_it() {
    let world = World::new();
    let dir = world.path("other");
    let file = world.word("web.env");
    world.write(&file, format!("BG_DIR='{}'\n", dir.display()));
    let dry = world.run("bg-deploy", &["--env-file", &file, "--dry-run", "--", "fake-app"]).success();
    world.run_line(dry.stdout()).success();
    assert!(dir.join("slots/set1/process.json").exists());
}

#[test]
fn an_env_file_is_the_environment() {
    let world = World::new();
    let dir = world.path("other");
    let file = world.word("web.env");
    let text = format!("# web\nexport BG_DIR={} BG_HEALTH_TIMEOUT=5s\nVISIBLE='to the application'\n", dir.display());
    world.write(&file, text);
    let deploy = || {
        let mut deploy = world.cmd("bg-deploy");
        deploy.args(["--env-file", &file]);
        deploy
    };
    deploy().args(["--", "fake-app"]).ran().success();
    deploy().args(["--", "fake-app"]).ran().success().said(format!("with: bg-deploy --env-file {file} --rollback"));
    assert!(world.get("/env").body.contains("VISIBLE=to the application\n"));
    assert!(!world.get("/env").body.contains("BG_ENV_FILE"));
    deploy().args(["--", "fake-app", "--down"]).ran().exit(4).said("within 5.0s");
    deploy().args(["--env-file", "/nowhere/web.env"]).ran().exit(2);
    assert!(dir.join("deploys.jsonl").exists() && !world.dir().exists());
}

#[test]
fn each_stage_of_a_pipeline_reads_the_env_file_itself() {
    let world = World::new();
    let file = world.word("web.env");
    let dir = world.path("other");
    world.write(&file, format!("BG_DIR='{}'\nVISIBLE='to the application'\nBG_HEALTH_SUCCESSES=1\n", dir.display()));
    let line = format!(
        "bg-probe --env-file {file} | bg-launch --env-file {file} -- fake-app | bg-health --env-file {file} \
         | bg-switch --env-file {file}"
    );
    world.run_line(&line).success();
    assert!(dir.join("slots/set1/process.json").exists() && !world.dir().exists());
    let environment = world.get("/env").body;
    assert!(environment.contains("VISIBLE=to the application\n") && !environment.contains("BG_ENV_FILE"));
    world.run("bg-health", &["--env-file", &file, "--slot", "live", "--once"]).success();
    // What is typed wins over the file, and the file over what is exported.
    world.write(&file, format!("BG_DIR='{}'\nBG_PROBE_SLOT=set1\n", dir.display()));
    let probe = |words: &[&str]| {
        let mut probe = world.cmd("bg-probe");
        probe.env("BG_PROBE_SLOT", "set2").args(["--env-file", &file, "--format", "name"]).args(words);
        probe.ran().success()
    };
    probe(&[]).printed_only("set1\n");
    probe(&["--slot", "idle"]).printed_only("set2\n");
}

#[test]
fn a_stage_names_the_line_of_its_env_file_and_the_file_that_it_cant_read() {
    let world = World::new();
    let file = world.word("web.env");
    for (program, variable, value) in [
        ("bg-probe", "BG_PROBE_TIMEOUT", "soon"),
        ("bg-launch", "BG_LAUNCH_KEEP", "many"),
        ("bg-health", "BG_HEALTH_PATH", "nope"),
        ("bg-switch", "BG_SWITCH_VERIFY_TIMEOUT", "soon"),
    ] {
        world.write(&file, format!("# web\n{variable}={value}\n"));
        let wrong = world.run(program, &["--env-file", &file]).exit(2);
        wrong.said(format!("'{value}' for '{variable} (line 2 of {file})'"));
        world.write(&file, "rm -rf /\n");
        world.run(program, &["--env-file", &file]).exit(2).said("line 1 has a word").said("web.env");
        world.run(program, &["--env-file", "/nowhere/web.env"]).exit(1).said("read /nowhere/web.env: No such file");
    }
    assert!(!world.dir().exists());
}

#[test]
fn what_a_deploy_starts_does_not_read_the_env_file_again() {
    let world = World::new();
    env_file(&world, "BG_HEALTH_SUCCESSES=1\n");
    // Who opened it a second time would wait for ever.
    let line = "mkfifo once && { cat web.env >once & } && BG_DEPLOY_ENV_FILE=once bg-deploy --stop-old now -- fake-app";
    let deploy = world.run_line(format!("cd '{}' && {line}", world.folder().display())).success();
    deploy.said("there is nothing to go back to yet");
    let line = "{ cat web.env >once & } && BG_DEPLOY_ENV_FILE=once bg-deploy --check -- fake-app";
    world.run_line(format!("cd '{}' && {line}", world.folder().display())).success();
}

#[test]
fn a_bad_line_in_an_env_file_is_named_and_nothing_begins() {
    let world = World::new();
    let file = world.word("web.env");
    for (text, named) in [("BG_APP=web\nrm -rf /\n", "line 2"), ("A='b\n", "line 1"), ("1A=b", "line 1")] {
        world.write(&file, text);
        let deploy = world.run("bg-deploy", &["--env-file", &file, "--", "fake-app"]);
        deploy.exit(2).said(named).said("web.env");
    }
    world.run("bg-deploy", &["--env-file", "/nowhere/web.env", "--", "fake-app"]).exit(1);
    assert!(!world.dir().exists());
}

#[test]
fn what_one_stage_is_told_by_its_environment_does_not_reach_a_deploy() {
    let world = World::new()
        .serving()
        .env("BG_PROBE_SLOT", "live")
        .env("BG_PROBE_FORMAT", "table")
        .env("BG_LAUNCH_SLOT", "set1")
        .env("BG_HEALTH_SLOT", "set1")
        .env("BG_HEALTH_ONCE", "1")
        .env("BG_SWITCH_TO", "set1");
    world.deploy(&["--boot-ms", "300"]).success();
    assert_eq!(world.live().as_deref(), Some("set2"));
}

/// A settings file like everybody's, in a folder of its own: everything that `world` sets, and these lines.
#[track_caller]
fn env_file(world: &World, lines: &str) {
    let command = world.command(Path::new("env"));
    let ours = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    let ours = ours.filter(|(name, _)| name.starts_with("BG_"));
    let text: String = ours.map(|(name, value)| format!("{name}='{value}'\n")).collect::<Vec<_>>().concat();
    world.write("web.env", text + lines);
}

#[test]
fn a_deploy_that_a_hook_of_another_starts_reads_its_own_file_of_the_same_name() {
    let (first, second) = (World::new(), World::new());
    let deploy = "bg-deploy --env-file web.env -- fake-app --version-text second";
    // Once, should the deploy in it be taken for one of the first.
    let once = format!("mkdir '{}' && cd '{}'", first.folder().join("ran").display(), second.folder().display());
    let hook = first.script("hook", &format!("{once} && exec {deploy}"));
    let lines = format!("BG_DEPLOY_ON_SUCCESS={hook}\nBG_HEALTH_SUCCESSES=3\nVISIBLE='to the first alone'\n");
    env_file(&first, &lines);
    env_file(&second, "OWN=second\n");
    let mut outer = first.cmd("bg-deploy");
    outer.current_dir(first.folder()).args(["--env-file", "web.env", "--", "fake-app", "--version-text", "first"]);
    outer.ran().success().said("hook    on-success");
    assert_eq!((first.get("/version").body, second.get("/version").body), ("first".into(), "second".into()));
    let environment = second.get("/env").body;
    assert!(environment.contains("OWN=second\n"), "{environment}");
    assert!(!environment.contains("VISIBLE") && !environment.contains("BG_ENV_FILE"), "{environment}");
    assert!(first.get("/env").body.contains("VISIBLE=to the first alone\n"));
}

#[test]
fn a_hook_is_given_the_files_variables_and_no_mark_of_ours() {
    let world = World::new();
    let said = world.path("environment");
    let hook = world.script("hook", &format!("env >'{}'", said.display()));
    env_file(&world, &format!("BG_DEPLOY_ON_SUCCESS={hook}\nVISIBLE=yes\n"));
    let mut deploy = world.cmd("bg-deploy");
    deploy.current_dir(world.folder()).args(["--env-file", "web.env", "--", "fake-app"]).ran().success();
    let environment = fs::read_to_string(said).expect("the hook has run");
    assert!(environment.contains("VISIBLE=yes\n") && environment.contains("BG_APP=web\n"), "{environment}");
    for mark in ["BG_ENV_FILE_READ", "BG_LOCK_FD"] {
        assert!(!environment.contains(mark), "{environment}");
    }
}

#[test]
fn a_folder_remembers_its_application_and_refuses_another() {
    let world = World::new().serving();
    world.deploy(&["--version-text", "1.1"]).success();
    let running = world.processes();
    let remembered = world.dir().join("app");
    assert_eq!(world.read(&remembered), "web\n");
    let refuses = |program: &str, words: &[&str], code: i32| {
        let refused = world.cmd(program).env("BG_APP", "shop").args(words).ran().exit(code);
        let said = refused.stderr() + &refused.stdout();
        let named = format!("{} is the folder of web, and these settings are for shop", world.dir().display());
        assert!(said.contains(&named), "{program} {words:?}: {said}");
    };
    let refuse_all = || {
        refuses("bg-deploy", &["--", "fake-app"], 7);
        refuses("bg-deploy", &["--rollback"], 7);
        refuses("bg-deploy", &["--check", "--", "fake-app"], 1);
        refuses("bg-probe", &[], 7);
        refuses("bg-launch", &["--slot", "set1", "--", "fake-app"], 7);
        refuses("bg-launch", &["--slot", "set1", "--stop"], 7);
        refuses("bg-launch", &["--slot", "set1", "--stop", "--after", "1h"], 7);
        refuses("bg-launch", &["--live"], 7);
        refuses("bg-switch", &["--to", "set1"], 7);
        refuses("bg-switch", &["--convert", "link"], 7);
    };
    refuse_all();
    // One that was made before folders did: its last deploy says so, and where that is gone, what runs.
    world.remove(&remembered);
    refuse_all();
    world.remove(world.history_file());
    refuse_all();
    assert!(!remembered.exists() && running.iter().all(|pid| process::alive(*pid)));
    assert_eq!(world.get("/version").body, "1.1");

    world.rollback().success();
    assert_eq!(world.read(&remembered), "web\n");
}

#[test]
fn an_application_that_got_another_name_keeps_its_folder_when_that_is_said() {
    let world = World::new();
    world.deploy(&[]).success();
    world.write(world.dir().join("app"), "shop\n");
    world.deploy(&[]).exit(7).said("is the folder of shop");
    world.cmd("bg-deploy").env("BG_APP", "shop").args(["--", "fake-app"]).ran().success();
}
