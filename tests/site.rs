//! The nginx configuration that bg-switch prints for a new application.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bg_tests::{Ran, Run, World, http};

/// A server that has nothing but what bg-switch prints with these flags; its URL.
fn install(world: &World, flags: &[&str]) -> String {
    let listen = format!("127.0.0.1:{}", world.free_port());
    let site = print(world, &[&["--print-site", "--listen", &listen], flags].concat());
    world.nginx.write_upstream(&print(world, &[&["--print-upstream"], flags].concat()));
    world.nginx.add_to_http("site", &site);
    world.nginx.reload();
    format!("http://{listen}")
}

fn print(world: &World, flags: &[&str]) -> String {
    world.run("bg-switch", flags).success().stdout()
}

fn switch(world: &World, url: &str, to: &str) -> Ran {
    let front = format!("{url}/_bg/slot");
    world.run("bg-switch", &["--to", to, "--front", &front, "--verify-timeout", "2s"])
}

#[test]
fn the_printed_site_serves_in_both_forms() {
    for form in ["link", "reload"] {
        let world = World::new().both_running();
        let url = install(&world, &["--form", form]);
        for slot in ["set2", "set1"] {
            switch(&world, &url, slot).success();
            assert_eq!(http::get(&format!("{url}/profile")).expect("an answer").body, slot, "{form}");
            assert_eq!(http::get(&format!("{url}/_bg/slot")).expect("an answer").body.trim(), slot, "{form}");
        }
    }
}

#[test]
fn every_valid_application_name_makes_a_valid_site() {
    let world = World::new().both_running();
    for app in ["a-b", "2048", "x_y-z-0"] {
        let dir = world.path(app).display().to_string();
        let url = install(&world, &["--app", app, "--dir", &dir]);
        assert_eq!(http::get(&format!("{url}/_bg/slot")).expect("an answer").body.trim(), "set1", "{app}");
        let front = format!("{url}/_bg/slot");
        for slot in ["set2", "set1"] {
            let mut switch = world.cmd("bg-switch");
            switch.args(["--app", app, "--to", slot, "--front", &front, "--dir", &dir]).ran().success();
        }
    }
}

#[test]
fn listen_and_server_name_go_in_as_they_are() {
    let world = World::new().both_running();
    let port = world.free_port();
    let listen = format!("127.0.0.1:{port} default_server");
    let site = print(&world, &["--print-site", "--listen", &listen, "--server-name", "a.example *.b-c.example"]);
    assert!(site.contains(&format!("    listen {listen};\n    server_name a.example *.b-c.example;\n")), "{site}");
    world.nginx.add_to_http("site", &site);
    world.nginx.reload();
    assert_eq!(http::get(&format!("http://127.0.0.1:{port}/profile")).expect("an answer").body, "set1");
}

/// As Debian has it in `sites-enabled`, and nginx's own packages in `conf.d`, without the word.
#[test]
fn print_site_warns_where_visitors_would_meet_the_distributions_site() {
    let world = World::new();
    let port = world.free_port();
    let printed = |flags: &[&str]| {
        let mut command = world.cmd("bg-switch");
        command.env("BG_SWITCH_LISTEN", port.to_string()).arg("--print-site").args(flags).ran().success()
    };
    printed(&[]).said_nothing();
    world.nginx.add_to_http("default", &format!("server {{ listen {port} default_server; server_name _; }}\n"));
    let file = world.nginx.conf().with_file_name("http.d/default.conf").display().to_string();
    let warning = format!("there is no --server-name, and the server in {file} answers visitors on {port}, ");
    printed(&[]).said(format!("{warning}for it says default_server. Print the site with --server-name www.example.com, or remove it with sudo rm {file}"));
    printed(&["--server-name", "www.example.com"]).said_nothing();

    world.nginx.add_to_http("default", &format!("server {{ listen {port}; server_name localhost; }}\n"));
    printed(&[]).said(format!("{warning}where it comes first. Print the site with --server-name www.example.com, or with --listen '{port} default_server'"));
    printed(&["--listen", &format!("{port} default_server")]).said_nothing();
}

