//! Where bg-probe's settings come from, what they reach, and which are refused.

use bg_tests::{Run, World};
use serde_json::json;

use super::{Said, refusal};

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_default() {
    let world = World::new();
    assert_eq!(Said::by(&world, &["--app", "typed"]).record["app"], "typed");
    assert_eq!(Said::by(&world, &[]).record["app"], "web");
    let line = world.cmd("bg-probe").env_remove("BG_APP").env_remove("BG_DIR").ran().success().stdout();
    assert!(line.contains(r#""app":"app""#), "{line}");

    assert_eq!(Said::by(&world.env("BG_PROBE_SLOT", "set2"), &[]).record["slot"], "set2");
}

#[test]
fn the_folder_is_the_systems_for_root_and_the_users_own_for_others() {
    let world = World::new().env("XDG_STATE_HOME", "/home/somebody/state");
    let line = world.cmd("bg-probe").env_remove("BG_DIR").ran().success().stdout();
    let folder = if nix::unistd::geteuid().is_root() { "/var/lib/bg/web" } else { "/home/somebody/state/bg/web" };
    assert!(line.contains(&format!(r#""dir":"{folder}""#)), "{line}");
}

#[test]
fn relative_paths_are_made_absolute() {
    let world = World::new();
    world.write("f", world.upstream_line("set1"));
    let flags = ["--dir", "state", "--upstream-file", "f"];
    let line = world.cmd("bg-probe").current_dir(world.folder()).args(flags).ran().success().stdout();
    let folder = world.folder().display();
    assert!(line.contains(&format!(r#""dir":"{folder}/state","#)), "{line}");
    assert!(line.contains(&format!(r#""upstream_file":"{folder}/f","#)), "{line}");
}

#[test]
fn the_front_may_be_one_of_several_sites_of_an_nginx() {
    let world = World::new().set1_running();
    let listen = world.nginx.front_url("").replace("http://", "listen ");
    let site = format!("proxy_pass http://127.0.0.1:{};", world.port("set1"));
    world.nginx.add_to_http(
        "sites",
        &format!(
            "server {{ {listen} default_server; return 404; }}
             server {{ {listen}; server_name web.example; location / {{ {site} }} }}\n"
        ),
    );
    world.nginx.reload();
    assert_eq!(Said::by(&world, &["--slot", "live"]).record["probe"]["front_said"], "404");

    let said = Said::by(&world, &["--front-host", "web.example"]);
    said.is(Some("set1"), "set2", &json!({"by": "front", "points_at": "set1"}));
    assert_eq!(said.record["front_host"], "web.example");
}

#[test]
fn a_front_on_this_machine_needs_no_valid_certificate() {
    let world = World::new().set1_running();
    let (port, (certificate, key)) = (world.free_port(), world.self_signed("elsewhere.example"));
    world.nginx.add_to_http(
        "tls",
        &format!(
            "server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {};
                ssl_certificate_key {};
                include {};
                location / {{ proxy_pass $service_url; }}
            }}\n",
            certificate.display(),
            key.display(),
            world.nginx.upstream_file().display()
        ),
    );
    world.nginx.reload();
    let front = format!("https://127.0.0.1:{port}/profile");
    let expected = json!({"by": "front", "points_at": "set1"});
    Said::by(&world, &["--front", &front]).is(Some("set1"), "set2", &expected);
    Said::by(&world, &["--front", &front, "--front-host", "web.example"]).is(Some("set1"), "set2", &expected);

    // Plain HTTP to a TLS port is the usual mistake: nginx says 400.
    let plain = front.replace("https", "http");
    assert_eq!(Said::by(&world, &["--front", &plain, "--slot", "live"]).record["probe"]["front_said"], "400");
    // And the front that would do is named.
    let refused = world.run("bg-probe", &["--front", &plain]).exit(5);
    refused.said(format!("or for this once: bg-probe --front {front}\n"));
}

#[test]
fn without_a_front_the_file_decides() {
    let world = World::new().set1_running();
    let said = Said::by(&world, &["--front", "-"]);
    said.is(Some("set1"), "set2", &json!({"by": "file", "points_at": "set1"}));
    assert!(said.record["front"].is_null() && !said.stderr.contains("warning"), "{}", said.stderr);
}

#[test]
fn proxies_of_the_environment_are_never_used() {
    let proxies = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let world = World::new().env("no_proxy", "").env("NO_PROXY", "");
    let world = proxies.iter().fold(world, |world, name| world.env(name, "http://127.0.0.1:1"));
    world.start_fake("set1", &[]);
    Said::by(&world, &[]).is(Some("set1"), "set2", &json!({"by": "front", "points_at": "set1"}));
}

#[test]
fn a_setting_that_makes_no_sense_is_refused_before_anybody_is_asked() {
    let world = World::new();
    for (flags, why) in [
        (["--app", "a;b"], "\"a;b\" is not a name: 1 to 32 of a-z, 0-9, _ and -, the first a letter or digit"),
        (["--app", "a\nb"], "\"a\\nb\" is not a name"),
        (["--app", "../a"], "\"../a\" is not a name"),
        (["--app", ""], "\"\" is not a name"),
        (["--slots", "set1=0,set2=8082"], "0 is not a port: 1 to 65535"),
        (["--slots", "set1=8081,set2=65536"], "65536 is not a port: 1 to 65535"),
        (["--slots", "a=1,b=2,c=3"], "3 slots given, exactly two are needed"),
        (["--slots", "a=1"], "1 slots given, exactly two are needed"),
        (["--slots", "a=1,a=2"], "both slots are called a"),
        (["--slots", "a=1,b=1"], "both slots have port 1"),
        (["--slots", "a/../b=1,c=2"], "\"a/../b\" is not a name"),
        (["--slot", "set3"], "--slot: \"set3\" is not a slot: the slots are set1 and set2"),
        (["--slot", "../set1"], "\"../set1\" is not a name"),
        (["--front", "profile"], "profile is not a URL like http://127.0.0.1/profile"),
        (["--front", "ftp://127.0.0.1/"], "is not a URL"),
        (["--front", "http://127.0.0.1:70000/profile"], "is not a URL"),
        (["--front", "http://127.0.0.1:/profile"], "is not a URL"),
        (["--front-host", "a b"], "\"a b\" is not a host like example.org"),
        (["--front-host", ""], "\"\" is not a host"),
        (["--dir", "a\nb"], "\"a\\nb\" is not a usable path"),
        (["--upstream-file", ""], "\"\" is not a usable path"),
        (["--by", "nobody"], "[possible values: front, file, both]"),
        (["--format", "xml"], "[possible values: json, name, port, table, openmetrics]"),
        (["--timeout", "soon"], "invalid value 'soon' for '--timeout <DURATION>'"),
        (["--prot", "1"], "unexpected argument '--prot' found"),
    ] {
        let stderr = refusal(&world, &flags, 2);
        assert!(stderr.contains(why) && !stderr.contains("panicked"), "{flags:?}: {stderr}");
    }
    let bad = World::new().env("BG_SLOTS", "set1=1;set2=2");
    assert!(refusal(&bad, &[], 2).contains("is not a port: 1 to 65535"));
}

#[test]
fn a_timeout_without_end_is_no_crash() {
    let world = World::new().set1_running();
    Said::by(&world, &["--timeout", "584542046090y"]).is(
        Some("set1"),
        "set2",
        &json!({"by": "front", "points_at": "set1"}),
    );
}
