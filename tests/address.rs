//! The address in the upstream file: a switch changes the slot in it and keeps scheme, host and path; what can't be kept
//! so is refused before anything is touched.

use bg_tests::{Run, World, http, programs};

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
        world.deploy(&["--below", "/app", "--version-text", version]).success();
        let port = world.port(slot);
        assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.1:{port}/app;\n"));
        assert_eq!(body(&format!("{url}/version")), version);
    }
    world.rollback().success();
    assert_eq!(body(&format!("{url}/version")), "1.0");
}

#[test]
fn a_conversion_and_its_way_back_keep_the_path_of_the_address() {
    let (world, url) = under_a_path();
    let before = world.nginx.read_upstream();
    world.run("bg-switch", &["--convert", "link"]).success();
    assert!(world.nginx.read_upstream().contains(&format!("http://127.0.0.1:{}/app;", world.port("set2"))));
    for version in ["1.0", "1.1"] {
        world.deploy(&["--below", "/app", "--version-text", version]).success();
        assert_eq!(body(&format!("{url}/version")), version);
    }
    world.rollback().success();
    world.run("bg-switch", &["--convert", "reload"]).success();
    assert_eq!(world.nginx.read_upstream(), before);
}

#[test]
fn a_host_other_than_the_loopback_stays_and_is_asked() {
    let world = World::new();
    write_address(&world, "http://127.0.0.2:{port}");
    for (version, slot) in [("1.0", "set1"), ("1.1", "set2")] {
        world.deploy(&["--address", "127.0.0.2", "--version-text", version]).success();
        let port = world.port(slot);
        assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.2:{port};\n"));
        assert_eq!(world.get("/version").body, version);
    }
    world.run("bg-switch", &["--convert", "link"]).success();
    world.rollback().success();
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
        let refused = world.deploy(&[]).exit(7);
        let said = refused.stderr();
        assert!(said.contains("upstream file") || said.contains("which is neither slot"), "{refused}");
        world.run("bg-launch", &["--slot", "set2", "--", "fake-app"]).exit(7);
        world.run("bg-deploy", &["--check"]).exit(1);
        world.start_fake("set2", &[]);
        world.switch("set2").exit(7);
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
    world.switch("set2").exit(5).said("service-url.inc is as it was");
    assert_eq!(world.nginx.read_upstream(), text);
}

