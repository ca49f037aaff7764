//! The report of a failure: answers, log, likely cause, what serves.

use std::fs;
use std::io::Write;
use std::time::Duration;

use bg_tests::{World, until};

use super::launched::{App, SLOT, health, record};
use super::server::Server;

/// Every number of the text as `N`.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let goes_on = c == '.' && out.ends_with('N');
        if c.is_ascii_digit() && !out.ends_with('N') {
            out.push('N');
        } else if !c.is_ascii_digit() && !goes_on {
            out.push(c);
        }
    }
    out
}

/// Puts a release into the live slot, as far as a report looks at it.
fn release_in_set1(world: &World) {
    world.write(world.dir().join("releases/20261121T193000Z-1a2b3c4d/app-1.1.jar"), "");
    world.link("../../releases/20261121T193000Z-1a2b3c4d", world.dir().join("slots/set1/current"));
}

#[test]
fn the_report_of_a_failure_to_the_letter() {
    let world = World::new().set1_running();
    release_in_set1(&world);
    let app = App::launch(&world, &["--boot-ms", "500", "--boot-503-ms", "60000"]);
    let said = app.health(&world, &["--timeout", "1500ms"]).exit(4).printed_nothing().stderr();
    let expected = format!(
        r#"bg-health: set2 was not healthy within 1.5s
  answers   24 x connection refused (0.0 to 0.5 s), 10 x 503 {{"status":"DOWN"}} (0.5 to 1.4 s)
  log       {}
            | Started fake-app on port 8082
  likely    the application runs and says DOWN; its own reasons: http://127.0.0.1:8082/actuator/health
  serving   app-1.1.jar in set1, untouched
"#,
        app.log.display()
    );
    assert_eq!(without_numbers(&said), without_numbers(&expected));
}

#[test]
fn the_last_twenty_lines_of_the_log_are_shown_and_harmless() {
    let world = World::new();
    // Long enough that it is not read from its beginning.
    let line = r"seq -f 'line %.0f of the log' 20000; printf '\033[2J\033]0;title\007\n';
        exec fake-app --boot-ms 60000";
    let app = App::launch_line(&world, line);
    let whole = || fs::read_to_string(&app.log).is_ok_and(|log| log.ends_with("\u{7}\n"));
    until(Duration::from_secs(10), "the log is written", whole);
    let said = app.health(&world, &["--timeout", "1s"]).exit(4).stderr();
    let shown: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("            | ")).collect();
    assert_eq!(shown.len(), 20, "{said}");
    assert_eq!((shown[0], shown[18]), ("line 19982 of the log", "line 20000 of the log"));
    assert_eq!(shown[19], r"\u{1b}[2J\u{1b}]0;title\u{7}");
    assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
}

