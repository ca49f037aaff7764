//! The address in the upstream file: a switch changes the slot in it and keeps scheme, host and path; what can't be kept
//! so is refused before anything is touched.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use assert_cmd::assert::Assert;
use bg_tests::{World, http, programs};

/// A further server that passes on to the upstream file's address and the request's own URI; its URL.
fn server_with_uri(world: &World) -> String {
    let listen = format!("127.0.0.1:{}", world.free_port());
    let file = world.nginx.upstream_file();
    world.nginx.add_to_http(
        "with-uri",
        &format!(
            "server {{ listen {listen}; include {}; location / {{ proxy_pass $service_url$request_uri; }} }}\n",
            file.display()
        ),
    );
    format!("http://{listen}")
}

/// Points the upstream file at set1, by an address in which the slot's port stands for `{port}`.
fn write_address(world: &World, address: &str) -> String {
    let text = format!("set $service_url {};\n", address.replace("{port}", &world.port("set1").to_string()));
    world.nginx.write_upstream(&text);
    world.nginx.reload();
    text
}

fn said(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[track_caller]
fn body(url: &str) -> String {
    http::get(url).expect("an answer").body
}

/// An application under `/app/`, whose upstream file says so; and the URL of its server.
fn under_a_path() -> (World, String) {
    let world = World::new();
    let url = server_with_uri(&world);
    write_address(&world, "http://127.0.0.1:{port}/app");
    let world = world.env("BG_FRONT", &format!("{url}/profile")).env("BG_HEALTH_PATH", "/app/health");
    (world, url)
}

#[test]
fn deploys_and_a_rollback_keep_the_path_of_the_address() {
    let (world, url) = under_a_path();
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2")] {
        world.deploy_fake(&["--below", "/app", "--version-text", version]).success();
        let port = world.port(slot);
        assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.1:{port}/app;\n"));
        assert_eq!(body(&format!("{url}/version")), version);
    }
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!(body(&format!("{url}/version")), "1.0");
}

#[test]
fn a_conversion_and_its_way_back_keep_the_path_of_the_address() {
    let (world, url) = under_a_path();
    let before = world.nginx.read_upstream();
    world.cmd("bg-switch").args(["--convert", "link"]).assert().success();
    assert!(world.nginx.read_upstream().contains(&format!("http://127.0.0.1:{}/app;", world.port("set2"))));
    for version in ["1.0", "1.1"] {
        world.deploy_fake(&["--below", "/app", "--version-text", version]).success();
        assert_eq!(body(&format!("{url}/version")), version);
    }
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    world.cmd("bg-switch").args(["--convert", "reload"]).assert().success();
    assert_eq!(world.nginx.read_upstream(), before);
}

#[test]
fn a_host_other_than_the_loopback_stays_and_is_asked() {
    let world = World::new();
    write_address(&world, "http://127.0.0.2:{port}");
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2")] {
        world.deploy_fake(&["--address", "127.0.0.2", "--version-text", version]).success();
        let port = world.port(slot);
        assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.2:{port};\n"));
        assert_eq!(world.get("/version").body, version);
    }
    world.cmd("bg-switch").args(["--convert", "link"]).assert().success();
    world.cmd("bg-deploy").arg("--rollback").assert().success();
    assert_eq!(world.get("/version").body, "1.0");
}

#[test]
fn a_deploy_refuses_an_address_that_is_no_slots_before_anything_is_launched() {
    for (front, address) in
        [(true, "http://web-blue:8080"), (false, "http://web-blue:8080"), (false, "http://127.0.0.1:;")]
    {
        let world = if front { World::new() } else { World::new().env("BG_FRONT", "-") };
        world.start_fake("set1", &[]);
        let text = format!("set $service_url {address}\n").replace("8080", "8080;");
        world.nginx.write_upstream(&text);
        let refused = world.deploy_fake(&[]).code(7);
        assert!(
            said(&refused).contains("upstream file") || said(&refused).contains("which is neither slot"),
            "{}",
            said(&refused)
        );
        world.cmd("bg-launch").args(["--slot", "set2", "--"]).args(world.fake_app(&[])).assert().code(7);
        world.cmd("bg-deploy").arg("--check").assert().code(1);
        world.start_fake("set2", &[]);
        world.cmd("bg-switch").args(["--to", "set2"]).assert().code(7);
        assert_eq!(world.nginx.read_upstream(), text, "not a byte of it");
        assert!(!world.dir().join("releases").exists(), "nothing was launched");
    }
}

