//! A pass to the slot that is not live: who sees it with one, who does not, and when it ends.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use bg_tests::{Ran, World, http, programs, until};

use crate::share::{SOON, shared_site, site_with, switch};

/// A pass as it was printed: its cookie and its URL.
struct Pass {
    cookie: String,
    url: String,
}

impl Pass {
    fn of(run: &Ran) -> Pass {
        let stdout = run.stdout();
        let line = |name: &str| {
            let line = stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("no {name} in {stdout:?}")).to_owned()
        };
        Pass { cookie: line("BG_PREVIEW_COOKIE"), url: line("BG_PREVIEW_URL") }
    }

    /// The name of its file.
    fn word(&self) -> &str {
        self.cookie.strip_prefix("bg_web_pass=").expect("the cookie of the application")
    }
}

fn on(world: &World) -> Pass {
    Pass::of(&world.run("bg-switch", &["--preview", "on"]).success().said("whoever has this sees set"))
}

/// The slot that answers with this cookie.
fn seen(url: &str, cookie: &str) -> String {
    http::request("GET", &format!("{url}/profile"), &[("Cookie", cookie)], b"").expect("an answer").body
}

fn passes(world: &World) -> Vec<String> {
    let folder = world.dir().join("pass");
    if folder.is_dir() { world.names(folder) } else { Vec::new() }
}

#[test]
fn a_deploy_with_a_pass_for_its_hook_and_a_lingering_is_not_refused_for_both() {
    let (world, _) = site_with(World::new(), "sticky,preview");
    world.deploy(&["--version-text", "1.0"]).success();
    let words = ["--preview", "--before-switch", "true", "--linger", "30m", "--", "fake-app", "--version-text", "1.1"];
    world.run("bg-deploy", &words).success();
    assert_eq!(world.get("/version").body, "1.1");
}

#[test]
fn whoever_has_a_pass_sees_the_idle_slot_until_it_is_taken_back() {
    let (world, url) = site_with(World::new().both_running(), "preview");
    let pass = on(&world);
    assert_eq!(passes(&world), [pass.word()]);
    for _ in 0..20 {
        assert_eq!((seen(&url, &pass.cookie).as_str(), seen(&url, "").as_str()), ("set2", "set1"));
    }
    world.run("bg-probe", &["--slot", "live", "--format", "name"]).printed_only("set1\n");
    // By the URL a browser gets the cookie, and is sent to the site.
    assert!(pass.url.starts_with(&format!("{url}/_bg/preview?pass=set2-")), "{}", pass.url);
    let answer = http::get(&pass.url).expect("an answer");
    assert_eq!((answer.status, answer.header("location")), (302, Some("/")));
    let given = answer.header("set-cookie").expect("a cookie");
    assert_eq!(given, format!("{}; Path=/; HttpOnly; SameSite=Lax", pass.cookie));
    // Other cookies beside it, as browsers send them.
    assert_eq!(seen(&url, &format!("a=b; {}; bg_visitor=0123456789abcdef0123456789abcdef", pass.cookie)), "set2");

    let second = on(&world);
    assert_ne!(pass.cookie, second.cookie);
    world.run("bg-switch", &["--preview", "off"]).success().said("the 2 passes lead nowhere now");
    for pass in [pass, second] {
        assert_eq!(seen(&url, &pass.cookie), "set1");
        let answer = http::get(&pass.url).expect("an answer");
        assert_eq!((answer.status, answer.header("set-cookie")), (404, None));
    }
    world.run("bg-switch", &["--preview", "off"]).success().said("there is no pass");
}

