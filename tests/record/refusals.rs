//! What is no record: refused with 3 and one line, and nothing is touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bg_tests::{World, until};

use super::stage;

const STAGES: [(&str, &[&str]); 3] =
    [("bg-launch", &["--", "fake-app"]), ("bg-health", &["--timeout", "1s"]), ("bg-switch", &[])];

/// A world in which a deploy of ours is live in set1 and another one ran in set2 before, so that there is
/// something to spoil.
#[track_caller]
fn deployed() -> World {
    let world = World::new();
    for slot in ["set1", "set2"] {
        world.run_line(format!("bg-probe -q --slot {slot} | bg-launch -q -- fake-app")).success();
        until(Duration::from_secs(20), "the slot answers", || world.get_slot(slot, "/profile").is_ok());
    }
    assert_eq!(world.live().as_deref(), Some("set1"));
    world
}

/// A record with everything that any stage asks for.
#[track_caller]
fn whole_record(world: &World) -> String {
    let probed = stage(world, "bg-probe", &[], "");
    let open = probed.strip_suffix("}\n").expect("an object on a line");
    format!("{open},\"health\":{{\"url\":\"http://127.0.0.1/\",\"checks\":1,\"ready_ms\":1}}}}\n")
}

/// Every file and link of ours, with what is in it. Who held the lock last is for people alone.
fn on_disk(world: &World) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    note(&world.dir(), &mut found);
    note(&world.nginx.upstream_file(), &mut found);
    found.insert(world.dir().join("lock"), String::new());
    found
}

fn note(path: &Path, found: &mut BTreeMap<PathBuf, String>) {
    let text = if let Ok(target) = fs::read_link(path) {
        target.display().to_string()
    } else if let Ok(entries) = fs::read_dir(path) {
        entries.for_each(|entry| note(&entry.expect("a folder of ours").path(), found));
        String::new()
    } else {
        fs::read_to_string(path).expect("a file of ours")
    };
    found.insert(path.to_owned(), text);
}

