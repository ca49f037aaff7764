//! A site that is closed: every visitor gets a page, and deploys go on.

use bg_tests::{KeepAlive, Run, World, http, process, until};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::share::{numbers, shared_site, site_with, switch};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// A page of the operator's own.
const PAGE: &str = "<!DOCTYPE html><title>Back at six</title>\n";

/// The printed site with a release in set1; a page for its visitors is in `page.html`.
fn site() -> (World, String) {
    let (world, url) = shared_site(World::new().serving());
    world.write(world.path("page.html"), PAGE);
    (world, url)
}

fn close(world: &World) {
    let page = world.path("page.html").display().to_string();
    let run = world.run("bg-switch", &["--close", &page]).success();
    run.said("closed to visitors, seen 5 times at http://").said("open it with: bg-switch --open").printed_nothing();
}

#[test]
fn every_visitor_gets_the_page_whatever_the_method_and_nobody_a_broken_connection() {
    let (world, url) = site();
    let visitors = [("GET", "/version"), ("POST", "/echo")]
        .map(|(method, path)| KeepAlive::start(method, &format!("{url}{path}"), 8));
    until(SOON, "visitors come", || visitors.iter().all(|visitors| visitors.sent() > 200));
    for _ in 0..3 {
        close(&world);
        let sent: u64 = visitors.iter().map(KeepAlive::sent).sum();
        until(SOON, "visitors go on", || visitors.iter().map(KeepAlive::sent).sum::<u64>() > sent + 200);
        world.run("bg-switch", &["--open"]).success().said("open to visitors, seen");
    }
    let failures = visitors.map(KeepAlive::stop).concat();
    assert!(failures.len() > 100 && failures.iter().all(|why| why == "503"), "{failures:?}");

    close(&world);
    for (method, body) in [("GET", ""), ("POST", "a=b"), ("PUT", "a"), ("DELETE", ""), ("PATCH", "a"), ("OPTIONS", "")]
    {
        let answer = http::request(method, &format!("{url}/any/page?x=y"), &[], body.as_bytes()).expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (503, PAGE), "{method}");
        let headers =
            ["retry-after", "cache-control", "content-type"].map(|name| answer.header(name).map(str::to_owned));
        assert_eq!(headers, ["60", "no-store", "text/html"].map(|value| Some(value.to_owned())), "{method}");
    }
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("nginx listens");
    stream.write_all(b"HEAD / HTTP/1.0\r\nHost: a\r\n\r\n").expect("nginx reads");
    let mut head = String::new();
    stream.read_to_string(&mut head).expect("nginx answers");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.ends_with("\r\n\r\n"), "{head}");
    // Larger than what nginx takes: it is not read.
    let large = http::request("POST", &format!("{url}/echo"), &[], &vec![b'a'; 3 << 20]).expect("an answer");
    assert_eq!(large.status, 503);
}

#[test]
fn a_pass_certificates_and_who_asks_for_a_slot_get_through_and_a_number_does_not() {
    let (world, url) = site();
    world.deploy(&["--version-text", "1.1"]).success();
    close(&world);
    let asked = |visitor: &str, path: &str| {
        let answer =
            http::request("GET", &format!("{url}{path}"), &[("X-Bg-Visitor", visitor)], b"").expect("an answer");
        (answer.status, answer.body)
    };
    assert_eq!(asked("7", "/profile").0, 503);
    for (visitor, slot) in [("preview", "set1"), ("set1", "set1"), ("set2", "set2"), ("live", "set2")] {
        assert_eq!(asked(visitor, "/profile"), (200, slot.to_owned()), "{visitor}");
    }
    let get = |path: &str| http::get(&format!("{url}{path}")).expect("an answer");
    assert_eq!(get("/.well-known/acme-challenge/x").body, "<h1>Not Found</h1>\n", "the application's own word");
    assert_eq!(get("/_bg/slot").body.trim(), "set2");
    assert_eq!(asked("7", "/_bg/slot"), (200, "set2\n".to_owned()));
    world.run("bg-switch", &["--open"]).success();
    assert_eq!((get("/_bg/closed.html").status, get("/profile").body.as_str()), (404, "set2"));
}

