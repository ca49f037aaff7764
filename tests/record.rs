//! The record between the stages, to the letter. What is on the wire is pinned here, not the types that write it.

mod refusals;

use std::fs;
use std::time::Duration;

use bg_tests::{Run, World, process, programs, until};

const PROBE: &str = r#"{"bg":1,"app":"web","slot":"set2","port":PORT2,"live":"set1","slots":{"set1":PORT1,"set2":PORT2},"dir":"DIR","front":"FRONT","upstream_file":"FILE","probe":{"by":"front","points_at":"set1"}}"#;
const LAUNCH: &str = r#","launch":{"pid":_,"start_ticks":_,"boot_id":"_","release":"_","artifact":"_","sha256":"_","log":"_","replaced":null}}"#;
const HEALTH: &str = r#","health":{"url":"http://127.0.0.1:PORT2/actuator/health","checks":_,"ready_ms":_}}"#;
const SWITCH: &str = r#","switch":{"from":"set1","to":"set2","form":"reload","took_ms":_,"evidence":"front"}}"#;

/// What nobody here has ever heard of.
const UNKNOWN: &str =
    r#","x":{"deep":[{"n":123456789012345678901234567890,"f":1.10,"null":null},[]],"é":"\"ü\\"},"_":0}"#;

/// What a stage makes of this on its stdin.
#[track_caller]
fn stage(world: &World, program: &str, flags: &[&str], stdin: &str) -> String {
    world.cmd(program).arg("-q").args(flags).write_stdin(stdin).ran().success().said_nothing().stdout()
}

/// The line that the parts make, with what this world has for the words in capitals.
fn line(world: &World, parts: &[&str]) -> String {
    let (last, before) = parts.split_last().expect("a part");
    let mut line: String = before.iter().map(|part| &part[..part.len() - 1]).collect();
    line += last;
    for (word, value) in [
        ("PORT1", world.port("set1").to_string()),
        ("PORT2", world.port("set2").to_string()),
        ("DIR", world.dir().display().to_string()),
        ("FRONT", world.nginx.front_url("/profile")),
        ("FILE", world.nginx.upstream_file().display().to_string()),
    ] {
        line = line.replace(word, &value);
    }
    line + "\n"
}

/// The line with `_` for every value that differs from run to run.
fn masked(line: &str) -> String {
    let mut masked = line.to_owned();
    for key in
        ["pid", "start_ticks", "boot_id", "release", "artifact", "sha256", "log", "checks", "ready_ms", "took_ms"]
    {
        let key = format!("\"{key}\":");
        let Some(at) = masked.find(&key).map(|at| at + key.len()) else { continue };
        let value = masked[at..].split([',', '}']).next().unwrap_or_default();
        let mask = if value.starts_with('"') { "\"_\"" } else { "_" };
        masked.replace_range(at..at + value.len(), mask);
    }
    masked
}

/// The value of a key, as it stands in the line.
fn value<'a>(line: &'a str, key: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {line}"));
    rest.split([',', '}']).next().unwrap_or_default().trim_matches('"')
}