#[test]
fn two_applications_live_in_one_nginx() {
    let world = World::new().both_running();
    let site =
        |app: &str, port: u16| print(&world, &["--print-site", "--app", app, "--listen", &format!("127.0.0.1:{port}")]);
    let ports = [world.free_port(), world.free_port()];
    world.nginx.add_to_http("sites", &(site("web", ports[0]) + &site("shop", ports[1])));
    world.nginx.reload();
    for port in ports {
        assert_eq!(http::get(&format!("http://127.0.0.1:{port}/profile")).expect("an answer").body, "set1");
    }
}

#[test]
fn two_applications_whose_names_differ_by_a_hyphen_are_told_apart_by_nobody_and_that_is_said() {
    let world = World::new().both_running();
    let words = |app: &'static str| ["--print-site", "--app", app, "--listen", "127.0.0.1:1"];
    let printed = world.run("bg-switch", &words("web-api")).success().never_said("another application");
    world
        .nginx
        .add_to_http("site", &printed.stdout().replace("127.0.0.1:1;", &format!("127.0.0.1:{};", world.free_port())));
    world.nginx.reload();
    let why = "another application whose name differs from web_api by - and _ alone";
    world.run("bg-switch", &words("web_api")).success().said(why).said("give one of them another --app");
    world.run("bg-switch", &words("web-api")).success().never_said("another application");
    world.run("bg-switch", &words("web")).success().never_said("another application");
    world
        .run("bg-switch", &["--check", "--app", "web_api"])
        .exit(1)
        .printed(format!("fail    nginx has the site of {why}"));
    world.run("bg-switch", &["--check", "--app", "web-api"]).never_printed("another application");
}

#[test]
fn print_site_exits_2_when_a_value_can_not_stand_in_the_configuration() {
    let world = World::new();
    for bad in [
        ["--listen", "80; return 200"],
        ["--listen", "80\n"],
        ["--listen", ""],
        ["--server-name", "a; } server { listen 81"],
        ["--server-name", "$host"],
        ["--upstream-file", "/tmp/a b; return 200 x"],
        ["--upstream-file", "/tmp/a{b"],
    ] {
        let said = world.cmd("bg-switch").arg("--print-site").args(bad).ran().exit(2).printed_nothing().stderr();
        assert!(said.contains("can't stand in nginx's configuration"), "{bad:?}: {said}");
    }
    for bad in ["/tmp/a b", "/tmp/a;b", "/tmp/${x}", "/tmp/a)b", "/tmp/a\"b"] {
        let said = world.run("bg-switch", &["--print-upstream", "--dir", bad]).exit(2).printed_nothing().stderr();
        assert!(said.contains("can't stand in nginx's configuration"), "{bad:?}: {said}");
    }
}

#[test]
fn the_application_learns_who_asked_and_for_what() {
    let world = World::new().both_running();
    let url = install(&world, &[]);
    let headers = [("Host", "shop.example:8443"), ("X-Forwarded-For", "203.0.113.7")];
    let seen = http::request("GET", &format!("{url}/headers"), &headers, b"").expect("an answer").body;
    let seen: Vec<&str> = seen.lines().collect();
    assert_eq!(seen[0], "GET /headers HTTP/1.1");
    for line in [
        "Host: shop.example:8443",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-For: 203.0.113.7, 127.0.0.1",
        "X-Forwarded-Proto: http",
    ] {
        assert!(seen.contains(&line), "{line}: {seen:?}");
    }
}

/// As health checks of old load balancers ask; without a Host in HTTP/1.1 most applications answer 400.
#[test]
fn the_application_learns_the_sites_name_where_a_visitor_names_no_host() {
    let world = World::new().both_running();
    let url = install(&world, &["--server-name", "www.example.com"]);
    let mut visitor = connect(&url);
    visitor.write_all(b"GET /headers HTTP/1.0\r\n\r\n").expect("nginx");
    let mut seen = String::new();
    visitor.read_to_string(&mut seen).expect("an answer");
    assert!(seen.contains("\nHost: www.example.com\r\n"), "{seen}");
}

#[test]
fn an_upload_passes_with_the_line_that_is_there_for_it() {
    let world = World::new().both_running();
    let url = install(&world, &[]);
    let upload = || http::request("POST", &format!("{url}/version"), &[], &vec![b'x'; 1_048_577]);
    assert_eq!(upload().expect("an answer").status, 413);
    take_in(&world, "client_max_body_size 50m;");
    assert_eq!(upload().expect("an answer").status, 200);
}

