//! `--check`: what would keep a deploy from working, each thing in a line with what to do about it, and nothing
//! changed by looking.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bg_tests::{World, programs, until};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

/// A user who has no name and owns nothing.
const ORDINARY: u32 = 12345;

/// What a program's `--check` prints in this world, and how it ends.
#[track_caller]
fn check(world: &World, program: &str, args: &[&str]) -> (String, i32) {
    let output = world.cmd(program).arg("--check").args(args).output().expect("a program of ours");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8(output.stdout).expect("text"), output.status.code().expect("an exit code"))
}

#[track_caller]
fn says(world: &World, program: &str, code: i32, line: &str) {
    let (text, ended) = check(world, program, &[]);
    assert!(text.contains(line), "no line {line:?} in\n{text}");
    assert_eq!(ended, code, "{text}");
}

/// What an ordinary user's `--check` prints.
#[track_caller]
fn ordinary(world: &World, program: &str) -> String {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it looks as another user");
    // Where everybody may run it.
    let copy = world.folder().join(program);
    fs::copy(programs::ours(program), &copy).expect("our folder");
    let output = world.command(&copy).arg("--check").uid(ORDINARY).gid(ORDINARY).output().expect("a program of ours");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stdout).expect("text")
}

/// Every file and folder below, with its mode, owner, time and content.
fn everything(folder: &Path) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).expect("it was just listed");
        let what = match (meta.is_dir(), meta.is_symlink()) {
            (true, _) => {
                left.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
                String::new()
            }
            (_, true) => fs::read_link(&path).expect("a link").display().to_string(),
            _ => format!("{:?}", fs::read(&path).map(|bytes| bytes.len())),
        };
        seen.insert(path.display().to_string(), format!("{:o} {} {:?} {what}", meta.mode(), meta.uid(), meta.mtime()));
    }
    seen
}