#[test]
fn every_stage_adds_its_object_and_nothing_else() {
    let world = World::new().set1_running();
    let probed = stage(&world, "bg-probe", &[], "");
    assert_eq!(probed, line(&world, &[PROBE]));

    let app = programs::ours("fake-app").display().to_string();
    let launched = stage(&world, "bg-launch", &[&app, "--", "{artifact}"], &probed);
    assert_eq!(masked(&launched), line(&world, &[PROBE, LAUNCH]));
    let release = value(&launched, "release");
    let digits = release.replace(|c: char| c.is_ascii_hexdigit(), "0");
    assert_eq!(digits, "00000000T000000Z-00000000", "{release}");
    let (dir, boot) = (world.dir(), fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("proc(5)"));
    assert_eq!(value(&launched, "artifact"), dir.join("releases").join(release).join("fake-app").display().to_string());
    assert_eq!(value(&launched, "log"), dir.join(format!("slots/set2/logs/{release}.log")).display().to_string());
    assert_eq!(value(&launched, "boot_id"), boot.trim());
    let ticks = process::start_ticks(value(&launched, "pid").parse().expect("a number"));
    assert_eq!(ticks.map(|ticks| ticks.to_string()).as_deref(), Some(value(&launched, "start_ticks")));

    let healthy = stage(&world, "bg-health", &[], &launched);
    assert_eq!(masked(&healthy), line(&world, &[PROBE, LAUNCH, HEALTH]));

    let switched = stage(&world, "bg-switch", &[], &healthy);
    assert_eq!(masked(&switched), line(&world, &[PROBE, LAUNCH, HEALTH, SWITCH]));
    assert!(value(&switched, "took_ms").parse::<f64>().expect("a number") > 0.0);
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn the_record_before_the_first_deploy() {
    let world = World::new();
    let probed = stage(&world, "bg-probe", &["--front-host", "web.example", "--front", "-"], "");
    let expected = PROBE
        .replace(r#""slot":"set2","port":PORT2,"live":"set1""#, r#""slot":"set1","port":PORT1,"live":null"#)
        .replace(r#""FRONT""#, r#"null,"front_host":"web.example""#)
        .replace(r#""by":"front""#, r#""by":"ports""#);
    assert_eq!(probed, line(&world, &[&expected]));
}

#[test]
fn a_slot_named_by_flag_stands_for_the_record() {
    let world = World::new().set1_running();
    let launched = stage(&world, "bg-launch", &["--slot", "idle", "--", "fake-app"], "");
    let without_artifact = LAUNCH.replace(r#""artifact":"_","sha256":"_","#, "");
    assert_eq!(masked(&launched), line(&world, &[PROBE, &without_artifact]));
    let healthy = stage(&world, "bg-health", &["--slot", "idle"], "");
    assert_eq!(masked(&healthy), line(&world, &[PROBE, HEALTH]));
}

#[test]
fn what_a_stage_does_not_know_passes_through() {
    let world = World::new().set1_running();
    let probe = PROBE.replace(r#""points_at":"set1""#, r#""points_at":"set1","also":[1,2]"#);
    let probed = line(&world, &[&probe, UNKNOWN]);
    let launched = stage(&world, "bg-launch", &["--", "fake-app"], &probed);
    let healthy = stage(&world, "bg-health", &[], &launched);
    let switched = stage(&world, "bg-switch", &[], &healthy);
    let without_artifact = LAUNCH.replace(r#""artifact":"_","sha256":"_","#, "");
    assert_eq!(masked(&switched), line(&world, &[&probe, UNKNOWN, &without_artifact, HEALTH, SWITCH]));
}

#[test]
fn the_slots_keep_the_order_of_the_settings() {
    let world = World::new();
    let slots = format!("set2={},set1={}", world.port("set2"), world.port("set1"));
    let probed = stage(&world, "bg-probe", &["--slots", &slots], "");
    assert!(probed.contains(&format!(r#""slots":{{{}}}"#, json_of(&slots))), "{probed}");
    assert_eq!(value(&probed, "slot"), "set2", "the first one is next where none is live");
    let launched = stage(&world, "bg-launch", &["--", "fake-app"], &probed);
    assert!(launched.contains(&format!(r#""slots":{{{}}}"#, json_of(&slots))), "{launched}");
}

/// `a=1,b=2` as the inside of an object.
fn json_of(slots: &str) -> String {
    let pairs = slots.split(',').filter_map(|slot| slot.split_once('='));
    pairs.map(|(name, port)| format!("\"{name}\":{port}")).collect::<Vec<_>>().join(",")
}

#[test]
fn a_flag_on_a_later_stage_wins_over_the_record() {
    let world = World::new().set1_running();
    let other = world.word("other");
    let probed = stage(&world, "bg-probe", &["--slot", "live"], "");
    let flags = ["--app", "other", "--dir", &other, "--front", "-", "--upstream-file", "/nowhere", "--front-host", "x"];
    let healthy = stage(&world, "bg-health", &flags, &probed);
    for (key, expected) in
        [("app", "other"), ("dir", &other), ("front", "null"), ("upstream_file", "/nowhere"), ("front_host", "x")]
    {
        assert_eq!(value(&healthy, key), expected, "{healthy}");
    }

    let probed = stage(&world, "bg-probe", &[], "");
    let launched = stage(&world, "bg-launch", &["--dir", &other, "--", "fake-app"], &probed);
    assert!(value(&launched, "log").starts_with(&other), "{launched}");
    assert!(!world.dir().exists());

    let healthy = stage(&world, "bg-health", &[], &launched);
    let another = world.copy(world.nginx.upstream_file(), "another.inc");
    let before = world.nginx.read_upstream();
    let flags = ["--upstream-file", &another.display().to_string(), "--verify-timeout", "300ms"];
    // nginx does not include that one, so nothing can be seen to move.
    world.pipe(healthy, "bg-switch", &flags).exit(5);
    assert_eq!(world.nginx.read_upstream(), before);
}

#[test]
fn slots_on_a_later_stage_must_have_those_of_the_record() {
    let world = World::new().set1_running();
    let probed = stage(&world, "bg-probe", &[], "");
    for program in ["bg-launch", "bg-health"] {
        for (slots, missing, others) in
            [("set1=8081,blue=8082", "set2", "set1 and blue"), ("blue=8081,set2=8082", "set1", "blue and set2")]
        {
            let run = world.pipe(probed.as_str(), program, &["--slots", slots]);
            let why = format!("{program}: --slots: \"{missing}\" is not a slot: the slots are {others}\n");
            run.exit(2).printed_nothing().said_only(why);
        }
    }
}

#[test]
fn the_environment_of_a_later_stage_does_not_win_over_the_record() {
    let world = World::new().set1_running();
    let probed = stage(&world, "bg-probe", &[], "");
    let world = ["BG_APP", "BG_DIR", "BG_UPSTREAM_FILE", "BG_FRONT_HOST"]
        .iter()
        .fold(world, |world, name| world.env(name, "other"))
        .env("BG_SLOTS", "other=1,others=2")
        .env("BG_FRONT", "-");
    let launched = stage(&world, "bg-launch", &["--", "fake-app"], &probed);
    let healthy = stage(&world, "bg-health", &[], &launched);
    let switched = stage(&world, "bg-switch", &[], &healthy);
    let without_artifact = LAUNCH.replace(r#""artifact":"_","sha256":"_","#, "");
    assert_eq!(masked(&switched), line(&world, &[PROBE, &without_artifact, HEALTH, SWITCH]));
    assert_eq!(world.live().as_deref(), Some("set2"));
    until(Duration::from_secs(10), "the application was told its name", || {
        world.get("/env").body.contains("BG_APP=web\n")
    });
}

#[test]
fn nothing_in_a_record_makes_a_stage_run_a_command() {
    let world = World::new().set1_running();
    let planted = world.path("planted");
    let evil = format!("touch {}", planted.display());
    let extra = format!(
        r#","nginx":"{evil}","command":["sh","-c","{evil}"],"launch_command":"{evil}","artifact":"$({evil})"}}"#
    );
    let probed = line(&world, &[PROBE, &extra]);
    let launched = stage(&world, "bg-launch", &["--", "fake-app"], &probed);
    let healthy = stage(&world, "bg-health", &[], &launched);
    stage(&world, "bg-switch", &[], &healthy);
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(!planted.exists());
}