/// A server of https in a slot: openssl's, which answers with the files of a folder.
fn https_app(world: &World) -> Vec<String> {
    let files = world.path("files");
    world.make_dir(files.join("actuator"));
    world.write(files.join("actuator/health"), r#"{"status":"UP"}"#);
    let (certificate, key) = world.self_signed("web.example");
    let words = ["s_server", "-quiet", "-WWW", "-accept", "127.0.0.1:{port}", "-cert", "CERT", "-key", "KEY"];
    let spelled = |word: &str| match word {
        "CERT" => certificate.display().to_string(),
        "KEY" => key.display().to_string(),
        other => other.to_owned(),
    };
    let program = programs::of_the_system("openssl").display().to_string();
    std::iter::once(program).chain(words.map(spelled)).collect()
}

/// Installs what bg-switch prints for this world; the URL of the server.
fn install_printed(world: &World, flags: &[&str]) -> String {
    let listen = format!("127.0.0.1:{}", world.free_port());
    let print = |flags: &[&str]| world.run("bg-switch", flags).success().stdout();
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
        let files = world.word("files");
        let app = https_app(&world);
        let url = install_printed(&world, &["--form", form]);
        let world = world.env("BG_FRONT", &format!("{url}/_bg/slot")).env("BG_LAUNCH_WORKDIR", &files);
        for slot in ["set1", "set2"] {
            world.cmd("bg-deploy").arg("--").args(&app).ran().success();
            assert_eq!(body(&format!("{url}/_bg/slot")).trim(), slot, "{form}");
            assert_eq!(body(&format!("{url}/actuator/health")), r#"{"status":"UP"}"#, "{form}");
        }
    }
}

#[test]
fn deploy_takes_the_scheme_from_the_file_without_a_setting() {
    let world = World::new().env("BG_FRONT", "-");
    let files = world.word("files");
    let app = https_app(&world);
    write_address(&world, "https://127.0.0.1:{port}");
    let world = world.env("BG_LAUNCH_WORKDIR", &files);
    for slot in ["set1", "set2"] {
        world.cmd("bg-deploy").arg("--").args(&app).ran().success();
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
        world.deploy(&["--below", "/app", "--address", "127.0.0.2", "--version-text", version]).success();
        assert_eq!(body(&format!("{url}/version")), version);
    }
}

#[test]
fn the_page_of_the_printed_site_answers_further_addresses_that_were_named() {
    let world = World::new();
    let print = |flags: &[&str]| {
        let printed = world.run("bg-switch", &[&["--print-site"], flags].concat());
        (printed.code(), printed.stdout())
    };
    let (_, site) = print(&["--front-from", "172.17.0.0/16,127.0.0.9"]);
    assert!(site.contains("    172.17.0.0/16 1;\n") && site.contains("    127.0.0.9 1;\n"), "{site}");
    assert_eq!(print(&["--front-from", "1;2"]).0, Some(2));
}

/// A settings file that was forgotten makes another folder of it, which the right settings then find in the file.
#[test]
fn a_conversion_fixes_a_file_that_looks_into_another_folder() {
    let world = World::new().both_running();
    let elsewhere = world.word("elsewhere");
    world.run("bg-switch", &["--convert", "link", "--dir", &elsewhere]).success();
    world.switch("set2").exit(7).said("bg-switch --convert link");
    world.run("bg-switch", &["--convert", "link"]).success().said("has the link form now; set1 serves as before");
    assert!(world.nginx.read_upstream().contains(&world.dir().join("live/set2").display().to_string()));
    world.switch("set2").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
    world.run("bg-switch", &["--convert", "link"]).success().said("has the link form already");
}

#[test]
fn a_printed_file_names_groups_only_where_nginx_has_them_or_will() {
    let world = World::new();
    let print = || {
        let printed = world.run("bg-switch", &["--print-upstream"]).success();
        (printed.stdout(), printed.stderr())
    };
    let addresses = |text: &str| text.contains(&format!("http://127.0.0.1:{};", world.port("set1")));
    let (text, warned) = print();
    assert!(addresses(&text) && warned.contains("no upstream groups web_set1 and web_set2"), "{text}{warned}");
    // A site that includes a file which is not there yet: nginx can't print its configuration.
    world.remove(world.nginx.upstream_file());
    assert!(addresses(&print().0));
    world.nginx.add_to_http(
        "groups",
        "upstream web_set1 { server 127.0.0.1:1; }\nupstream web_set2 { server 127.0.0.1:2; }\n",
    );
    let (text, warned) = print();
    assert!(text.contains("http://web_set1;") && warned.is_empty(), "{text}{warned}");
    let other = world.word("other.inc");
    let printed = world.run("bg-switch", &["--print-upstream", "--app", "shop", "--upstream-file", &other]);
    assert!(printed.stdout().contains("http://shop_set1;"), "its site is to come");
}

#[test]
fn a_file_that_names_missing_groups_fails_the_preflight_where_nginx_prints_no_configuration_too() {
    let world = World::new();
    world.nginx.write_upstream("set $service_url http://web_set1;\n");
    let nginx = world.nginx.command_line();
    // By the name of nginx, which is how it is known to be on this machine.
    let script = world.script("bin/nginx", &format!("case \"$*\" in *-T*) exit 1;; esac\nexec {nginx} \"$@\""));
    let text = world.run("bg-switch", &["--check", "--nginx", &script]).exit(1).stdout();
    assert!(text.contains("fail    ") && text.contains("names web_set1, which nginx can't find"), "{text}");
}