#[test]
fn whoever_has_a_pass_is_let_in_and_no_other_slot_stands_in_for_it() {
    let (world, url) = site_with(World::new().serving(), "sticky,preview");
    world.deploy(&["--version-text", "1.1"]).success();
    world.write(world.path("page.html"), PAGE);
    let printed = world.run("bg-switch", &["--preview", "on"]).success().stdout();
    let pass = |name: &str| printed.lines().find_map(|line| line.strip_prefix(name)).expect("a pass").to_owned();
    let (cookie, page) = (pass("BG_PREVIEW_COOKIE="), pass("BG_PREVIEW_URL="));
    let get = |cookie: &str| {
        let answer = http::request("GET", &format!("{url}/profile"), &[("Cookie", cookie)], b"").expect("an answer");
        (answer.status, answer.body)
    };
    close(&world);
    assert_eq!(get(&cookie), (200, "set1".to_owned()));
    assert_eq!(http::get(&page).expect("an answer").status, 302);
    for forged in ["bg_web_pass=set1-00000000000000000000000000000000", "bg_web_slot=set1", "bg_visitor=7"] {
        assert_eq!(get(forged), (503, PAGE.to_owned()), "{forged}");
    }
    world.run("bg-switch", &["--open"]).success();
    process::signal(world.pid("set1"), Signal::SIGKILL);
    process::gone(world.pid("set1"));
    assert_eq!((get(&cookie).0, get("").1.as_str()), (502, "set2"));
}

#[test]
fn deploys_shares_watches_and_rollbacks_go_on_under_it_by_either_front() {
    let (world, url) = site();
    close(&world);
    for (front, version) in [("/_bg/slot", "1.1"), ("/profile", "1.2")] {
        let front = format!("{url}{front}");
        let line =
            ["--front", &front, "--ramp", "10=300ms", "--watch", "300ms", "--", "fake-app", "--version-text", version];
        let record = world.run("bg-deploy", &line).success().said("closed to visitors").record();
        assert_eq!((&record["closed"], &record["deploy"]["exit"]), (&true.into(), &0.into()));
        world.run("bg-deploy", &["--front", &front, "--rollback"]).success();
        world.run("bg-deploy", &["--front", &front, "--rollback"]).success();
        world.run("bg-health", &["--front", &front, "--slot", "live", "--once"]).success();
    }
    assert_eq!(http::get(&format!("{url}/version")).expect("an answer").body, PAGE);
    world.run("bg-switch", &["--open"]).success();
    assert_eq!(http::get(&format!("{url}/version")).expect("an answer").body, "1.2");
    switch(&world, &["--to", "set2", "--share", "0"]).success();
    let live = world.run("bg-probe", &["--slot", "live", "--format", "name"]).stdout();
    assert_eq!(numbers(&url, live.trim()).len(), 100);
}

#[test]
fn it_survives_a_restart_and_everybody_says_so() {
    let (world, url) = site();
    close(&world);
    world.nginx.stop();
    until(SOON, "nginx has ended", || world.nginx.master().is_none());
    process::signal(world.pid("set1"), Signal::SIGKILL);
    process::gone(world.pid("set1"));
    world.nginx.start();
    world.run("bg-launch", &["--live"]).success();
    until(SOON, "it listens", || world.listens("set1"));
    assert_eq!(http::get(&url).expect("an answer").body, PAGE);
    world.run("bg-probe", &["--slot", "live"]).success().printed("\"closed\":true").said("; closed to visitors");
    let table = world.run("bg-probe", &["--format", "table"]).success().stdout();
    assert!(table.ends_with("closed to visitors; open it with: bg-switch --open\n"), "{table}");
    let check = world.run("bg-probe", &["--check"]).success().stdout();
    assert!(
        check.contains("warn    the site is closed: visitors get 503 and a page: open it with: bg-switch --open"),
        "{check}"
    );
    world.run("bg-switch", &["--open"]).success();
    world.run("bg-switch", &["--open"]).success().said("open already");
    world.run("bg-probe", &["--slot", "live"]).success().never_printed("closed").never_said("closed");
}

