//! `bg-probe`: which slot is live, and which one the run is for. The verdict table, line by line.

/// Slots that are down, or not up yet.
mod down;
/// A live application that listens elsewhere than on 127.0.0.1.
mod elsewhere;
mod settings;
/// Switches that were cut short.
mod unfinished;
/// The table that is drawn anew while a deploy goes on.
mod watch;
/// What serves is another application's.
mod whose;
mod words;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use bg_tests::{World, until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// What a run of bg-probe that went well printed.
struct Said {
    record: Value,
    stderr: String,
}

impl Said {
    #[track_caller]
    fn by(world: &World, flags: &[&str]) -> Said {
        let run = world.run("bg-probe", flags).success();
        Said { record: run.record(), stderr: run.stderr() }
    }

    /// The live slot, the slot the run is for, and what is under `probe`.
    #[track_caller]
    fn is(&self, live: Option<&str>, slot: &str, probe: &Value) {
        let record = &self.record;
        assert_eq!((&record["live"], &record["slot"], &record["probe"]), (&json!(live), &json!(slot), probe));
    }
}

/// What bg-probe says on stderr when it ends with this code; it prints nothing then.
#[track_caller]
fn refusal(world: &World, flags: &[&str], code: i32) -> String {
    world.run("bg-probe", flags).exit(code).printed_nothing().stderr()
}

/// Has nginx answer every visitor with this directive, whatever the application says.
#[track_caller]
fn front_answers(world: &World, directive: &str) {
    world.nginx.add_to_location("answer", directive);
    world.nginx.reload();
}

#[test]
fn the_slot_that_the_front_names_is_live() {
    let world = World::new().set1_running();
    let said = Said::by(&world, &[]);
    said.is(Some("set1"), "set2", &json!({"by": "front", "points_at": "set1"}));
    let (set1, set2) = (world.port("set1"), world.port("set2"));
    assert_eq!(said.stderr, format!("probe   set1 is live on {set1}; this deploy is for set2 on {set2}\n"));

    world.start_fake("set2", &[]);
    world.point_at("set2");
    Said::by(&world, &[]).is(Some("set2"), "set1", &json!({"by": "front", "points_at": "set2"}));
}

#[test]
fn the_link_form_is_followed_to_its_file() {
    let world = World::new().link_form().both_running();
    Said::by(&world, &[]).is(Some("set1"), "set2", &json!({"by": "front", "points_at": "set1"}));

    world.write(world.dir().join("live/set2"), "");
    Said::by(&world, &[]).is(Some("set2"), "set1", &json!({"by": "front", "points_at": "set2"}));
    Said::by(&world, &["--by", "file"]).is(Some("set2"), "set1", &json!({"by": "file", "points_at": "set2"}));
}

#[test]
fn a_front_that_names_no_slot_leaves_it_to_the_file() {
    let world = World::new().set1_running();
    // Also running, so that a wrong reading has somewhere to go.
    world.start_fake("set2", &[]);
    for (directive, said) in [
        ("return 401;", "401"),
        ("return 404;", "404"),
        ("return 502 set2;", "502"),
        ("return 200 real;", "200 \"real\""),
        ("return 200 \"real-db, set2\";", "200 \"real-db, set2\""),
        ("return 200 \"\\\"set2\\\"\";", "200 \"\"set2\"\""),
        ("return 200 \"<p>set2</p>\\n<p>\";", "200 \"<p>set2</p>\\n<p>\""),
        ("return 200;", "200 \"\""),
    ] {
        front_answers(&world, directive);
        let heard = Said::by(&world, &["--slot", "live"]);
        heard.is(Some("set1"), "set1", &json!({"by": "file", "points_at": "set1", "front_said": said}));
        let (front, file) = (world.nginx.front_url("/profile"), world.nginx.upstream_file());
        let warning = format!("warning: no slot is named at {front} ({said}); {} points at set1\n", file.display());
        assert!(heard.stderr.contains(&warning), "{directive}: {}", heard.stderr);
    }
}

#[test]
fn a_login_page_at_the_front_names_no_slot() {
    let world = World::new();
    world.start_fake("set1", &["--login-redirect"]);
    let said = json!({"by": "file", "points_at": "set1", "front_said": "302 to /login"});
    Said::by(&world, &["--slot", "live"]).is(Some("set1"), "set1", &said);
}

#[test]
fn an_nginx_that_is_down_leaves_it_to_the_file() {
    let world = World::new().set1_running();
    world.nginx.stop();
    let said = json!({"by": "file", "points_at": "set1", "front_said": "connection refused"});
    Said::by(&world, &["--slot", "live"]).is(Some("set1"), "set1", &said);
}

#[test]
fn a_front_that_takes_too_long_is_not_waited_for() {
    let world = World::new();
    world.start_fake("set1", &["--hang"]);
    let began = Instant::now();
    let said = json!({"by": "file", "points_at": "set1", "front_said": "no answer in time"});
    Said::by(&world, &["--timeout", "200ms"]).is(Some("set1"), "set2", &said);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn garbage_at_the_front_names_no_slot() {
    let world = World::new().set1_running();
    let front = front_of(vec![b"\x1b[2Jset2\r\n\xff\xff\r\n\r\nset2".to_vec()]);
    let said = Said::by(&world, &["--front", &front, "--slot", "live"]);
    assert_eq!((&said.record["live"], &said.record["probe"]["by"]), (&json!("set1"), &json!("file")));
    assert!(!said.stderr.contains('\x1b'), "{:?}", said.stderr);
}

#[test]
fn a_live_slot_that_is_down_stays_live() {
    let world = World::new();
    world.start_fake("set2", &[]);
    assert_eq!(world.get("/profile").status, 502);
    let said = Said::by(&world, &[]);
    said.is(Some("set1"), "set2", &json!({"by": "file", "points_at": "set1", "front_said": "502"}));
    assert!(said.stderr.contains("; set1 is live but nothing listens on its port\n"), "{}", said.stderr);
}

#[test]
fn where_nothing_listens_no_slot_is_live_and_the_first_is_next() {
    let world = World::new();
    let said = Said::by(&world, &[]);
    said.is(None, "set1", &json!({"by": "ports", "points_at": "set1", "front_said": "502"}));
    assert_eq!(said.stderr, format!("probe   no slot is live; this deploy is for set1 on {}\n", world.port("set1")));
    assert!(refusal(&world, &["--slot", "live"], 1).contains("bg-probe: no slot of web is live. Deploy a release"));

    world.nginx.write_upstream("");
    assert_eq!(world.run("bg-probe", &["--format", "name"]).success().stdout(), "set1\n");
    assert!(refusal(&world, &[], 1).contains("has no line `set $service_url ...;`"));
}

#[test]
fn a_front_that_nginx_answers_by_itself_makes_no_dead_slot_live() {
    let world = World::new();
    front_answers(&world, "return 200 set2;");
    let front = world.nginx.front_url("/_bg/slot");
    world.nginx.write_upstream(&format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
    Said::by(&world, &["--front", &front]).is(None, "set1", &json!({"by": "ports", "points_at": "set2"}));
    world.start_fake("set1", &[]);
    let said = Said::by(&world, &["--front", &front]);
    said.is(Some("set2"), "set1", &json!({"by": "front", "points_at": "set2"}));
    assert!(said.stderr.contains("set2 is live but nothing listens on its port"), "{}", said.stderr);
}

#[test]
fn probe_exits_7_when_front_and_file_disagree() {
    let world = World::new().both_running();
    world.edit_upstream("set2");
    let began = Instant::now();
    let stderr = refusal(&world, &[], 7);
    let took = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&took), "{took:?}");
    let (front, file) = (world.nginx.front_url("/profile"), world.nginx.upstream_file());
    let (front, file) = (format!("{front} answers set1"), format!("{} points at set2", file.display()));
    let go_on = "bg-switch --to set1; or move to set2 with: bg-switch --to set2";
    for part in [&front, &file, "never reloaded", "set1 is serving, nothing was touched", go_on] {
        assert!(stderr.contains(part), "{part:?} is not in {stderr}");
    }
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_reload_that_is_under_way_is_waited_for() {
    let world = World::new().both_running();
    world.edit_upstream("set2");
    let answer = |slot: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{slot}").into_bytes();
    let front = front_of(vec![answer("set1"), answer("set1"), answer("set1"), answer("set2")]);
    let said = Said::by(&world, &["--front", &front]);
    said.is(Some("set2"), "set1", &json!({"by": "front", "points_at": "set2"}));
}

#[test]
fn probe_exits_7_when_something_serves_and_no_witness_names_it() {
    let world = World::new().set1_running();
    front_answers(&world, "return 404;");
    let set = |port| format!("set $service_url http://127.0.0.1:{port};\n");
    let twice = set(world.port("set1")) + &set(world.port("set2"));
    for (text, why) in [
        ("", "it has no line `set $service_url ...;`"),
        ("# set $service_url http://127.0.0.1:8081;\n", "it has no line `set $service_url ...;`"),
        ("set $service_url http://127.0.0.1:1;\n", "points at neither slot"),
        ("set $service_url http://127.0.0.1:8081", "a \";\" is missing"),
        (&twice, "it sets $service_url 2 times"),
    ] {
        world.nginx.write_upstream(text);
        let stderr = refusal(&world, &[], 7);
        let head = format!("no slot is named at {} (404)", world.nginx.front_url("/profile"));
        for part in [&head, why, "set1 listens. Nothing was touched"] {
            assert!(stderr.contains(part), "{part:?} is not in {stderr}");
        }
    }
    world.start_fake("set2", &[]);
    assert!(refusal(&world, &[], 7).contains("and set1 and set2 listen. Nothing was touched"));
    world.remove(world.nginx.upstream_file());
    assert!(refusal(&world, &[], 7).contains("No such file or directory"));

    // The front alone is enough, where it speaks.
    let set1 = format!("http://127.0.0.1:{}/profile", world.port("set1"));
    let said = Said::by(&world, &["--front", &set1, "--slot", "live"]);
    said.is(Some("set1"), "set1", &json!({"by": "front", "points_at": null}));
    // For a deploy the file is needed.
    assert!(refusal(&world, &["--front", &set1], 1).contains("service-url.inc is not there"));
}

#[test]
fn probe_names_settings_that_were_not_loaded() {
    let world = World::new().link_form().set1_running();
    let others = world.word("others");
    let stderr = refusal(&world, &["--front", "-", "--app", "app", "--dir", &others], 7);
    let link = world.dir().join("live").display().to_string();
    let said = format!("looks at {link}, and not into --dir {others} (are the settings loaded?");
    assert!(stderr.contains(&said) && stderr.contains("nothing was ever deployed there"), "{stderr}");
    world.make_dir(world.dir().join("releases"));
    let stderr = refusal(&world, &["--front", "-", "--app", "app", "--dir", &others], 7);
    let typed = format!("bg-probe --env-file FILE --front - --app app --dir {others}");
    assert!(stderr.contains(&format!("Load the settings of that folder: {typed}; or give app")), "{stderr}");
    assert!(!stderr.contains("--convert"), "{stderr}");
}

#[test]
fn probe_by_asks_one_witness_alone() {
    let world = World::new().both_running();
    world.edit_upstream("set2");
    Said::by(&world, &["--by", "front"]).is(Some("set1"), "set2", &json!({"by": "front", "points_at": null}));
    Said::by(&world, &["--by", "file"]).is(Some("set2"), "set1", &json!({"by": "file", "points_at": "set2"}));
    refusal(&world, &["--by", "both"], 7);

    world.remove(world.nginx.upstream_file());
    assert!(refusal(&world, &["--by", "file"], 7).contains("the front was not asked"));
    world.nginx.stop();
    assert!(refusal(&world, &["--by", "front"], 7).contains("the upstream file was not asked"));
    assert!(refusal(&world, &["--by", "front", "--front", "-"], 2).contains("there is no front to ask"));
}

/// The URL of a front that gives these answers, one after the other, and then is gone.
#[track_caller]
fn front_of(answers: Vec<Vec<u8>>) -> String {
    let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let url = format!("http://{}/profile", front.local_addr().expect("an address"));
    thread::spawn(move || {
        answers.into_iter().try_for_each(|answer| {
            let (mut visitor, _) = front.accept()?;
            // Closed with bytes unread, the connection would be reset and the answer lost.
            let mut request = BufReader::new(&visitor).lines();
            request.find(|line| line.as_ref().map_or(true, String::is_empty));
            visitor.write_all(&answer)
        })
    });
    url
}
