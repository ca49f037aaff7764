//! The printed site: who is whom, and who may say so.

use std::collections::BTreeMap;

use bg_tests::{World, http};
use sha2::{Digest, Sha256};

use super::{seen_by, shared_site, switch};

fn get(url: &str, headers: &[(&str, &str)]) -> String {
    http::request("GET", &format!("{url}/profile"), headers, b"").expect("an answer").body
}

/// 5000 visitors by their cookies: how many see set2, and who.
fn who_sees_set2(url: &str) -> Vec<bool> {
    let digits = |n: u32| {
        let hash = Sha256::digest(n.to_string());
        hash.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    };
    let cookie = |n: u32| format!("bg_visitor={}", digits(n));
    (0..5000).map(|n| get(url, &[("Cookie", &cookie(n))]) == "set2").collect()
}

#[test]
fn shares_are_as_large_as_they_say_and_nobody_moves_back() {
    let (world, url) = shared_site(World::new().both_running());
    let mut before = vec![false; 5000];
    for share in [1_u32, 5, 10, 25, 50] {
        switch(&world, &["--to", "set2", "--share", &share.to_string()]).success();
        let now = who_sees_set2(&url);
        let count = u32::try_from(now.iter().filter(|sees| **sees).count()).expect("a few");
        let p = f64::from(share) / 100.0;
        let deviation = (5000.0 * p * (1.0 - p)).sqrt();
        assert!((f64::from(count) - 5000.0 * p).abs() <= 3.0 * deviation, "{share} %: {count} of 5000");
        assert!(before.iter().zip(&now).all(|(before, now)| !before || *now), "somebody has moved back at {share} %");
        before = now;
    }
}

#[test]
fn a_visitor_is_the_cookie_and_else_the_address_and_the_browser() {
    let (world, url) = shared_site(World::new().both_running());
    switch(&world, &["--to", "set2", "--share", "50"]).success();
    let seen = |headers: &dyn Fn(u32) -> Vec<(&'static str, String)>| -> BTreeMap<String, u32> {
        let mut seen = BTreeMap::new();
        for n in 0..60 {
            let headers = headers(n);
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            *seen.entry(get(&url, &headers)).or_default() += 1;
        }
        seen
    };
    let one = "0123456789abcdef0123456789abcdef";
    assert_eq!(seen(&|n| vec![("Cookie", format!("bg_visitor={one}")), ("User-Agent", n.to_string())]).len(), 1);
    assert_eq!(seen(&|n| vec![("Cookie", format!("bg_visitor={n:032x}"))]).len(), 2);
    assert_eq!(seen(&|n| vec![("User-Agent", n.to_string())]).len(), 2);
    // What is no cookie of ours is none: nobody chooses a slot by trying values that are kept nowhere.
    assert_eq!(seen(&|n| vec![("Cookie", format!("bg_visitor={n}"))]).len(), 1);
}

#[test]
fn only_a_request_from_this_machine_that_came_by_no_proxy_says_which_visitor_it_is() {
    let (world, url) = shared_site(World::new().both_running());
    switch(&world, &["--to", "set2", "--share", "50"]).success();
    let usual = get(&url, &[]);
    let other = if usual == "set1" { "set2" } else { "set1" };
    assert_eq!(seen_by(&url, other), other);
    for proxy in ["X-Forwarded-For", "Forwarded", "Via"] {
        assert_eq!(get(&url, &[("X-Bg-Visitor", other), (proxy, "203.0.113.7")]), usual, "{proxy}");
    }
    for said in ["set3", "0", "101", "007", "../set1", "only-set1", "", "-1", "1:set1"] {
        assert_eq!(seen_by(&url, said), usual, "{said:?}");
    }
    let headers = http::request("GET", &format!("{url}/headers"), &[("X-Bg-Visitor", "7")], b"").expect("an answer");
    assert!(!headers.body.to_ascii_lowercase().contains("x-bg-visitor"), "{}", headers.body);
}

#[test]
fn a_request_from_elsewhere_is_the_visitor_that_it_is() {
    let (world, url) = shared_site(World::new().both_running());
    switch(&world, &["--to", "set2", "--share", "50"]).success();
    // As nginx sees it behind a balancer, by its realip module.
    world.nginx.add_to_http("realip", "set_real_ip_from 127.0.0.1; real_ip_header X-Balanced-For;\n");
    world.nginx.reload();
    let seen = |visitor: &str| get(&url, &[("X-Balanced-For", "203.0.113.7"), ("X-Bg-Visitor", visitor)]);
    let usual = get(&url, &[("X-Balanced-For", "203.0.113.7")]);
    for said in ["set1", "set2", "live", "preview", "7", "8", "9", "10", "11", "12"] {
        assert_eq!(seen(said), usual, "{said}");
    }
}

#[test]
fn nginx_does_not_warn_of_ten_applications_nor_of_the_longest_name() {
    let ten: Vec<String> = (1..=10).map(|n| format!("shop-{n}")).collect();
    for apps in [ten, vec!["a".repeat(32)]] {
        let world = World::new();
        let site = |app: &String| {
            let words = ["--print-site", "--app", app, "--server-name", app, "--listen", "127.0.0.1:1"];
            world.run("bg-switch", &words).success().stdout()
        };
        world.nginx.add_to_http("sites", &apps.iter().map(site).collect::<String>());
        let line = world.nginx.command_line();
        let mut words = line.split(' ');
        let mut nginx = std::process::Command::new(words.next().expect("a program"));
        let said = nginx.args(words).arg("-t").output().expect("nginx, which was found before");
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("test is successful") && !said.contains("[warn]"), "{said}");
    }
}

#[test]
fn a_socket_and_both_families_are_this_machine() {
    let world = World::new().both_running();
    let (socket, port) = (world.path("s.sock"), world.free_port());
    let (world, _) = shared_site(world);
    let listen = format!("[::1]:{port}");
    let site = world.nginx.read_upstream();
    let include = format!("include {};", world.nginx.upstream_file().display());
    world.nginx.add_to_http(
        "more",
        &format!(
            "server {{ listen {listen}; listen unix:{}; {include} location / {{ proxy_pass $service_url; }} }}\n",
            socket.display()
        ),
    );
    world.nginx.reload();
    assert!(site.contains("$bg_web_bucket"));
    switch(&world, &["--to", "set2", "--share", "50"]).success();
    for slot in ["set1", "set2"] {
        assert_eq!(seen_by(&format!("http://{listen}"), slot), slot);
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).expect("nginx listens");
        let request = format!("GET /profile HTTP/1.0\r\nHost: a\r\nX-Bg-Visitor: {slot}\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("nginx reads");
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).expect("nginx answers");
        assert!(answer.ends_with(slot), "{answer}");
    }
}