#[test]
fn without_a_page_there_is_a_built_in_one_and_the_next_page_takes_its_place() {
    let (world, url) = site();
    world.run("bg-switch", &["--close"]).success();
    let answer = http::get(&url).expect("an answer");
    assert!(answer.status == 503 && answer.body.contains("Please try again in a few minutes"), "{}", answer.body);
    close(&world);
    assert_eq!(http::get(&url).expect("an answer").body, PAGE);
}

#[test]
fn a_page_that_can_not_be_used_changes_nothing() {
    let (world, url) = site();
    world.write(world.path("empty"), "");
    world.write(world.path("long"), "a".repeat(1024 * 1024 + 1));
    for (page, words) in
        [("nowhere", "No such file"), ("empty", "is empty"), ("long", "is too long"), (".", "directory")]
    {
        let page = world.path(page).display().to_string();
        world.run("bg-switch", &["--close", &page]).exit(1).said(words);
    }
    for words in
        [["--close", "--open"], ["--close", "--convert=link"], ["--open", "--share=1"], ["--open", "--to=set1"]]
    {
        world.run("bg-switch", &words).exit(2);
    }
    assert_eq!(http::get(&format!("{url}/profile")).expect("an answer").body, "set1");
    assert!(!world.dir().join("closed").exists());
}

#[test]
fn a_site_without_the_lines_is_refused_with_what_to_install_and_stays_open() {
    let world = World::new().link_form().serving();
    let front = world.nginx.front_url("/profile");
    for front in [front.as_str(), "-"] {
        let run = world.run("bg-switch", &["--close", "--front", front, "--verify-timeout", "200ms"]).exit(1);
        run.said("It is open as before. Install the site printed anew, or put what it has")
            .said("and reload nginx: bg-switch ")
            .said(" --print-site");
    }
    assert_eq!(world.live().as_deref(), Some("set1"));
    world.run("bg-probe", &["--slot", "live"]).success().never_printed("closed");
    world.run("bg-switch", &["--check"]).printed("the site can't be closed");
}

/// The printed site of another application has the same variables, and a door of its own.
#[test]
fn a_server_block_of_ones_own_beside_another_applications_printed_site_is_neither_closed_nor_drained_without_a_front() {
    let world = World::new().link_form().serving();
    let (listen, dir) = (format!("127.0.0.1:{}", world.free_port()), world.path("other").display().to_string());
    let slots = format!("set1={},set2={}", world.free_port(), world.free_port());
    let other = world.path("other.inc").display().to_string();
    let of_other = ["--app", "other", "--dir", &dir, "--slots", &slots, "--upstream-file", &other];
    let print = |words: &[&str]| world.run("bg-switch", &[&of_other, words].concat()).success().stdout();
    world.write(world.path("other.inc"), print(&["--print-upstream"]));
    world.nginx.add_to_http("other", &print(&["--print-site", "--listen", &listen]));
    world.nginx.reload();
    let drain = ["--drain", "on", "--drain-idle", "50ms"];
    for (words, why) in [
        (&["--close"][..], "the site does not look whether it is closed"),
        (&drain, "the site has no page /_bg/ready for a load balancer"),
    ] {
        let without = [words, &["--front", "-"]].concat();
        world.run("bg-switch", &without).exit(1).said(why).said("put what it has for this into your own server block");
        // Nobody can tell where nginx prints nothing.
        world.run("bg-switch", &[&without, &["--nginx", "true"][..]].concat()).exit(1).said("nobody can tell whether");
    }
    assert_eq!(world.live().as_deref(), Some("set1"));
    assert!(!world.dir().join("closed").exists() && !world.dir().join("drained").exists());
    world.run("bg-switch", &["--check"]).printed(
        "ok      no other slot stands in, the site can't be closed, and no load balancer can ask /_bg/ready; the printed site",
    );
    let all = "the other slot can stand in, the site can be closed, and a load balancer can ask /_bg/ready\n";
    world.run("bg-switch", &[&of_other[..], &["--check"]].concat()).printed(all);
}