#[test]
fn who_forges_a_pass_is_a_visitor_like_any_other() {
    let (world, url) = site_with(World::new().both_running(), "sticky,preview");
    // Whichever is live: what is no pass must not be taken for one slot of the two.
    for (live, idle) in [("set1", "set2"), ("set2", "set1")] {
        switch(&world, &["--to", live]).success();
        let pass = on(&world);
        let token = pass.word().strip_prefix(&format!("{idle}-")).expect("the idle slot's").to_owned();
        world.write(world.dir().join("secret"), "");
        let zeros = "0".repeat(32);
        for word in [
            format!("{idle}-{zeros}"),
            format!("{idle}-{}", token.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
            format!("{idle}-{token}0"),
            format!("{idle}-{}", &token[1..]),
            format!("{live}-{token}"),
            format!("set3-{token}"),
            format!(" {idle}-{token}x"),
            format!("../pass/{idle}-{token}"),
            format!("{idle}-../{idle}-{token}"),
            format!("%2e%2e/pass/{idle}-{token}"),
            "../secret".to_owned(),
            "../live/set1".to_owned(),
            ".".to_owned(),
            "/".to_owned(),
            token.clone(),
            format!("{idle}-"),
            format!("{idle}-$arg_pass"),
            "$bg_web_pass".to_owned(),
        ] {
            assert_eq!(seen(&url, &format!("bg_web_pass={word}")), live, "{word:?}");
            let answer = http::get(&format!("{url}/_bg/preview?pass={}", word.trim())).expect("an answer");
            assert_eq!((answer.status, answer.header("set-cookie")), (404, None), "{word:?}");
        }
        // The first of two cookies of a name counts, and a header is none.
        assert_eq!(seen(&url, &format!("bg_web_pass={idle}-{zeros}; {}", pass.cookie)), live);
        for name in ["X-Bg-Preview", "X-Bg-Pass", "Bg-Web-Pass"] {
            let headers = [(name, pass.word()), ("Cookie", "bg_web_pass=x")];
            let answer = http::request("GET", &format!("{url}/profile"), &headers, b"").expect("an answer");
            assert_eq!(answer.body, live, "{name}");
        }
        assert_eq!(seen(&url, &pass.cookie), idle);
        assert_eq!(world.nginx.error_log().matches("[crit]").count(), 0, "{}", world.nginx.error_log());
    }
}

#[test]
fn nobody_else_can_list_the_passes_and_no_record_has_one() {
    let (world, _) = site_with(World::new().serving(), "preview");
    world.deploy(&["--version-text", "1.1"]).success();
    let pass = on(&world);
    let mode = std::fs::metadata(world.dir().join("pass")).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o711);
    let secret = pass.word().split_once('-').expect("a token").1.to_owned();
    let records = [
        world.run("bg-probe", &[]).success().stdout(),
        world.run("bg-probe", &["--format", "table"]).success().stdout(),
        std::fs::read_to_string(world.history_file()).expect("a history"),
        world.run("bg-switch", &["--check"]).success().stdout(),
    ];
    assert!(records.iter().all(|text| !text.contains(&secret)), "{records:?}");
}

#[test]
fn a_pass_ends_when_its_slot_is_live() {
    let (world, url) = site_with(World::new().both_running(), "preview");
    let pass = on(&world);
    switch(&world, &["--to", "set2", "--share", "10"]).success();
    assert_eq!(seen(&url, &pass.cookie), "set2", "who tries the new release goes on");
    world.run("bg-switch", &["--preview", "on"]).exit(7).said("both slots serve");
    switch(&world, &["--to", "set2"]).success();
    assert!(passes(&world).is_empty());
    switch(&world, &["--to", "set1"]).success();
    assert_eq!(seen(&url, &pass.cookie), "set1", "a rollback does not bring it back");
}

#[test]
fn a_launch_and_a_stop_take_the_passes_of_their_slot_back_and_say_so() {
    let (world, url) = site_with(World::new().serving(), "preview");
    world.deploy(&["--version-text", "1.1"]).success();
    let pass = on(&world);
    assert_eq!(seen(&url, &pass.cookie), "set1");
    world
        .run_line(format!("bg-probe | bg-launch -- {}", world.fake_app(&[]).join(" ")))
        .success()
        .said("the pass to set1 was taken back");
    assert_eq!(seen(&url, &pass.cookie), "set2");
    until(SOON, "set1 listens", || world.listens("set1"));
    let [one, _] = [on(&world), on(&world)];
    world.run("bg-launch", &["--slot", "set1", "--stop"]).success().said("the 2 passes to set1 were taken back");
    assert_eq!(seen(&url, &one.cookie), "set2");
    world.run("bg-switch", &["--preview", "on"]).exit(1).said("nothing listens on port").said("No pass was made");
    assert!(passes(&world).is_empty());
}

