//! Assets of the release before: a page that was loaded before a switch goes on working after it.

use bg_tests::{World, http, process, until};
use nix::sys::signal::Signal;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::share::{seen_by, site_with, switch};

const EXTRAS: &str = "assets=/assets/,/static/";

/// A site with assets, 1.0 with old.js live in set1, and 1.1 with new.js in set2; and its URL.
fn both() -> (World, String) {
    let world = World::new();
    world.start_fake("set1", &["--version-text", "1.0", "--asset", "old"]);
    world.start_fake("set2", &["--version-text", "1.1", "--asset", "new"]);
    site_with(world, EXTRAS)
}

fn asked(method: &str, url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = http::request(method, url, headers, b"").expect("an answer");
    (answer.status, answer.body)
}

/// What a HEAD is answered, as it comes.
fn head(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("nginx listens");
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("nginx reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("nginx answers");
    answer
}

fn version(url: &str, visitor: &str) -> (u16, String) {
    let (status, body) = asked("GET", url, &[("X-Bg-Visitor", visitor)]);
    (status, body.split(' ').next().unwrap_or_default().to_owned())
}

#[test]
fn an_asset_of_either_release_is_served_whichever_slot_is_live() {
    let (world, url) = both();
    for slot in ["set1", "set2", "set1"] {
        switch(&world, &["--to", slot]).success();
        for (file, from) in [("old", "1.0"), ("new", "1.1")] {
            let (status, body) = asked("GET", &format!("{url}/assets/{file}.js?v=7&x=%20"), &[]);
            assert!(status == 200 && body.starts_with(from), "{file}: {status} {body}");
            // It is asked as the visitor did, with all that a location of the application has.
            assert!(body.contains(&format!("GET /assets/{file}.js?v=7&x=%20 HTTP/1.1")), "{body}");
            let head = body.to_ascii_lowercase();
            for header in ["x-forwarded-for: 127.0.0.1", "x-real-ip: 127.0.0.1", "x-forwarded-proto: http", "host: 127"]
            {
                assert!(head.contains(header), "no {header}: {body}");
            }
            assert!(!head.contains("x-bg-visitor"), "{body}");
        }
        for file in ["/assets/old.js", "/assets/new.js"] {
            let head = head(&url, file);
            assert!(head.starts_with("HTTP/1.1 200 "), "{slot} {file}: {head}");
        }
    }
}

#[test]
fn what_neither_has_is_404_and_so_it_is_where_the_other_slot_is_stopped_or_ill() {
    let world = World::new();
    world.start_fake("set1", &["--version-text", "1.0", "--asset", "old"]);
    let (world, url) = site_with(world, EXTRAS);
    let missing = |path: &str| asked("GET", &format!("{url}{path}"), &[]).0;
    for flags in [&[][..], &["--status-500"], &["--login-redirect"], &["--hang"]] {
        let other = world.start_fake("set2", flags);
        let began = Instant::now();
        assert_eq!((missing("/assets/none.js"), missing("/static/none.js")), (404, 404), "{flags:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{flags:?}");
        process::signal(other, Signal::SIGKILL);
        until(Duration::from_secs(20), "set2 has ended", || !world.listens("set2"));
        assert_eq!((missing("/assets/none.js"), missing("/static/none.js")), (404, 404), "{flags:?} has ended");
    }
    assert_eq!(missing("/none.js"), 404);
    assert_eq!(version(&format!("{url}/assets/old.js"), "live"), (200, "1.0".to_owned()));
}

#[test]
fn only_a_question_is_asked_again() {
    let (_world, url) = both();
    for method in ["POST", "PUT", "DELETE"] {
        let (status, body) = asked(method, &format!("{url}/assets/new.js"), &[]);
        assert_eq!((status, body.trim()), (404, "<h1>Not Found</h1>"), "{method}");
    }
}

#[test]
fn with_a_share_each_visitor_asks_the_other_slot_than_the_one_of_the_page() {
    let (world, url) = both();
    switch(&world, &["--to", "set2", "--share", "50"]).success();
    for visitor in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "set1", "set2", "preview"] {
        for (file, from) in [("old", "1.0"), ("new", "1.1")] {
            let answer = version(&format!("{url}/assets/{file}.js"), visitor);
            assert_eq!(answer, (200, from.to_owned()), "{visitor}, who sees {}", seen_by(&url, visitor));
        }
        assert_eq!(version(&format!("{url}/assets/none.js"), visitor).0, 404);
    }
}

#[test]
fn a_site_with_all_extras_has_assets_as_well() {
    let world = World::new();
    world.start_fake("set1", &["--version-text", "1.0", "--asset", "old"]);
    world.start_fake("set2", &["--version-text", "1.1", "--asset", "new"]);
    let (_world, url) = site_with(world, "sticky,preview,watch,assets=/assets/");
    assert_eq!(version(&format!("{url}/assets/new.js"), "live"), (200, "1.1".to_owned()));
    let answer = http::get(&format!("{url}/assets/new.js")).expect("an answer");
    assert!(answer.headers.iter().any(|(name, _)| name == "set-cookie"), "{:?}", answer.headers);
}

#[test]
fn a_path_that_is_none_of_assets_is_refused() {
    let world = World::new();
    for bad in ["assets=", "assets=/", "assets=/a/,/a/", "assets=/_bg/", "assets=a", "/a/", "assets=/a;/"] {
        world.run("bg-switch", &["--print-site", "--with", bad]).exit(2);
    }
}