#[test]
fn control_characters_in_an_answer_are_harmless() {
    let world = World::new();
    let app = App::launch(&world, &["--status-json", "\u{1b}[2Jhello"]);
    let said = app.health(&world, &["--timeout", "1s"]).exit(4).stderr();
    assert!(said.contains(r"200 \u{1b}[2Jhello") && !said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn the_report_names_the_wrong_port() {
    let world = World::new();
    let other = world.free_port();
    let app = App::launch(&world, &["--listen-port", &other.to_string()]);
    let said = app.health(&world, &["--timeout", "1s"]).exit(4).stderr();
    let cause = format!(
        "likely    the application listens on {other}, not {}: the profile's properties did not load?",
        world.port(SLOT)
    );
    assert!(said.contains(&cause), "{said}");
}

/// What is said of an application that answers everything with this head and body.
#[track_caller]
fn said_of(head: &'static str, body: &'static str, flags: &[&str]) -> String {
    let world = World::new();
    let _server = Server::start(world.port(SLOT), move |_, _, stream| {
        let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    });
    health(&world, &[&["--timeout", "300ms"], flags].concat()).exit(4).stderr()
}

#[test]
fn the_report_names_the_host_where_an_application_refuses_the_one_it_was_asked_for() {
    let django = "<h1>DisallowedHost</h1> Invalid HTTP_HOST header: '127.0.0.1:8082'. You may need to add '127.0.0.1' to ALLOWED_HOSTS.";
    for (head, body) in [("400 Bad Request", django), ("403 Forbidden", "<h1>Blocked hosts: 127.0.0.1:8082</h1>")] {
        let said = said_of(head, body, &[]);
        assert!(said.contains("does not take 127.0.0.1 for its host name; name one that it takes: export BG_HEALTH_HOST=www.example.org"), "{said}");
        assert!(!said.contains("login"), "{said}");
        let said = said_of(head, body, &["--host", "www.example.org"]);
        assert!(said.contains("does not take www.example.org for its host name"), "{said}");
    }
    // Without its reasons, as outside of development.
    for head in ["400 Bad Request", "403 Forbidden"] {
        let said = said_of(head, "", &[]);
        assert!(said.contains("BG_HEALTH_HOST"), "{said}");
    }
}

#[test]
fn the_report_names_https_where_an_application_redirects_to_it() {
    for head in
        ["301 Moved\r\nLocation: https://www.example.org/ready", "308 Moved\r\nLocation: https://127.0.0.1/ready"]
    {
        let said = said_of(head, "", &["--path", "/ready"]);
        let code = &head[..3];
        assert!(said.contains("sends whoever comes by http to https"), "{said}");
        assert!(said.contains(&format!("export BG_HEALTH_EXPECT_STATUS={code}")), "{said}");
        assert!(said.contains("export BG_HEALTH_HEADER='X-Forwarded-Proto: https'"), "{said}");
        assert!(said.contains("export BG_SLOT_URL=https://127.0.0.1:{port}"), "{said}");
        assert!(!said.contains("login"), "{said}");
    }
    let login = said_of("302 Found\r\nLocation: https://sso.example.org/login", "", &["--path", "/ready"]);
    assert!(login.contains("a login in front of"), "{login}");
}

#[test]
fn the_report_names_the_port_for_management_where_a_health_page_is_missing() {
    let world = World::new();
    let other = world.free_port();
    let app = App::launch_line(&world, &format!("fake-app --listen-port {other} & exec fake-app --no-health"));
    let listens =
        || world.get_slot(SLOT, "/").is_ok() && bg_tests::http::get(&format!("http://127.0.0.1:{other}/")).is_ok();
    until(Duration::from_secs(10), "both listen", listens);
    let said = app.health(&world, &["--timeout", "300ms"]).exit(4).stderr();
    let there = format!("listens on {other} too; if its health page is there: export BG_HEALTH_PORT=");
    let cause = format!("{there}'set1={},set2={other}'", other + world.port("set1") - world.port("set2"));
    assert!(said.contains(&cause), "{said}");
}

#[test]
fn the_report_shows_the_last_cause_in_the_log_of_a_death() {
    let world = World::new();
    let line = r"echo 'Caused by: java.lang.RuntimeException: first' >&2
        echo 'Caused by: java.io.FileNotFoundException: /etc/web/keys.pem' >&2; seq -f '  at frame %.0f' 30; exit 1";
    let said = App::launch_line(&world, line).health(&world, &[]).exit(8).stderr();
    let cause = "likely    its log ends with this cause: java.io.FileNotFoundException: /etc/web/keys.pem\n";
    assert!(said.contains(cause), "{said}");
    let line = r#"echo 'Exception in thread "main" java.lang.NoClassDefFoundError: org/example/Thing' >&2; exit 1"#;
    let said = App::launch_line(&world, line).health(&world, &[]).exit(8).stderr();
    assert!(said.contains("likely    a class is missing: Exception in thread"), "{said}");
}

#[test]
fn the_report_names_memory_that_ran_out() {
    let world = World::new();
    let line = "echo 'java.lang.OutOfMemoryError: Java heap space' >&2; exec fake-app --hang";
    let app = App::launch_line(&world, line);
    app.health(&world, &["--timeout", "1s", "--check-timeout", "300ms"]).exit(4).said("likely    it ran out of memory");
}

#[test]
fn the_report_is_whole_when_the_log_can_not_be_read() {
    let world = World::new();
    let app = App::launch(&world, &["--down"]);
    world.remove(&app.log);
    let refused = app.health(&world, &["--timeout", "1s"]).exit(4);
    refused.said("app.log (can't be read: No such file").said("likely    the application runs and says DOWN");
}

#[test]
fn a_pipe_in_the_place_of_the_log_is_not_waited_for() {
    let world = World::new();
    let app = App::launch(&world, &["--down"]);
    let line = app.record(&world).replace(&app.log.display().to_string(), "/dev/zero");
    let refused = world.pipe(line, "bg-health", &["--timeout", "1s"]).exit(4);
    refused.said("/dev/zero (can't be read: not a file)");
}

#[test]
fn without_a_launch_the_newest_log_of_the_slot_is_shown() {
    let world = World::new();
    world.write(world.dir().join("slots/set2/logs/app.log"), "its last words\n");
    health(&world, &["--timeout", "100ms"]).exit(4).said("| its last words");
}

#[test]
fn the_report_names_what_serves() {
    let world = World::new();
    release_in_set1(&world);
    let serving = |line: String| {
        let said = world.pipe(line, "bg-health", &["--timeout", "50ms"]).exit(4).stderr();
        said.lines().find_map(|line| line.strip_prefix("  serving   ")).map(str::to_owned)
    };
    let down = "nothing: app-1.1.jar in set1 is live, but does not listen";
    assert_eq!(serving(record(&world)).as_deref(), Some(down));
    let none = record(&world).replace("\"live\":\"set1\"", "\"live\":null");
    assert_eq!(serving(none.clone()).as_deref(), Some("nothing: no slot was live"));
    let this = record(&world).replace("\"live\":\"set1\"", "\"live\":\"set2\"");
    assert_eq!(serving(this.clone()).as_deref(), Some("nothing: set2 is live, but does not listen"));
    world.start_fake("set2", &["--down"]);
    assert_eq!(serving(this).as_deref(), Some("set2, which is this very slot"));
    // Where nobody asked, nobody knows.
    assert_eq!(serving(none.replace("\"probe\"", "\"other\"")), None);
}