#[test]
fn a_site_without_passes_makes_none_and_says_what_to_install() {
    let world = World::new().both_running();
    let refused = |world: &World| {
        let run = world.run("bg-switch", &["--preview", "on"]).exit(1);
        run.said("nstall the site of bg-switch --print-site --with preview").printed_nothing();
        assert!(passes(world).is_empty());
    };
    refused(&world);
    let (world, _) = shared_site(world);
    refused(&world);
}

#[test]
fn a_pass_works_by_https_and_its_cookie_stays_there() {
    let world = World::new().both_running();
    let (certificate, key) = world.self_signed("web.example");
    let tls = format!("ssl_certificate {};\nssl_certificate_key {};\n", certificate.display(), key.display());
    world.nginx.add_to_http("tls", &tls);
    let address = format!("127.0.0.1:{}", world.free_port());
    let listen = format!("{address} ssl");
    let site = world.run("bg-switch", &["--print-site", "--with", "preview", "--listen", &listen]).success().stdout();
    world.nginx.add_to_http("site", &site);
    world.nginx.reload();
    let world = world.env("BG_FRONT", &format!("https://{address}/_bg/slot"));
    world.run("bg-switch", &["--convert", "link"]).success();
    let pass = on(&world);
    assert!(pass.url.starts_with(&format!("https://{address}/_bg/preview?pass=set2-")), "{}", pass.url);
    let ask = |request: &str| {
        let mut client = Command::new(programs::of_the_system("openssl"));
        client.args(["s_client", "-quiet", "-connect", &address]);
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut client = client.spawn().expect("openssl");
        client.stdin.as_mut().expect("a pipe").write_all(request.as_bytes()).expect("it reads");
        String::from_utf8_lossy(&client.wait_with_output().expect("it ends").stdout).into_owned()
    };
    let page = pass.url.strip_prefix(&format!("https://{address}")).expect("the site's");
    let given = ask(&format!("GET {page} HTTP/1.0\r\nHost: web.example\r\n\r\n"));
    assert!(
        given.contains(&format!("Set-Cookie: {}; Path=/; HttpOnly; SameSite=Lax; Secure\r\n", pass.cookie)),
        "{given}"
    );
    assert!(given.contains("Location: /\r\n"), "{given}");
    let profile = |cookie: &str| ask(&format!("GET /profile HTTP/1.0\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
    assert!(profile(&pass.cookie).ends_with("set2") && profile("a=b").ends_with("set1"));
    world.run("bg-switch", &["--preview", "off"]).success();
    assert!(profile(&pass.cookie).ends_with("set1"));
}

#[test]
fn the_hook_before_the_switch_has_a_pass_and_nobody_else_hears_of_it() {
    let world = World::new().serving();
    let (told, go) = (world.path("told"), world.path("go"));
    let lines = format!(
        "env | grep ^BG_PREVIEW >\"{0}.new\"; mv \"{0}.new\" \"{0}\"; while [ ! -e \"{1}\" ]; do sleep 0.02; done",
        told.display(),
        go.display()
    );
    let hook = world.script("hook", &lines);
    let words = ["--preview", "--before-switch", &hook, "--on-success", "sh -c '! env | grep BG_PREVIEW'"];
    let words = |app: Vec<String>| words.iter().map(|word| (*word).to_owned()).chain(["--".to_owned()]).chain(app);
    let words: Vec<String> = words(world.fake_app(&["--version-text", "1.1"])).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();

    let run = world.run("bg-deploy", &words).exit(1);
    run.said("has nginx look for one slot").said("print-site --with preview").said("Nothing was touched");
    assert!(!told.exists() && !world.is_launched("set2"));

    let (world, _) = shared_site(world);
    world.run("bg-deploy", &words).exit(1).said("the site was printed without --with preview. Nothing was touched");
    assert!(!told.exists() && !world.is_launched("set2"));
    world.nginx.add_to_http("site", "");

    let (world, url) = site_with(world, "preview");
    let deploy = world.start("bg-deploy", &words);
    until(SOON, "the hook has begun", || told.exists());
    let told = std::fs::read_to_string(&told).expect("what it was told");
    let line = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).expect("a line").to_owned();
    let cookie = line("BG_PREVIEW_COOKIE=");
    assert_eq!((seen(&url, &cookie).as_str(), seen(&url, "").as_str()), ("set2", "set1"));
    assert_eq!(http::get(&line("BG_PREVIEW_URL=")).expect("an answer").status, 302);
    world.write(go, "");
    let deploy = deploy.end().success().never_said("that changes nothing of the deploy");
    assert!(passes(&world).is_empty());
    let secret = cookie.rsplit_once('-').expect("a token").1;
    let history = std::fs::read_to_string(world.history_file()).expect("a history");
    assert!(![deploy.stdout(), deploy.stderr(), history].iter().any(|text| text.contains(secret)));
}

#[test]
fn whoever_has_a_pass_gets_into_a_closed_site() {
    let (world, url) = site_with(World::new().both_running(), "preview");
    let pass = on(&world);
    world.run("bg-switch", &["--close"]).success();
    let status = |cookie: &str| {
        http::request("GET", &format!("{url}/profile"), &[("Cookie", cookie)], b"").expect("an answer").status
    };
    assert_eq!((seen(&url, &pass.cookie).as_str(), status("")), ("set2", 503));
    assert_eq!(http::get(&pass.url).expect("an answer").status, 302);
    let forged = format!("bg_web_pass=set2-{}", "0".repeat(32));
    assert_eq!(status(&forged), 503);
    world.run("bg-switch", &["--preview", "off"]).success();
    assert_eq!(status(&pass.cookie), 503);
}

#[test]
fn no_pass_is_made_while_nginx_is_down_and_the_site_is_not_blamed() {
    let (world, _) = site_with(World::new().both_running(), "preview");
    world.nginx.stop();
    let run = world.run("bg-switch", &["--preview", "on"]).exit(5).never_said("--print-site");
    let run = run.said("so nothing was seen. The pass to set2 was taken back. Start nginx: ");
    assert_eq!(run.advice("Start nginx: "), world.nginx.command_line());
    assert_eq!(passes(&world), [""; 0]);
}

#[test]
fn the_pass_of_a_hook_ends_with_the_hook_and_no_other_pass_does() {
    let (world, url) = site_with(World::new().serving(), "preview");
    world.run("bg-deploy", &["--prepare", "--", "fake-app", "--version-text", "1.1"]).success();
    let by_hand = on(&world);
    let told = world.word("told");
    for (end, code) in [("exit 1", 4), ("sleep 60", 4), ("exit 0", 9)] {
        let hook =
            world.script(format!("hook-{code}-{}", end.len()), &format!("echo $BG_PREVIEW_COOKIE >{told}\n{end}"));
        let words = ["--finish", "--preview", "--before-switch", &hook, "--hook-timeout", "300ms", "--ramp", "10=60s"];
        let finish = world.start("bg-deploy", &words);
        if code == 9 {
            until(SOON, "a share is out", || finish.stderr().contains("set2 has 10 %"));
        }
        let finished = if code == 9 { None } else { Some(finish.end().exit(code)) };
        assert_eq!(passes(&world), [by_hand.word()], "{finished:?}");
        assert_ne!(world.read("told").trim(), by_hand.cookie);
    }
    assert_eq!(seen(&url, &by_hand.cookie), "set2");
}

#[test]
fn what_to_install_for_a_pass_a_share_or_a_lingering_is_printed_by_the_command_of_the_message() {
    let world = World::new().link_form().env("BG_SWITCH_WITH", "watch").both_running();
    let (world, file) = world.by_file();
    let site = format!("nstall the site of bg-switch --env-file {file} --print-site");
    for (words, with) in [
        (&["--preview", "on"][..], " --with preview,watch"),
        (&["--to", "set2", "--linger", "1m"], " --with sticky,watch"),
        (&["--to", "set2", "--share", "10"], ""),
    ] {
        let run = world.run("bg-switch", &[&["--env-file", &file], words].concat()).exit(1);
        let run = run.said(format!("{site}{with}, and change over with: bg-switch --env-file {file} --convert link"));
        let command = run.advice("nstall the site of ");
        let command = command.split_once(", and change").expect("the rest").0.to_owned();
        world.run_line(command).success().printed("location = /_bg/ready");
    }
}
