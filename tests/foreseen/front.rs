use super::{advice, refused, two_releases, two_releases_by_link};
use bg_tests::{World, process, until};
use nix::sys::signal::Signal;
use std::time::Duration;

/// A file that serves as an artifact, for advice repeats no word behind `--`.
fn deploys_a_file(world: World) -> World {
    let command = world.fake_app(&["--version-text", "1.2"]);
    let world = world.env("BG_LAUNCH_COMMAND", &command.join(" "));
    world.write("artifact", "1.2");
    world
}

/// Has nginx answer the front itself, with this in its location.
fn front_says(world: &World, directives: &str) {
    let conf = world.read(world.nginx.conf());
    let location = format!("location = /profile {{ {directives} }}\n        location / {{");
    world.write(world.nginx.conf(), conf.replacen("location / {", &location, 1));
    world.nginx.reload();
}

#[test]
fn certbots_redirect_is_refused_with_the_front_that_works() {
    let world = deploys_a_file(two_releases());
    let (port, (certificate, key)) = (world.free_port(), world.self_signed("web.example"));
    world.nginx.add_to_http(
        "tls",
        &format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {}; include {}; \
             location / {{ proxy_pass $service_url; }} }}\n",
            certificate.display(),
            key.display(),
            world.nginx.upstream_file().display()
        ),
    );
    front_says(&world, &format!("return 301 https://127.0.0.1:{port}$request_uri;"));
    let artifact = world.word("artifact");

    let run = refused(&world, &[&artifact], 5, "names no slot (301 to https://127.0.0.1:");

    let run = run.said(format!("sk https://127.0.0.1:{port}/profile, which names set2: export BG_FRONT=https://"));
    world.run_line(advice(&run, "or for this once: ")).success().said("live ");
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn a_front_that_is_no_page_of_the_application_is_refused_and_one_can_go_without_it() {
    for (directives, said) in [
        ("return 401;", "names no slot (401)"),
        ("return 404;", "names no slot (404)"),
        ("return 444;", "names no slot ("),
        ("return 200 'Welcome to nginx!';", "names no slot (200 \"Welcome to nginx!\")"),
    ] {
        let world = if directives == "return 401;" { two_releases_by_link() } else { two_releases() };
        let world = deploys_a_file(world);
        front_says(&world, directives);
        let artifact = world.word("artifact");
        let run = refused(&world, &[&artifact], 5, said);
        let run = run.said("no switch could be seen").never_said("nginx did not move");
        world.run_line(advice(&run, "or go without one: ")).success();
        assert_eq!(world.get("/version").body, "1.2", "{directives}");
    }
}

#[test]
fn a_front_that_wants_the_proxy_protocol_closes_the_connection_and_is_refused() {
    let world = two_releases();
    let conf = world.read(world.nginx.conf());
    let listen = conf.lines().find(|line| line.contains("listen 127.0.0.1:")).expect("the site").to_owned();
    world.write(world.nginx.conf(), conf.replace(&listen, &listen.replace(';', " proxy_protocol;")));
    world.nginx.reload();
    refused(&world, &["--", "fake-app"], 5, "names no slot (");
}

#[test]
fn a_front_that_no_slot_is_behind_is_refused_before_a_first_deploy_too() {
    let world = World::new();
    front_says(&world, "return 404;");
    refused(&world, &["--", "fake-app"], 5, "names no slot (404)");
    assert!(world.processes().is_empty());
}

#[test]
fn the_printed_page_is_named_where_the_front_is_another_one() {
    let world = deploys_a_file(two_releases());
    let conf = world.read(world.nginx.conf());
    let (set1, set2) = (world.port("set1"), world.port("set2"));
    let map = format!("map $service_url $bg_slot {{ ~:{set1} set1; ~:{set2} set2; }}\n    server {{");
    let page = "location = /_bg/slot { return 200 $bg_slot; }\n        location = /profile { return 404; }\n        location / {";
    world.write(world.nginx.conf(), conf.replacen("server {", &map, 1).replacen("location / {", page, 1));
    world.nginx.reload();
    let artifact = world.word("artifact");
    let run = refused(&world, &[&artifact], 5, "/_bg/slot, which names set2");
    world.run_line(advice(&run, "or for this once: ")).success().said("live ");
    assert_eq!(world.get("/version").body, "1.2");
}

#[test]
fn a_pipeline_is_refused_at_its_head_and_a_switch_by_hand_before_it_writes() {
    let world = two_releases();
    front_says(&world, "return 401;");
    let (before, upstream) = (world.pid("set1"), world.nginx.read_upstream());
    world.run_line("bg-probe | bg-launch -- fake-app | bg-health | bg-switch").exit(3).said("names no slot (401)");
    assert_eq!(world.pid("set1"), before);
    assert!(process::alive(before));
    let run = world.switch("set1").exit(5).said("names no slot (401)");
    assert_eq!(world.nginx.read_upstream(), upstream);
    world.run_line(advice(&run, "or go without one: ")).success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_way_back_from_a_release_whose_own_page_is_bad_stays_open() {
    let world = two_releases();
    process::signal(world.pid("set2"), Signal::SIGKILL);
    until(Duration::from_secs(5), "it is gone", || !world.listens("set2"));
    world.start_fake("set2", &["--profile", "an error page"]);
    world.rollback().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_first_deploy_that_no_front_proved_is_no_trap() {
    let world = World::new().env("BG_SWITCH_VERIFY_TIMEOUT", "1s");
    let failed = world.deploy(&["--profile", "real"]).exit(5).said("names no slot (200 \"real\")");
    let failed = failed.said("when the cause is gone: bg-switch --to set1\n").never_said("--rollback");
    assert!(world.is_launched("set1"), "{failed}");
    // The note of a switch that asked for nothing, as a switch by an earlier version has left it.
    let line = world.upstream_line("set1");
    let note = serde_json::json!({"from": "set1", "to": "set1", "before": line});
    world.write(world.dir().join("switching.json"), note.to_string());
    world.run("bg-deploy", &["--front=-", "--", "fake-app", "--version-text", "1.1"]).success();
    assert_eq!(world.get("/version").body, "1.1");
    assert!(!world.is_half_switched());
    world.run("bg-deploy", &["--front=-", "--rollback"]).success();
}