#[test]
fn a_site_that_looks_is_closed_without_a_front_and_a_server_that_does_not_is_named() {
    let (world, url) = site();
    let without = |words: &[&str]| world.run("bg-switch", &[words, &["--front", "-"]].concat()).success();
    without(&["--close"])
        .said("closed to visitors, by nginx's configuration, for there is no front at which it could be seen")
        .said(format!("a server in {} does not look whether the site is closed", world.nginx.conf().display()));
    assert_eq!((http::get(&url).expect("an answer").status, world.live().as_deref()), (503, Some("set1")));
    without(&["--open"]).said("open to visitors");
    without(&["--drain", "on", "--drain-idle", "50ms"]).said("to this host any more, by nginx's configuration");
    world.run("bg-switch", &["--check"]).printed("the site can be closed (not by a server in ");
}

#[test]
fn a_site_whose_nginx_is_down_or_can_not_read_the_page_stays_open() {
    let (world, url) = site();
    let run = |words: &[&str]| world.run("bg-switch", &[words, &["--verify-timeout", "300ms"]].concat());
    let folder = world.dir().join("closed");
    std::fs::create_dir(&folder).expect("a folder of ours");
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("a folder of ours");
    run(&["--close"]).exit(1);
    assert_eq!(http::get(&format!("{url}/profile")).expect("an answer").body, "set1");
    world.nginx.stop();
    run(&["--close"]).exit(5).said("connection refused");
    assert!(!world.dir().join("closed/visitors").exists());
    // The reload form's site has a door as well.
    let (world, url) = site();
    world.cmd("bg-switch").args(["--convert", "reload"]).ran().success();
    close(&world);
    assert_eq!(http::get(&url).expect("an answer").body, PAGE);
    world.deploy(&["--version-text", "1.1"]).success();
    world.run("bg-switch", &["--open"]).success();
    assert_eq!(http::get(&format!("{url}/version")).expect("an answer").body, "1.1");
}

#[test]
fn while_nginx_is_down_closing_and_opening_say_how_the_site_is() {
    let (world, _) = site();
    let door = |word: &str, now: &str| {
        let run = world.run("bg-switch", &[word, "--verify-timeout", "100ms"]).exit(5);
        let run = run.said(format!("(connection refused), so nothing was seen. {now}. Start nginx: "));
        assert_eq!(run.advice("Start nginx: "), world.nginx.command_line());
    };
    world.nginx.stop();
    door("--close", "The site is open to visitors, as before");
    assert_eq!(world.names(world.dir().join("closed")), ["page.html"]);
    world.nginx.start();
    close(&world);
    world.nginx.stop();
    door("--close", "The site stays closed");
    door("--open", "The site is open to visitors");
    assert_eq!(world.names(world.dir().join("closed")), ["page.html"]);
}

#[test]
fn a_deploy_that_fails_while_the_site_is_closed_says_that_nobody_is_answered() {
    let (world, _) = site();
    close(&world);
    let held = world.held("set1").expect("a release");
    let serving = format!("  serving   nobody: the site is closed to visitors; behind it release {held} in set1, ");
    let failed = world.run("bg-deploy", &["--", "false"]).exit(8);
    failed.said(format!("{serving}untouched\n")).said(format!("{serving}as before\n"));
    let prepared = world.run("bg-deploy", &["--prepare", "--", "fake-app"]).success();
    prepared.said("is prepared; serving: nobody: the site is closed to visitors").never_said("serves as before");
}
