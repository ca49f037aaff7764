//! What is healthy and what is not.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use bg_tests::{Ran, Run, World};

use super::launched::{App, SLOT, facts, health};
use super::server::Server;

const UP: &str = r#"{"status":"UP"}"#;

/// Runs bg-health, which must give up, on an application with these flags.
#[track_caller]
fn refused(flags: &[&str], health: &[&str]) -> Ran {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "1500ms");
    let app = App::launch(&world, flags);
    app.health(&world, health).exit(4).printed_nothing()
}

/// Runs bg-health, which must say yes, on an application with these flags.
#[track_caller]
fn accepted(flags: &[&str], health: &[&str]) {
    let world = World::new().env("BG_HEALTH_TIMEOUT", "10s");
    App::launch(&world, flags).health(&world, health).success();
}

#[test]
fn health_adds_its_facts_to_the_record_when_the_release_is_up() {
    let world = World::new();
    let app = App::launch(&world, &["--boot-ms", "1000"]);
    let line = app.record(&world).replace("\"launch\"", r#""later":{"n":1234567890123456789012,"f":1.10},"launch""#);
    let assert = world.pipe(line.clone(), "bg-health", &[]).success();

    let facts = facts(&assert);
    let ready = facts["ready_ms"].as_u64().expect("a number");
    assert!((200..5000).contains(&ready), "{ready}");
    assert!(facts["checks"].as_u64() > Some(5), "{facts}");
    let url = format!("http://127.0.0.1:{}/actuator/health", world.port(SLOT));
    let added = format!(r#","health":{{"url":"{url}","checks":{},"ready_ms":{ready}}}}}"#, facts["checks"]);
    let expected = line.strip_suffix('}').expect("an object").to_owned() + &added + "\n";
    assert_eq!(assert.stdout(), expected);
    let said = assert.stderr();
    assert!(said.starts_with(&format!("health  UP after {} checks   ", facts["checks"])), "{said}");
    assert!(said.ends_with("s\n") && said.lines().count() == 1, "{said}");
}

#[test]
fn health_exits_4_when_only_a_nested_status_is_up() {
    let refused = refused(&["--down"], &[]).said(r#"200 {"status":"DOWN","components":{"db":{"status":"UP"}}}"#);
    refused.said("the application runs and says DOWN; its own reasons: http://127.0.0.1:");
}

#[test]
fn health_takes_no_other_word_for_up() {
    for body in
        [r#"{"status":"UPWARD"}"#, r#"{"status":"up"}"#, r#"[{"status":"UP"}]"#, "UP", r#"{"db":{"status":"UP"}}"#]
    {
        refused(&["--status-json", body], &["--timeout", "1s"]).said(body);
    }
}

#[test]
fn health_takes_no_login_page_for_up() {
    let refused = refused(&["--login-page"], &[]).said("200 <!DOCTYPE html><title>Sign in</title><p>UP to now");
    refused.said("likely    a web page answers at http://127.0.0.1:");
}

#[test]
fn health_does_not_follow_a_redirect() {
    // Whoever follows it finds a page that says 200.
    let refused = refused(&["--login-redirect"], &["--path", "/anything"]).said("302 to /login");
    refused.said("likely    a login in front of http://127.0.0.1:");
}

#[test]
fn health_waits_for_a_503_to_turn_into_200() {
    let world = World::new();
    let app = App::launch(&world, &["--boot-503-ms", "400"]);
    let assert = app.health(&world, &[]).success();
    assert!(facts(&assert)["ready_ms"].as_u64() >= Some(200), "{}", facts(&assert));
}

#[test]
fn an_older_health_page_is_found_where_the_newer_is_404() {
    let world = World::new();
    let server = Server::answering(world.port(SLOT), |path, _| match path {
        "/health" => (200, UP.into()),
        _ => (404, "{\"status\":404}".into()),
    });
    let assert = health(&world, &[]).success();
    assert_eq!(facts(&assert)["url"], format!("http://127.0.0.1:{}/health", world.port(SLOT)));
    assert_eq!(server.asked("/actuator/health").len(), server.asked("/health").len());
}

#[test]
fn a_newer_health_page_that_is_down_is_not_passed_over() {
    let world = World::new();
    let server = Server::answering(world.port(SLOT), |path, _| match path {
        "/health" => (200, UP.into()),
        _ => (503, r#"{"status":"DOWN"}"#.into()),
    });
    health(&world, &["--timeout", "1s"]).exit(4);
    assert_eq!(server.asked("/health").len(), 0);
}

#[test]
fn health_exits_4_when_there_is_no_health_page() {
    refused(&["--no-health"], &[]).said("no health page at /actuator/health or /health: name one with --path");
}

#[test]
fn health_takes_2xx_for_up_at_a_given_path_unless_its_status_says_otherwise() {
    accepted(&["--no-health"], &["--path", "/version"]);
    accepted(&["--login-page"], &["--path", "/"]);
    refused(&["--down"], &["--path", "/health"]).said("says DOWN");
    refused(&["--no-health"], &["--path", "/health"]).said("404 <h1>Not Found</h1>");
}

#[test]
fn health_takes_the_usual_words_and_the_code_itself_for_well_at_a_given_path() {
    for body in [r#"{"status":"ok"}"#, r#"{"status":"Healthy"}"#, r#"{"status":"PASS"}"#, r#"{"status":200}"#] {
        accepted(&["--status-json", body], &["--path", "/health"]);
    }
}

#[test]
fn health_names_the_text_to_expect_where_a_status_at_a_given_path_is_another_word() {
    let refused = refused(&["--status-json", r#"{ "status" : "ready" }"#], &["--path", "/health"]);
    refused
        .said("says ready")
        .said(r#"if that is how the application says it is well: export BG_HEALTH_EXPECT='"ready"'"#);
    accepted(&["--status-json", r#"{ "status" : "ready" }"#], &["--path", "/health", "--expect", r#""ready""#]);
}

#[test]
fn health_looks_at_no_status_where_expect_or_a_code_says_what_is_healthy() {
    accepted(&["--status-json", r#"{"status":"ready"}"#], &["--expect", "ready"]);
    accepted(&["--status-json", r#"{"status":"ready"}"#], &["--expect-status", "200"]);
    accepted(&["--status-json", r#"{"status":200}"#], &["--path", "/health", "--expect", "200"]);
    let world = World::new();
    let page = r#"{"timestamp":"2026-11-21T19:30:00","status":404,"error":"Not Found","path":"/"}"#;
    let _server = Server::answering(world.port(SLOT), move |_, _| (404, page.into()));
    health(&world, &["--path", "/", "--expect-status", "404"]).success();
}

#[test]
fn an_empty_text_to_expect_says_nothing_about_health() {
    refused(&["--down"], &["--expect", ""]).said("says DOWN");
}

#[test]
fn a_long_page_at_a_given_path_is_healthy_by_its_code() {
    let world = World::new();
    let page = format!("<!DOCTYPE html><p>at home{}", "<p>more".repeat(30_000));
    let _server = Server::answering(world.port(SLOT), move |_, _| (200, page.clone()));
    health(&world, &["--path", "/", "--timeout", "10s"]).success();
    health(&world, &["--path", "/", "--expect", "at home"]).success();
    let refused = health(&world, &["--path", "/", "--expect", "abroad", "--timeout", "1s"]).exit(4);
    refused.said("200 and more than 64 KiB").said("the text that is expected is not in the first 64 KiB of http://");
}

#[test]
fn a_body_without_end_at_a_given_path_is_healthy_by_its_code() {
    let began = Instant::now();
    accepted(&["--endless"], &["--path", "/health"]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_status_behind_a_byte_order_mark_is_read() {
    accepted(&["--status-json", "\u{feff}{\"status\":\"UP\"}"], &[]);
    refused(&["--status-json", "\u{feff}{\"status\":\"DOWN\"}"], &["--path", "/health"]).said("says DOWN");
}

/// Answers everything with this body as gzip makes it.
#[track_caller]
fn zipped(world: &World, body: &str) -> Server {
    world.write(world.path("body"), body);
    let zipped = std::process::Command::new("gzip").arg("-c").arg(world.path("body")).output().expect("gzip").stdout;
    Server::start(world.port(SLOT), move |_, _, stream| {
        let length = zipped.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n");
        let _ = stream.write_all(&[head.as_bytes(), &zipped].concat());
    })
}

#[test]
fn a_status_that_comes_zipped_is_read() {
    let world = World::new();
    let up = zipped(&world, UP);
    health(&world, &["--timeout", "2s"]).success();
    drop(up);
    let _down = zipped(&world, r#"{"status":"DOWN"}"#);
    health(&world, &["--timeout", "1s"]).exit(4).said(r#"200 {"status":"DOWN"}"#);
}

#[test]
fn a_little_that_unzips_to_a_lot_is_not_read_to_its_end() {
    let world = World::new();
    let _server = zipped(&world, &format!("{UP}{}", " ".repeat(64 << 20)));
    health(&world, &["--timeout", "1s"]).exit(4).said("200 and more than 64 KiB");
}

#[test]
fn health_exits_4_when_what_is_said_to_be_zipped_is_not() {
    let world = World::new();
    let _server = Server::start(world.port(SLOT), |_, _, stream| {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\n{\"status\":\"UP\"}");
    });
    health(&world, &["--timeout", "1s"]).exit(4).said("breaks off, or does not speak HTTP");
}

#[test]
fn health_exits_4_when_what_is_expected_is_not_there() {
    accepted(&["--version-text", "1.2 is ready"], &["--path", "/version", "--expect", "is ready"]);
    accepted(&["--no-health"], &["--path", "/health", "--expect-status", "204,404"]);
    let other = refused(&["--version-text", "1.2"], &["--path", "/version", "--expect", "is ready"]);
    other.said("x 200 1.2 (").said("not what --expect and --expect-status ask for");
    refused(&[], &["--expect-status", "204"]);
    refused(&[], &["--expect", "DOWN"]);
}

#[test]
fn a_proxy_in_the_environment_is_not_asked() {
    let world = World::new();
    let app = App::launch(&world, &[]);
    let nobody = format!("http://127.0.0.1:{}", world.free_port());
    let mut health = world.cmd("bg-health");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        health.env(name, &nobody);
    }
    health.env_remove("no_proxy").env_remove("NO_PROXY");
    health.args(["--timeout", "5s"]).write_stdin(app.record(&world)).ran().success();
}

#[test]
fn a_body_without_end_is_not_read_to_its_end() {
    let began = Instant::now();
    refused(&["--endless"], &["--check-timeout", "500ms"]).said("200 and more than 64 KiB");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_megabyte_is_no_health_page_whatever_it_begins_with() {
    let world = World::new();
    let body = format!("{UP}{}", " ".repeat(1 << 20));
    let _server = Server::answering(world.port(SLOT), move |_, _| (200, body.clone()));
    health(&world, &["--timeout", "1s"]).exit(4).said("200 and more than 64 KiB");
}

#[test]
fn an_answer_byte_by_byte_is_too_slow() {
    let world = World::new();
    let _server = Server::start(world.port(SLOT), |_, _, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", UP.len());
        for byte in head.bytes().chain(UP.bytes()) {
            // An error is the client that gave up, as it should.
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            // Not a wait for anything: this is how slow the application is.
            thread::sleep(Duration::from_millis(20));
        }
    });
    let refused = health(&world, &["--timeout", "1s", "--check-timeout", "200ms"]).exit(4);
    refused.said("x no answer in time").said("hangs, or takes longer than 0.2s");
}

#[test]
fn health_exits_4_when_the_answer_is_no_http() {
    let world = World::new();
    let _server = Server::start(world.port(SLOT), |_, _, stream| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")));
    health(&world, &["--timeout", "1s"]).exit(4).said("breaks off, or does not speak HTTP");
}