#[test]
fn a_switch_that_fails_puts_back_the_bytes_it_found() {
    let (world, _) = under_a_path();
    let port = world.port("set1");
    let text = format!("# ours\nset $service_url 'http://127.0.0.1:{port}/app' ; # odd\n");
    world.nginx.write_upstream(&text);
    world.nginx.reload();
    world.start_fake("set1", &["--below", "/app"]);
    world.start_fake("set2", &["--below", "/app"]);
    world.nginx.add_to_http("broken", "oops;\n");
    let refused = world.cmd("bg-switch").args(["--to", "set2"]).assert().code(5);
    assert!(said(&refused).contains("service-url.inc is as it was"), "{}", said(&refused));
    assert_eq!(world.nginx.read_upstream(), text);
}

/// A server of https in a slot: openssl's, which answers with the files of a folder.
fn https_app(world: &World) -> Vec<String> {
    let files = world.folder().join("files");
    fs::create_dir_all(files.join("actuator")).expect("our folder");
    fs::write(files.join("actuator/health"), r#"{"status":"UP"}"#).expect("our folder");
    let (certificate, key) = (world.folder().join("certificate"), world.folder().join("key"));
    self_signed(&certificate, &key);
    let words = ["s_server", "-quiet", "-WWW", "-accept", "127.0.0.1:{port}", "-cert", "CERT", "-key", "KEY"];
    let spelled = |word: &str| match word {
        "CERT" => certificate.display().to_string(),
        "KEY" => key.display().to_string(),
        other => other.to_owned(),
    };
    let program = programs::of_the_system("openssl").display().to_string();
    std::iter::once(program).chain(words.map(spelled)).collect()
}

#[track_caller]
fn self_signed(certificate: &PathBuf, key: &PathBuf) {
    let output = Command::new(programs::of_the_system("openssl"))
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", "/CN=web.example", "-days", "1", "-keyout"])
        .args([key, &PathBuf::from("-out"), certificate])
        .output()
        .expect("openssl, which was found before");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Installs what bg-switch prints for this world; the URL of the server.
fn install_printed(world: &World, flags: &[&str]) -> String {
    let listen = format!("127.0.0.1:{}", world.free_port());
    let print = |flags: &[&str]| {
        let printed = world.cmd("bg-switch").args(flags).assert().success();
        String::from_utf8_lossy(&printed.get_output().stdout).into_owned()
    };
    let site = print(&[&["--print-site", "--listen", &listen], flags].concat());
    world.nginx.add_to_http("site", &site);
    world.nginx.write_upstream(&print(&[&["--print-upstream"], flags].concat()));
    world.nginx.reload();
    format!("http://{listen}")
}

#[test]
fn slots_that_speak_https_are_deployed_to_in_both_forms() {
    for form in ["link", "reload"] {
        let world = World::new().env("BG_SLOT_URL", "https://127.0.0.1:{port}");
        let files = world.folder().join("files").display().to_string();
        let app = https_app(&world);
        let url = install_printed(&world, &["--form", form]);
        let world = world.env("BG_FRONT", &format!("{url}/_bg/slot")).env("BG_LAUNCH_WORKDIR", &files);
        for slot in ["set1", "set2"] {
            world.cmd("bg-deploy").arg("--").args(&app).assert().success();
            assert_eq!(body(&format!("{url}/_bg/slot")).trim(), slot, "{form}");
            assert_eq!(body(&format!("{url}/actuator/health")), r#"{"status":"UP"}"#, "{form}");
        }
    }
}

#[test]
fn what_the_file_says_of_the_address_needs_no_setting() {
    let world = World::new().env("BG_FRONT", "-");
    let files = world.folder().join("files").display().to_string();
    let app = https_app(&world);
    write_address(&world, "https://127.0.0.1:{port}");
    let world = world.env("BG_LAUNCH_WORKDIR", &files);
    for slot in ["set1", "set2"] {
        world.cmd("bg-deploy").arg("--").args(&app).assert().success();
        assert_eq!(world.nginx.read_upstream(), format!("set $service_url https://127.0.0.1:{};\n", world.port(slot)));
        assert_eq!(world.get("/actuator/health").body, r#"{"status":"UP"}"#);
    }
}

#[test]
fn the_printed_site_keeps_host_and_path_of_the_setting() {
    let world = World::new().env("BG_SLOT_URL", "http://127.0.0.2:{port}/app").env("BG_HEALTH_PATH", "/app/health");
    let url = install_printed(&world, &[]);
    let world = world.env("BG_FRONT", &format!("{url}/_bg/slot"));
    for version in ["1.0", "1.1"] {
        world.deploy_fake(&["--below", "/app", "--address", "127.0.0.2", "--version-text", version]).success();
        assert_eq!(body(&format!("{url}/version")), version);
    }
}

#[test]
fn the_page_of_the_printed_site_answers_further_addresses_that_were_named() {
    let world = World::new();
    let print = |flags: &[&str]| {
        let printed = world.cmd("bg-switch").arg("--print-site").args(flags).assert();
        (printed.get_output().status.code(), String::from_utf8_lossy(&printed.get_output().stdout).into_owned())
    };
    let (_, site) = print(&["--front-from", "172.17.0.0/16,127.0.0.9"]);
    assert!(site.contains("    172.17.0.0/16 1;\n") && site.contains("    127.0.0.9 1;\n"), "{site}");
    assert_eq!(print(&["--front-from", "1;2"]).0, Some(2));
}

/// A settings file that was forgotten makes another folder of it, which the right settings then find in the file.
#[test]
fn a_conversion_fixes_a_file_that_looks_into_another_folder() {
    let world = World::new();
    world.start_fake("set1", &[]);
    world.start_fake("set2", &[]);
    let elsewhere = world.folder().join("elsewhere").display().to_string();
    world.cmd("bg-switch").args(["--convert", "link", "--dir", &elsewhere]).assert().success();
    let refused = world.cmd("bg-switch").args(["--to", "set2"]).assert().code(7);
    assert!(said(&refused).contains("bg-switch --convert link"), "{}", said(&refused));
    let fixed = world.cmd("bg-switch").args(["--convert", "link"]).assert().success();
    assert!(said(&fixed).contains("has the link form now; set1 serves as before"), "{}", said(&fixed));
    assert!(world.nginx.read_upstream().contains(&world.dir().join("live/set2").display().to_string()));
    world.cmd("bg-switch").args(["--to", "set2"]).assert().success();
    assert_eq!(world.live().as_deref(), Some("set2"));
    let again = world.cmd("bg-switch").args(["--convert", "link"]).assert().success();
    assert!(said(&again).contains("has the link form already"), "{}", said(&again));
}

#[test]
fn a_printed_file_names_groups_only_where_nginx_has_them_or_will() {
    let world = World::new();
    let print = || {
        let printed = world.cmd("bg-switch").arg("--print-upstream").assert().success();
        (String::from_utf8_lossy(&printed.get_output().stdout).into_owned(), said(&printed))
    };
    let addresses = |text: &str| text.contains(&format!("http://127.0.0.1:{};", world.port("set1")));
    let (text, warned) = print();
    assert!(addresses(&text) && warned.contains("no upstream groups web_set1 and web_set2"), "{text}{warned}");
    // A site that includes a file which is not there yet: nginx can't print its configuration.
    fs::remove_file(world.nginx.upstream_file()).expect("the upstream file");
    assert!(addresses(&print().0));
    world.nginx.add_to_http(
        "groups",
        "upstream web_set1 { server 127.0.0.1:1; }\nupstream web_set2 { server 127.0.0.1:2; }\n",
    );
    let (text, warned) = print();
    assert!(text.contains("http://web_set1;") && warned.is_empty(), "{text}{warned}");
    let other = world.folder().join("other.inc").display().to_string();
    let printed =
        world.cmd("bg-switch").args(["--print-upstream", "--app", "shop", "--upstream-file", &other]).assert();
    assert!(String::from_utf8_lossy(&printed.get_output().stdout).contains("http://shop_set1;"), "its site is to come");
}

#[test]
fn a_file_that_names_missing_groups_fails_the_preflight_where_nginx_prints_no_configuration_too() {
    let world = World::new();
    world.nginx.write_upstream("set $service_url http://web_set1;\n");
    let nginx = world.nginx.command_line();
    // By the name of nginx, which is how it is known to be on this machine.
    let folder = world.folder().join("bin");
    fs::create_dir(&folder).expect("our folder");
    let script = world.script("bin/nginx", &format!("case \"$*\" in *-T*) exit 1;; esac\nexec {nginx} \"$@\""));
    let checked = world.cmd("bg-switch").args(["--check", "--nginx", &script]).assert().code(1);
    let text = String::from_utf8_lossy(&checked.get_output().stdout).into_owned();
    assert!(text.contains("fail    ") && text.contains("names web_set1, which nginx can't find"), "{text}");
}
