use super::{SOON, limit};
use bg_tests::{Run, Traffic, World, process, until};
use std::time::{Duration, Instant};

/// A world in which 1.0 serves from set1, on a port that others can share.
fn sharing() -> World {
    let world = World::new();
    world.deploy(&["--version-text", "1.0", "--reuse-port"]).success();
    world
}

/// The words that deploy a release which listens on the live slot's port whatever it is told.
fn on_the_live_port(world: &World, flags: &[&str]) -> Vec<String> {
    let live = world.port("set1").to_string();
    let own = ["--version-text", "1.1", "--reuse-port", "--boot-ms", "300", "--listen-port", &live];
    let flags = ["--health-timeout=20s"].iter().chain(flags).map(|&flag| flag.to_owned());
    flags.chain(["--".to_owned()]).chain(world.fake_app(&own)).collect()
}

#[test]
fn a_release_that_shares_the_live_port_is_stopped_as_soon_as_it_listens() {
    let world = sharing();
    let (live, own) = (world.port("set1"), world.port("set2"));
    let traffic = Traffic::start(&world.nginx.front_url("/version"));
    until(SOON, "visitors come", || traffic.sent() > 20);
    let began = Instant::now();
    let deploy = world.cmd("bg-deploy").args(on_the_live_port(&world, &[])).ran().exit(4).printed_nothing();
    let took = began.elapsed();
    assert!(took < limit(Duration::from_secs(4)), "{took:?}");
    let head = format!("set2 listens on {live}, the port of set1, which is live: visitors may have reached it");
    let likely = format!("let it listen on $PORT, {own} here (Spring Boot: server.port)");
    let serving = "set1, which shared its port with this release";
    deploy.said(head).said(likely).said(serving).never_said("untouched").said("was stopped; its log is kept");
    assert!(!process::alive(world.pid("set2")), "it is stopped");
    let before = traffic.sent();
    until(SOON, "more visitors come", || traffic.sent() > before + 20);
    assert!(traffic.stop().ok > 20);
    assert!((0..20).all(|_| world.get("/version").body == "1.0"));
}

#[test]
fn keep_failed_keeps_no_release_that_takes_visitors() {
    let world = sharing();
    let deploy = world.cmd("bg-deploy").args(on_the_live_port(&world, &["--keep-failed"])).ran().exit(4);
    deploy.said("was stopped; its log is kept");
    assert!(!process::alive(world.pid("set2")), "it is stopped");
}

#[test]
fn a_release_that_listens_on_both_ports_is_not_switched_to() {
    let world = sharing();
    let line = format!("fake-app --reuse-port --listen-port {} & exec fake-app --boot-ms 500", world.port("set1"));
    let refused = world.run("bg-deploy", &["--health-timeout=20s", "--", "sh", "-c", &line]).exit(4);
    refused.said("the port of set1, which is live");
    assert_eq!(world.live().as_deref(), Some("set1"));
    assert!(!world.listens("set2"));
}

#[test]
fn a_release_that_can_not_have_the_live_port_is_told_whose_it_is() {
    let world = World::new().serving();
    let live = world.port("set1");
    let refused = world.deploy(&["--listen-port", &live.to_string()]).exit(8);
    refused.said(format!(
        "likely    it wanted port {live}, which is that of set1 and taken: let it listen on $PORT, {} here \
         (Spring Boot: server.port)",
        world.port("set2")
    ));
}

#[test]
fn in_a_bare_pipeline_the_report_says_how_to_stop_it() {
    let world = sharing();
    let line = format!(
        "bg-probe | bg-launch -- fake-app --reuse-port --listen-port {} | bg-health --interval 60s | bg-switch",
        world.port("set1")
    );
    let began = Instant::now();
    let chain = world.shell(&line).timeout(Duration::from_secs(20)).ran().exit(3);
    assert!(began.elapsed() < limit(Duration::from_secs(4)), "{:?}", began.elapsed());
    chain.said("now       stop it: bg-launch --slot set2 --stop");
    let pid = world.pid("set2");
    world.run("bg-launch", &["--slot", "set2", "--stop"]).success();
    assert!(!process::alive(pid));
}