/// Runs every stage on this and expects its one line, with these words in it, and nothing else.
#[track_caller]
fn refused(world: &World, stdin: &[u8], why: &str) {
    let before = on_disk(world);
    for (program, flags) in STAGES {
        let stderr = world.pipe(stdin, program, flags).exit(3).printed_nothing().stderr();
        assert!(stderr.starts_with(&format!("{program}: ")) && stderr.contains(why), "{why}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.len() < 400 && !stderr.contains("panicked"), "{stderr}");
    }
    assert_eq!(on_disk(world), before, "{why}");
}

#[test]
fn a_line_that_is_no_record_is_refused() {
    let world = deployed();
    let good = whole_record(&world);
    let long = good.replacen('{', &format!(r#"{{"pad":"{}","#, "x".repeat(64 * 1024 + 1 - good.len() - 9)), 1);
    assert_eq!(long.len(), 64 * 1024 + 1);
    refused(&world, long.as_bytes(), "longer than 65536 bytes");
    refused(&world, &good.as_bytes()[..good.len() / 2], "the record is not JSON");
    refused(&world, good.trim_end().trim_end_matches('}').as_bytes(), "the record is not JSON");
    refused(&world, good.replace("web", "w\u{e9}b").replace('\u{e9}', "\u{fffd}").as_bytes(), "\"app\"");
    refused(&world, &latin1(&good.replace("\"app\":\"web\"", "\"app\":\"w\u{e9}b\"")), "not UTF-8");
    refused(&world, format!("[{}]\n", good.trim_end()).as_bytes(), "not a JSON object");
    refused(&world, good.repeat(2).as_bytes(), "more than one line");
    refused(&world, format!("{good}\n").as_bytes(), "more than one line");
    refused(&world, b"\n", "the record is not JSON");
    refused(&world, b"set2\n", "the record is not JSON");
    refused(&world, b"\0\x1b[2J", "the record is not JSON");
    refused(&world, b"null", "not a JSON object");
    refused(&world, b"{}", "no \"bg\"");
    refused(&world, "{\"bg\":".repeat(5000).as_bytes(), "the record is not JSON");
}

#[test]
fn a_record_with_a_wrong_fact_is_refused_and_the_fact_is_named() {
    let world = deployed();
    let good = whole_record(&world);
    let (port1, port2) = (world.port("set1"), world.port("set2"));
    let port = format!("\"port\":{port2}");
    let slots = format!("\"set1\":{port1}");
    let front = format!("\"{}\"", world.nginx.front_url("/profile"));
    let dir = format!("\"dir\":\"{}\"", world.dir().display());
    let long_name = format!("\"app\":\"{}\"", "a".repeat(60_000));
    for (from, to, why) in [
        ("\"bg\":1", "\"bg\":2", "\"bg\" in the record is 2, this program knows 1"),
        ("\"bg\":1", "\"bg\":\"1\"", "\"bg\" in the record"),
        ("\"slot\":\"set2\"", "\"slot\":\"set3\"", "\"set3\" is not a slot: the slots are set1 and set2"),
        ("\"slot\":\"set2\"", "\"slot\":\"\\u001b[2J\"", "\"slot\" in the record"),
        ("\"slot\":\"set2\"", "\"slot\":null", "\"slot\" in the record is not text"),
        (&port, "\"port\":65536", "65536 is not a port: 1 to 65535"),
        (&port, "\"port\":0", "0 is not a port"),
        (&port, "\"port\":-1", "-1 is not a port"),
        (&port, "\"port\":8082.0", "8082.0 is not a port"),
        (&port, "\"port\":\"8082\"", "\"port\" in the record"),
        (&port, "\"port\":22", "\"port\" in the record is 22, but set2 has port"),
        (&slots, "\"set1\":65536", "\"slots\" in the record"),
        (&slots, "\"set3\":1,\"set1\":2", "3 slots given, exactly two are needed"),
        (&slots, "\"../set1\":1", "\"../set1\" is not a name"),
        ("\"live\":\"set1\"", "\"live\":\"set3\"", "\"live\" in the record"),
        ("\"live\":\"set1\"", "\"live\":[]", "\"live\" in the record is neither a name nor null"),
        ("\"live\":\"set1\",", "", "the record has no \"live\""),
        ("\"app\":\"web\"", "\"app\":\"we;b\"", "\"we;b\" is not a name"),
        ("\"app\":\"web\"", "\"app\":\"we\\nb\"", "\"we\\nb\" is not a name"),
        ("\"app\":\"web\"", "\"app\":\"../web\"", "\"../web\" is not a name"),
        ("\"app\":\"web\"", &long_name, "is not a name"),
        (&dir, "\"dir\":\"state\"", "\"dir\" in the record is not an absolute path"),
        (&dir, "\"dir\":\"/a\\nb\"", "\"dir\" in the record: \"/a\\nb\" is not a usable path"),
        (&dir, "\"dir\":\"\"", "\"dir\" in the record is not an absolute path"),
        (&front, "\"profile\"", "\"front\" in the record: profile is not a URL"),
        (&front, "\"http://a/\",\"front_host\":\"a b\"", "\"front_host\" in the record: \"a b\" is not a host"),
        ("\"upstream_file\":\"/", "\"upstream_file\":\"", "\"upstream_file\" in the record is not an absolute path"),
    ] {
        let line = good.replacen(from, to, 1);
        assert_ne!(line, good, "{from}");
        refused(&world, line.as_bytes(), why);
    }
}

#[test]
fn an_object_of_another_stage_that_is_not_its_own_is_refused() {
    let world = deployed();
    let good = whole_record(&world);
    let launch = format!(r#""launch":{{"pid":"{}"}},"health""#, "4711".repeat(10_000));
    let line = good.replace("\"health\"", &launch);
    let before = on_disk(&world);
    for program in ["bg-health", "bg-switch"] {
        let stderr = world.pipe(line.as_str(), program, &[]).exit(3).printed_nothing().stderr();
        assert!(stderr.starts_with(&format!("{program}: \"launch\" in the record: ")), "{stderr}");
        assert!(stderr.lines().count() == 1 && stderr.len() < 400, "{stderr}");
    }
    assert_eq!(on_disk(&world), before);
}

#[test]
fn a_switch_needs_a_health_verdict() {
    let world = deployed();
    let probed = stage(&world, "bg-probe", &[], "");
    let before = on_disk(&world);
    let refused = world.pipe(probed.as_str(), "bg-switch", &[]).exit(3).printed_nothing();
    refused.said_only(
        "bg-switch: the record has no health verdict for set2: put bg-health before bg-switch, \
         or name the slot yourself: bg-switch --to set2\n",
    );
    assert_eq!((on_disk(&world), world.live().as_deref()), (before, Some("set1")));
}

#[test]
fn after_a_stage_that_failed_the_others_are_silent() {
    let world = deployed();
    let before = on_disk(&world);
    for (program, flags) in STAGES {
        // An empty pipe: the stage before it has spoken.
        world.pipe("", program, flags).exit(3).printed_nothing().said_nothing();
    }
    let chain = "bg-probe --slot set3 | bg-launch -- fake-app | bg-health | bg-switch";
    let why = "bg-probe: --slot: \"set3\" is not a slot: the slots are set1 and set2\n";
    world.run_line(chain).exit(3).printed_nothing().said_only(why);
    assert_eq!(on_disk(&world), before);
}

#[test]
fn an_empty_stdin_that_is_no_pipe_is_explained() {
    let world = deployed();
    let before = on_disk(&world);
    let empty = world.write("empty", "");
    for (program, flags) in STAGES {
        for from in ["/dev/null", &empty.display().to_string()] {
            let line = format!("{program} {} <{from}", flags.join(" "));
            let refused = world.run_line(&line).exit(3).printed_nothing();
            refused.said_only(format!(
                "{program}: stdin is empty, a record was expected: put bg-probe before this stage\n"
            ));
        }
        let stderr = world.run_line(format!("{program} {} <&-", flags.join(" "))).exit(3).printed_nothing().stderr();
        assert!(stderr.contains("stdin is empty") && !stderr.contains("panicked"), "{stderr}");
    }
    assert_eq!(on_disk(&world), before);
}

/// The text with each character as one byte, as an editor saved it that knows no UTF-8.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("a character below 256")).collect()
}