#[test]
fn an_event_passes_with_the_line_that_is_there_for_it_or_with_the_applications_own_word() {
    let world = World::new().both_running();
    let url = install(&world, &[]);
    assert_eq!(first_event(&url, "/events"), None);
    assert_eq!(first_event(&url, "/events?unbuffered").as_deref(), Some("data: set1"));
    take_in(&world, "proxy_buffering off;");
    assert_eq!(first_event(&url, "/events").as_deref(), Some("data: set1"));
}

#[test]
fn a_long_silence_passes_with_the_line_that_is_there_for_it() {
    let world = World::new().both_running();
    world.nginx.add_to_http("impatient", "proxy_read_timeout 300ms;\n");
    let url = install(&world, &[]);
    let slow = || http::get(&format!("{url}/slow?ms=1000")).expect("an answer").status;
    assert_eq!(slow(), 504);
    take_in(&world, "proxy_read_timeout 10m;");
    assert_eq!(slow(), 200);
}

/// Takes a line of the printed site in that stands there as a comment.
fn take_in(world: &World, line: &str) {
    let file = world.nginx.conf().with_file_name("http.d").join("site.conf");
    let site = world.read(&file);
    assert!(site.contains(&format!("        #{line}\n")), "{site}");
    world.write(&file, site.replace(&format!("#{line}"), line));
    world.nginx.reload();
}

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.trim_start_matches("http://")).expect("nginx");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream
}

