//! How an application is asked: by which name, with which headers, and at which port.

use bg_tests::{Ran, World};

use super::launched::{App, SLOT, facts, health, record};
use super::server::Server;

const UP: &str = r#"{"status":"UP"}"#;

/// The heads of a check and of a warm-up request, after bg-health was run with these flags.
#[track_caller]
fn heads(world: &World, flags: &[&str]) -> (String, String) {
    let server = Server::answering(world.port(SLOT), |_, _| (200, UP.into()));
    health(world, &[&["--warmup", "/items", "--warmup-requests", "1"], flags].concat()).success();
    let first = |path| server.heads(path).into_iter().next().expect("it was asked");
    (first("/actuator/health"), first("/items"))
}

#[test]
fn health_asks_for_the_host_that_is_named() {
    let world = World::new();
    let (check, warmup) = heads(&world, &["--host", "www.example.org"]);
    assert!(check.contains("\nhost: www.example.org"), "{check}");
    assert!(warmup.contains("\nhost: www.example.org"), "{warmup}");
}

#[test]
fn health_asks_for_the_fronts_host_where_no_other_is_named() {
    let world = World::new();
    let server = Server::answering(world.port(SLOT), |_, _| (200, UP.into()));
    let line = record(&world).replace(r#""front":"#, r#""front_host":"shop.example.org","front":"#);
    world.pipe(line, "bg-health", &[]).success();
    let head = server.heads("/actuator/health").concat();
    assert!(head.contains("\nhost: shop.example.org"), "{head}");
}

#[test]
fn health_sends_the_headers_that_are_named_and_prints_no_value_of_them() {
    let world = World::new().env("BG_HEALTH_HEADER", "X-Forwarded-Proto: https\nAuthorization: Bearer s3cret");
    let (check, warmup) = heads(&world, &[]);
    for head in [&check, &warmup] {
        assert!(head.contains("\nauthorization: bearer s3cret\n"), "{head}");
        assert!(head.contains("\nx-forwarded-proto: https\n"), "{head}");
    }
    let world = World::new();
    let (check, _) = heads(&world, &["--header", "Accept: a/b, c/d", "--header", "X-One: 1"]);
    assert!(check.contains("\naccept: a/b, c/d\n") && check.contains("\nx-one: 1\n"), "{check}");
}

/// Neither stream has the secret in it.
#[track_caller]
fn keeps_the_secret(ran: &Ran) {
    assert!(!ran.stdout().contains("s3cret") && !ran.stderr().contains("s3cret"), "{ran}");
}

#[test]
fn no_message_has_the_value_of_a_header_in_it() {
    let world = World::new();
    let app = App::launch(&world, &["--down"]);
    let header = "Authorization: Bearer s3cret";
    keeps_the_secret(&app.health(&world, &["-v", "--timeout", "300ms", "--header", header]).exit(4));
    for bad in ["s3cret", "Bad Name: s3cret", "X-A: s3cret\u{1}", "Host: s3cret", "Content-Length: s3cret"] {
        let ran = app.health(&world, &["--header", bad]).exit(2);
        keeps_the_secret(&ran);
        ran.said("--header");
    }
    let help = world.cmd("bg-health").env("BG_HEALTH_HEADER", header).arg("--help").output().expect("help").stdout;
    let help = String::from_utf8(help).expect("UTF-8");
    assert!(help.contains("BG_HEALTH_HEADER") && !help.contains("s3cret"), "{help}");
    let flag = format!("--health-header={header}");
    let ran = world.run("bg-deploy", &["--dry-run", &flag, "--", "true"]).success();
    keeps_the_secret(&ran);
    ran.printed("--header=Authorization: VALUE");
}

#[test]
fn health_asks_the_port_for_management_in_place_of_the_slots_own() {
    let world = World::new();
    let (one, other) = (world.free_port(), world.free_port());
    let app = App::launch_line(&world, &format!("fake-app --listen-port {other} & exec fake-app --no-health"));
    let ports = format!("set1={one},set2={other}");
    let ran = app.health(&world, &["--port", &ports, "--timeout", "5s"]).success();
    assert_eq!(facts(&ran)["url"], format!("http://127.0.0.1:{other}/actuator/health"));
    app.health(&world, &["--port", &ports, "--once"]).success();
}

#[test]
fn a_release_that_is_well_at_the_port_for_management_alone_is_not_healthy() {
    let world = World::new();
    let (one, other) = (world.free_port(), world.free_port());
    let app = App::launch(&world, &["--listen-port", &other.to_string()]);
    let ports = format!("set1={one},set2={other}");
    let said = app.health(&world, &["--port", &ports, "--timeout", "3s"]).exit(4).printed_nothing().stderr();
    let own = world.port(SLOT);
    assert!(said.contains(&format!("but nothing listens for set2 on {own} yet")), "{said}");
    assert!(
        said.contains(&format!("likely    the application is well on {other}, but does not listen on {own}")),
        "{said}"
    );
}

#[test]
fn a_stranger_at_the_port_for_management_is_not_believed() {
    let world = World::new();
    let (one, other) = (world.free_port(), world.free_port());
    // This process is older than the launch.
    let (old, _server) = (std::process::id(), Server::answering(other, |_, _| (200, UP.into())));
    let app = App::launch(&world, &[]);
    let ports = format!("set1={one},set2={other}");
    let refused = app.health(&world, &["--port", &ports, "--timeout", "2s"]).exit(4).printed_nothing();
    refused
        .said(format!("from pid {old} ("))
        .said("which is older than the launch")
        .said(format!("port {other} is held by pid {old}"));
}

#[test]
fn a_stranger_at_the_slots_own_port_is_not_believed_beside_a_port_for_management() {
    let world = World::new();
    let (one, other) = (world.free_port(), world.free_port());
    let old = super::whose::there_before(&world, &[]);
    let app = App::launch(&world, &["--listen-port", &other.to_string()]);
    let ports = format!("set1={one},set2={other}");
    let refused = app.health(&world, &["--port", &ports, "--timeout", "2s"]).exit(4).printed_nothing();
    refused.said(format!("from pid {old} (")).said(format!("port {} is held by pid {old}", world.port(SLOT)));
}

#[test]
fn ports_for_management_must_be_those_of_the_slots() {
    let world = World::new();
    let _server = Server::answering(world.port(SLOT), |_, _| (200, UP.into()));
    health(&world, &["--port", "blue=9081,green=9082"]).exit(2).said("--port: \"set2\" is not a slot");
    let others = format!("set1=9081,set2={}", world.port("set1"));
    health(&world, &["--port", &others]).exit(2).said("is the port of set1 itself");
}