#[test]
fn all_is_well_where_a_deploy_works_and_nothing_is_changed() {
    let world = World::new().link_form();
    world.deploy_fake(&[]).success();
    // nginx itself writes to its log when it tests its configuration.
    let unchanged = |all: BTreeMap<String, String>| {
        all.into_iter().filter(|(path, _)| !path.ends_with("error.log")).collect::<BTreeMap<_, _>>()
    };
    let (before, workers) = (unchanged(everything(world.folder())), world.nginx.workers());

    let (text, code) = check(&world, "bg-deploy", &[]);

    assert_eq!(code, 0, "{text}");
    assert!(text.lines().all(|line| line.starts_with("ok      ")), "{text}");
    for line in [
        "set1 is live; the next deploy is for set2",
        "answers set1",
        "has the link form and points at set1",
        "no other deploy runs",
        "openjdk version",
        "mode 0755, and can be written",
        "MB free in",
        "of the idle set2 is free",
        "MB of memory for a new release beside the live one, which uses",
        "set1 answers 200 {\"status\":\"UP\"",
        "nginx 1.",
        "nginx -t accepts the configuration",
        "nginx includes",
        "proxy_pass $service_url is there",
        "nginx's workers can reach",
        "SELinux",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert_eq!(unchanged(everything(world.folder())), before);
    assert_eq!(world.nginx.workers(), workers);
}

#[test]
fn before_the_first_deploy_all_is_well_too_and_no_folder_is_made() {
    let world = World::new();
    says(&world, "bg-deploy", 0, "is not there yet and can be made");
    says(&world, "bg-deploy", 0, "answers 502, as it should while nothing runs");
    assert!(!world.dir().exists());
}

#[test]
fn a_machine_gets_one_array_and_a_monitor_only_what_asks_for_something() {
    let world = World::new();
    world.nginx.write_upstream("");
    let (text, code) = check(&world, "bg-deploy", &["--json"]);
    assert_eq!(code, 1);
    let findings: Vec<Value> = serde_json::from_str(&text).expect("one JSON array");
    let keys = |finding: &Value| finding.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(findings.iter().all(|finding| keys(finding) == ["check", "state", "detail", "do"]), "{text}");
    assert!(findings.iter().all(|finding| finding["do"].is_null() == (finding["state"] == "ok")), "{text}");
    let file = findings.iter().find(|finding| finding["check"] == "upstream-file").unwrap();
    assert_eq!(file["state"], "fail");

    let (text, _) = check(&world, "bg-deploy", &["-q"]);
    assert!(!text.contains("ok  ") && text.contains("fail  "), "{text}");
}

#[test]
fn each_stage_checks_its_own_ground() {
    let world = World::new();
    for (program, line) in [
        ("bg-probe", "no slot is live"),
        ("bg-launch", "openjdk version"),
        ("bg-health", "no release serves yet"),
        ("bg-switch", "nginx -t accepts the configuration"),
    ] {
        says(&world, program, 0, line);
    }
    world.cmd("bg-probe").arg("--json").assert().code(2);
}

mod who_serves {
    use super::*;

    #[test]
    fn a_front_that_answers_nothing_fails() {
        let world = World::new();
        world.nginx.stop();
        says(&world, "bg-probe", 1, "connection refused: start nginx, or let --front be a URL through it");
    }

    #[test]
    fn a_front_that_names_no_slot_is_a_warning() {
        let world = World::new();
        world.start_fake("set1", &["--profile", "real"]);
        says(&world, "bg-probe", 0, "warn    http://127.0.0.1:");
        says(
            &world,
            "bg-probe",
            0,
            "names no slot (200 \"real\"): let --front be a page that answers with the slot's name",
        );
    }

    #[test]
    fn a_file_that_is_missing_or_strange_fails() {
        let world = World::new();
        world.nginx.write_upstream("# nothing\n");
        says(&world, "bg-probe", 1, "has no line `set $service_url ...;`");
        fs::remove_file(world.nginx.upstream_file()).unwrap();
        says(&world, "bg-probe", 1, "service-url.inc is not there: bg-switch --print-upstream >");
    }

    #[test]
    fn a_file_that_points_elsewhere_is_a_warning() {
        let world = World::new();
        world.nginx.write_upstream("set $service_url http://127.0.0.1:;\n");
        says(&world, "bg-probe", 0, "points at neither slot: see that --slots set1=");
    }

    #[test]
    fn witnesses_that_disagree_fail() {
        let world = World::new();
        world.start_fake("set1", &[]);
        world.nginx.write_upstream(&format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
        says(&world, "bg-probe", 1, "fail    nginx and its file disagree");
        says(&world, "bg-probe", 1, ": go on serving set1 with: bg-switch --to set1");
        says(&world, "bg-launch", 1, "it can't be told which slot is idle: see what bg-probe --check says");
    }

    #[test]
    fn a_deploy_that_runs_is_named_and_not_disturbed() {
        let world = World::new();
        let mut deploy = world.command(&programs::ours("bg-deploy"));
        deploy.args(["--health-timeout", "60s", "--"]).args(world.fake_app(&["--boot-503-ms", "60000"]));
        let mut deploy = deploy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until(Duration::from_secs(20), "the deploy has launched", || world.listens("set1"));

        says(&world, "bg-probe", 0, &format!("bg-deploy (pid {})", deploy.id()));
        says(&world, "bg-probe", 0, ": wait until it is done, or let the next one wait with --wait 5m");

        deploy.kill().unwrap();
        deploy.wait().unwrap();
    }

    #[test]
    fn a_release_from_the_future_is_a_warning() {
        let world = World::new();
        fs::create_dir_all(world.dir().join("releases/29991231T000000Z-1a2b3c4d")).unwrap();
        says(&world, "bg-probe", 0, "but release 29991231T000000Z-1a2b3c4d is from later: set the clock");
    }
}

mod room {
    use super::*;

    #[test]
    fn a_missing_java_fails_unless_a_command_is_given() {
        let world = World::new();
        let nowhere = world.folder().join("empty");
        fs::create_dir(&nowhere).unwrap();
        let mut launch = world.cmd("bg-launch");
        launch.env("PATH", &nowhere).arg("--check");
        launch.assert().code(1).stdout(
            contains("fail    java is not on this machine's PATH").and(contains("apt install default-jre-headless")),
        );
        launch.args(["--"]).args(world.fake_app(&[]));
        launch.assert().success().stdout(contains("the command's program is /"));
    }

    #[test]
    fn a_java_that_does_not_run_fails() {
        let world = World::new();
        let java = world.folder().join("java");
        fs::write(&java, "#!/bin/sh\nexit 3\n").unwrap();
        fs::set_permissions(&java, Permissions::from_mode(0o755)).unwrap();
        let mut launch = world.cmd("bg-launch");
        launch.env("PATH", world.folder()).arg("--check").assert().code(1).stdout(contains("-version says no version"));
    }

    #[test]
    fn an_artifact_that_is_not_whole_fails() {
        let world = World::new();
        let jar = bg_tests::jar::truncated();
        let jar = jar.to_str().unwrap();
        let (text, code) = check(&world, "bg-deploy", &[jar]);
        assert!(code == 1 && text.contains("not a whole jar") && text.contains(": build or copy it again"), "{text}");
    }

    #[test]
    fn a_folder_that_others_may_write_fails() {
        let world = World::new();
        fs::create_dir(world.dir()).unwrap();
        fs::set_permissions(world.dir(), Permissions::from_mode(0o777)).unwrap();
        says(&world, "bg-launch", 1, "is writable by others, who could then choose what runs: chmod go-w it");
    }

    #[test]
    fn what_root_has_left_in_a_folder_fails_for_its_owner() {
        let world = World::new();
        let (dir, releases) = (world.dir(), world.dir().join("releases"));
        fs::create_dir_all(&releases).unwrap();
        chown(&dir, Some(ORDINARY), None).unwrap();
        let seen = ordinary(&world, "bg-launch");
        assert!(
            seen.contains(&format!(
                "fail    {} belongs to root, and uid {ORDINARY} may not write it: sudo chown -R",
                releases.display()
            )),
            "{seen}"
        );
        says(&world, "bg-launch", 0, &format!("but this is root: deploy as uid {ORDINARY}"));
    }

    #[test]
    fn a_folder_that_can_not_be_entered_fails() {
        let world = World::new();
        let closed = world.folder().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let world = world.env("BG_DIR", closed.join("web").to_str().unwrap());
        let seen = ordinary(&world, "bg-launch");
        assert!(
            seen.contains("can't be looked at: Permission denied") && seen.contains("or run this as its owner"),
            "{seen}"
        );
    }

    #[test]
    fn a_folder_that_can_not_be_made_fails() {
        let world = World::new();
        let seen = ordinary(&world, "bg-launch");
        assert!(seen.contains("is not there, and uid 12345 may not make it in"), "{seen}");
    }

    #[test]
    fn a_disk_too_small_for_one_more_release_fails() {
        let world = World::new();
        let release = world.dir().join("releases/20260101T000000Z-1a2b3c4d");
        fs::create_dir_all(&release).unwrap();
        File::create(release.join("app.jar")).unwrap().set_len(4 << 40).unwrap();
        says(&world, "bg-launch", 1, "less than a release takes (4398046 MB): make room");
    }

    #[test]
    fn a_port_held_by_a_stranger_fails() {
        let world = World::new();
        world.start_fake("set1", &[]);
        world.start_fake("set2", &[]);
        says(&world, "bg-launch", 1, &format!("fail    port {} of set2 is held by pid", world.port("set2")));
        says(&world, "bg-launch", 1, ": stop it, or let bg-launch take it over with --adopt");
    }

    #[test]
    fn a_live_release_that_is_not_healthy_by_these_settings_is_a_warning() {
        let world = World::new().env("BG_HEALTH_PATH", "/nowhere");
        world.start_fake("set1", &[]);
        says(&world, "bg-health", 0, "warn    set1 answers 404");
    }
}

mod nginx {
    use super::*;

    #[test]
    fn a_missing_nginx_fails() {
        let world = World::new().env("BG_NGINX", "no-such-nginx");
        says(&world, "bg-switch", 1, "fail    no-such-nginx: not on this machine's PATH");
    }

    #[test]
    fn a_broken_configuration_fails() {
        let world = World::new();
        world.nginx.add_to_http("broken", "nonsense;");
        says(
            &world,
            "bg-switch",
            1,
            "fail    nginx -t refused the configuration: [emerg] unknown directive \"nonsense\"",
        );
    }

    #[test]
    fn a_file_that_is_not_wired_in_fails() {
        let world = World::new();
        let other = world.folder().join("other.inc");
        fs::write(&other, "set $service_url http://127.0.0.1:1;\n").unwrap();
        let world = world.env("BG_UPSTREAM_FILE", other.to_str().unwrap());
        says(&world, "bg-switch", 1, &format!("nginx does not include {}: put `include", other.display()));
    }

    #[test]
    fn a_missing_proxy_pass_fails() {
        let world = World::new();
        let text = fs::read_to_string(world.nginx.conf()).unwrap();
        fs::write(world.nginx.conf(), text.replace("proxy_pass $service_url;", "proxy_pass http://127.0.0.1:1;"))
            .unwrap();
        says(
            &world,
            "bg-switch",
            1,
            "no proxy_pass names $service_url: put `proxy_pass $service_url;` into the location",
        );
    }

    #[test]
    fn a_name_that_nginx_can_not_look_up_fails() {
        let world = World::new();
        world.nginx.write_upstream(&format!("set $service_url http://localhost:{};\n", world.port("set1")));
        says(&world, "bg-switch", 1, "names localhost, which nginx can't find without a resolver: write 127.0.0.1");
        world.nginx.write_upstream("set $service_url http://web_set1;\n");
        says(
            &world,
            "bg-switch",
            1,
            "names web_set1, which nginx can't find without a resolver: add the upstream groups",
        );
        world.nginx.add_to_http("resolver", "resolver 127.0.0.1;");
        says(&world, "bg-switch", 0, "every address in the upstream file can be found");
    }

    #[test]
    fn a_link_that_the_workers_can_not_reach_fails() {
        let world = World::new().link_form();
        fs::create_dir(world.dir()).unwrap();
        fs::set_permissions(world.dir(), Permissions::from_mode(0o700)).unwrap();
        says(&world, "bg-switch", 1, "(mode 700): chmod o+x it, or choose a --dir elsewhere");
    }

    #[test]
    fn another_folders_link_fails() {
        let world = World::new().link_form();
        let world = world.env("BG_DIR", "/nowhere");
        says(&world, "bg-switch", 1, "but this deploy's link is /nowhere/live");
    }

    #[test]
    fn a_file_that_is_newer_than_the_workers_and_a_cache_are_warnings() {
        let world = World::new().link_form();
        world.nginx.add_to_http("cache", "open_file_cache max=10;");
        let text = world.nginx.read_upstream();
        until(Duration::from_secs(5), "the file is newer than the workers", || {
            world.nginx.write_upstream(&text);
            check(&world, "bg-switch", &[])
                .0
                .contains("was changed after nginx last read its configuration: reload nginx")
        });
        says(&world, "bg-switch", 0, "warn    open_file_cache is on: nginx remembers");
    }

    #[test]
    fn a_user_who_may_not_write_or_reload_is_told_so() {
        let world = World::new();
        let seen = ordinary(&world, "bg-switch");
        assert!(seen.contains("service-url.inc can't be replaced:") && seen.contains("convert link"), "{seen}");
        assert!(
            seen.contains("fail    this user may not tell nginx to reload: let --nginx be 'sudo -n nginx'"),
            "{seen}"
        );
    }
}