/// The first event of a stream that has no end; `None` where nothing has come while the application had long sent it.
fn first_event(url: &str, path: &str) -> Option<String> {
    let mut visitor = connect(url);
    visitor.set_read_timeout(Some(Duration::from_secs(1))).expect("a socket");
    visitor.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("nginx");
    let (mut answer, mut piece) = (String::new(), [0; 1024]);
    loop {
        match visitor.read(&mut piece) {
            Ok(0) => panic!("the stream has ended: {answer}"),
            Ok(count) => answer += &String::from_utf8_lossy(&piece[..count]),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        if let Some(event) = answer.lines().find(|line| line.starts_with("data: ")) {
            return Some(event.to_owned());
        }
    }
}

#[test]
fn a_websocket_stays_open_over_a_switch() {
    let world = World::new().both_running();
    let url = install(&world, &[]);
    let mut socket = connect(&url);
    let upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(upgrade.as_bytes()).expect("nginx");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    for to in ["set2", "set1", "set2"] {
        switch(&world, &url, to).success();
        let frame = format!("to {to}");
        socket.write_all(frame.as_bytes()).expect("the connection is open");
        let mut echo = vec![0; frame.len()];
        socket.read_exact(&mut echo).expect("the connection is open");
        assert_eq!(String::from_utf8_lossy(&echo), frame);
    }
}

#[test]
fn an_open_file_cache_elsewhere_does_not_hold_up_the_printed_site() {
    let world = World::new().both_running();
    world.nginx.add_to_http("cache", "open_file_cache max=100;\nopen_file_cache_errors on;\n");
    let url = install(&world, &[]);
    for to in ["set2", "set1"] {
        (0..20).for_each(|_| drop(http::get(&format!("{url}/profile"))));
        switch(&world, &url, to).success();
    }
}

#[test]
fn a_ban_on_symlinks_elsewhere_does_not_hold_up_the_printed_site() {
    let world = World::new().both_running();
    world.nginx.add_to_http("ban", "disable_symlinks on;\n");
    let url = install(&world, &[]);
    for to in ["set2", "set1"] {
        switch(&world, &url, to).success();
    }
}

#[test]
fn a_connection_that_nginx_keeps_holds_up_no_drain() {
    let world = World::new().both_running();
    let url = install(&world, &[]);
    assert_eq!(http::get(&format!("{url}/profile")).expect("an answer").body, "set1");
    switch(&world, &url, "set2").success();
    let front = format!("{url}/_bg/slot");
    let began = Instant::now();
    world.run("bg-launch", &["--slot", "set1", "--stop", "--adopt", "--front", &front]).success();
    assert!(began.elapsed() < Duration::from_millis(800), "it waited {:?}", began.elapsed());
}

/// Whoever closes a connection first can't use its port again for a while: an application listens on one, and nginx takes a new
/// one for each request.
#[test]
fn the_application_is_told_to_close_where_the_upstream_file_has_an_address_of_which_nginx_keeps_no_connection() {
    let world = World::new().both_running();
    let url = install(&world, &[]);
    let told = |form: &str| {
        world.run("bg-switch", &["--convert", form, "--front", &format!("{url}/_bg/slot")]).success();
        let told = |slot: &str| {
            switch(&world, &url, slot).success();
            let seen = http::get(&format!("{url}/headers")).expect("an answer").body.to_lowercase();
            seen.lines().find_map(|line| line.strip_prefix("connection: ").map(str::to_owned)).unwrap_or_default()
        };
        ["set2", "set1"].map(told)
    };
    assert_eq!(told("reload"), ["close", "close"]);
    // That would end every connection that nginx keeps.
    assert_eq!(told("link"), ["", ""]);
}

#[test]
fn the_slots_page_answers_this_machine_alone() {
    let world = World::new().both_running();
    // So that a request can come from elsewhere without leaving this machine.
    world.nginx.add_to_http("from", "set_real_ip_from 127.0.0.0/8;\nreal_ip_header X-Test-From;\n");
    let url = install(&world, &[]);
    let from = |address: &str| {
        http::request("GET", &format!("{url}/_bg/slot"), &[("X-Test-From", address)], b"").expect("an answer")
    };
    for near in ["127.0.0.1", "127.8.9.1", "::1"] {
        assert_eq!((from(near).status, from(near).body.as_str()), (200, "set1\n"), "{near}");
    }
    for far in ["192.0.2.1", "10.0.0.1", "2001:db8::1"] {
        assert_eq!(from(far).status, 404, "{far}");
        assert!(!from(far).body.contains("set1"), "{far}");
    }
}

/// As `certbot --nginx` writes it: the site moves to 443, and a server of certbot's own at 80 sends visitors there.
#[test]
fn a_site_that_certbot_has_changed_is_deployed_by_the_https_front() {
    let world = World::new();
    let (plain, secure) = (world.free_port(), world.free_port());
    let listen = format!("127.0.0.1:{plain}");
    let flags = ["--print-site", "--listen", &listen, "--server-name", "www.example.com"];
    let (certificate, key) = world.self_signed("www.example.com");
    let managed = format!(
        "
    listen 127.0.0.1:{secure} ssl; # managed by Certbot
    ssl_certificate {}; # managed by Certbot
    ssl_certificate_key {}; # managed by Certbot

}}
server {{
    if ($host = www.example.com) {{
        return 301 https://$host$request_uri;
    }} # managed by Certbot


    listen {listen};
    server_name www.example.com;
    return 404; # managed by Certbot


}}
",
        certificate.display(),
        key.display()
    );
    let site = print(&world, &flags).replace(&format!("    listen {listen};\n"), "");
    let (site, _) = site.trim_end().rsplit_once('}').expect("a block");
    world.nginx.add_to_http("site", &format!("{site}{managed}"));
    world.nginx.write_upstream(&print(&world, &["--print-upstream"]));
    world.nginx.reload();

    let host = |world: World, front: String| world.env("BG_FRONT", &front).env("BG_FRONT_HOST", "www.example.com");
    let world = host(world, format!("http://{listen}/_bg/slot"));
    world.run("bg-deploy", &["--check"]).printed("301 to https://www.example.com/_bg/slot");
    let world = host(world, format!("https://127.0.0.1:{secure}/_bg/slot"));
    for version in ["1.0", "1.1"] {
        world.deploy(&["--version-text", version]).success();
    }
    world.rollback().success();
    assert_eq!(world.get_slot("set1", "/version").expect("it runs").body, "1.0");
    world.run("bg-probe", &["--slot", "live", "--format", "name"]).printed_only("set1\n");
    let seen = world.run("bg-deploy", &["--check"]).success().stdout();
    assert!(seen.contains("/_bg/slot answers set1") && !seen.contains("answers visitors"), "{seen}");
}
