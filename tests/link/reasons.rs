//! A link that is moved and not followed goes back, and it is said why.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::lchown;
use std::thread;
use std::time::{Duration, Instant};

use bg_tests::{World, http, until};

use super::{NOBODY, SOON, convert, linked, switch};

#[test]
fn switch_goes_back_when_the_slot_does_not_answer_as_itself() {
    let world = World::new().link_form().set1_running();
    world.start_fake("set2", &["--other-profile", "real"]);
    let refused = switch(&world, "set2").exit(5).printed_nothing();
    refused
        .said("within 1.0s: the front answered 200 \"real\"")
        .said("The link is as it was; set1 is serving, seen at the front");
    assert_eq!((world.live().as_deref(), linked(&world)), (Some("set1"), None));
}

#[test]
fn switch_names_workers_that_may_not_enter_the_folder() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: else nginx's workers own the folder");
    let world = World::new().link_form().both_running();
    world.make_dir(world.dir());
    world.chmod(world.dir(), 0o700);
    let (dir, open) = (world.dir().display().to_string(), format!("chmod a+x {}", world.dir().display()));
    let reason = format!("may not enter {dir} (mode 700): let them in: {open}");
    switch(&world, "set2").exit(5).said(format!("nginx's workers (uid {NOBODY}) {reason}"));

    let refused = world.run("bg-switch", &["--to", "set2", "--nginx", "/nowhere", "--verify-timeout", "1s"]).exit(5);
    refused.said(format!("nginx's workers {reason}"));
    assert_eq!(linked(&world), None);

    let deploy = world
        .deploy(&[])
        .exit(7)
        .said(format!("may not enter {dir} (mode 700). Let them in: {open}; or choose a --dir elsewhere"));
    world.run_line(deploy.advice("Let them in: ")).success();
    switch(&world, "set2").success();
}

#[test]
fn switch_exits_5_when_one_worker_still_serves_the_old_slot() {
    let world = World::new().link_form().both_running();
    // Each worker remembers files for itself: some have moved, others not.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let front = format!("http://{}/", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        for (visitor, slot) in listener.incoming().zip(["set1", "set2"].into_iter().cycle()) {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{slot}");
            let Ok(mut visitor) = visitor else { return };
            // Only the question itself matters, and that there is one.
            let _ = visitor.read(&mut [0; 1024]);
            let _ = visitor.write_all(answer.as_bytes());
        }
    });
    let refused = world.run("bg-switch", &["--to", "set2", "--front", &front]).exit(5);
    refused.said("some of nginx's workers still answered set1");
    assert_eq!(linked(&world), None);
}

#[test]
fn switch_names_an_open_file_cache() {
    let world = World::new().link_form().both_running();
    world.nginx.add_to_http("cache", "open_file_cache max=100;\nopen_file_cache_errors on;\n");
    world.nginx.add_to_location("worker", "add_header X-Worker $pid;\n");
    world.nginx.reload();
    let workers = world.nginx.workers();
    let mut asked = BTreeSet::new();
    until(SOON, "each worker has looked", || {
        let ask = || http::get(&world.nginx.front_url("/profile")).expect("an answer");
        let answers = thread::scope(|scope| {
            let visitors: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            visitors.into_iter().map(|visitor| visitor.join().expect("no panic")).collect::<Vec<_>>()
        });
        asked.extend(answers.iter().filter_map(|answer| answer.header("x-worker")?.parse::<u32>().ok()));
        asked.is_superset(&workers)
    });
    switch(&world, "set2").exit(5).said("open_file_cache is on");
    assert_eq!(world.live().as_deref(), Some("set1"));
}

/// At either level, and in a file of its own.
#[test]
fn switch_names_a_ban_on_symlinks() {
    let world = World::new().link_form().both_running();
    let likely = |words: &str| {
        let file = world.nginx.upstream_file();
        format!(
            "likely    nginx does not follow the link, and serves the first slot: {words} is set: \
             put `disable_symlinks off;` beside `include {};`, and reload nginx",
            file.display()
        )
    };
    world.nginx.add_to_http("ban", "disable_symlinks on;\n");
    world.nginx.reload();
    switch(&world, "set2").exit(5).said(likely("disable_symlinks on"));

    world.nginx.add_to_http("ban", "");
    let conf = world.read(world.nginx.conf());
    let ours = format!("        include {};\n", world.nginx.upstream_file().display());
    world.write(world.nginx.conf(), conf.replace(&ours, &format!("        disable_symlinks on from=/tmp;\n{ours}")));
    world.nginx.reload();
    switch(&world, "set2").exit(5).said(likely("disable_symlinks on from=/tmp"));
    assert_eq!((world.live().as_deref(), linked(&world)), (Some("set1"), None));

    // The remedy, as it stands there.
    world.write(world.nginx.conf(), conf.replace(&ours, &format!("        disable_symlinks off;\n{ours}")));
    world.nginx.add_to_http("ban", "disable_symlinks on;\n");
    world.nginx.reload();
    switch(&world, "set2").success();
}

#[test]
fn switch_names_a_ban_on_links_of_another_owner() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it gives the link to another user");
    let world = World::new().link_form().both_running();
    world.nginx.add_to_http("ban", "disable_symlinks if_not_owner;\n");
    world.nginx.reload();
    switch(&world, "set2").success();
    assert!(!world.run("bg-switch", &["--check"]).stdout().contains("disable_symlinks"));

    // As `chown -R` leaves a folder: what a link leads to changes hands, and the link does not.
    lchown(world.dir().join("live"), Some(NOBODY), Some(NOBODY)).expect("root may");
    let seen = world.run("bg-switch", &["--check"]).exit(1).stdout();
    assert!(seen.contains("disable_symlinks if_not_owner is set: put"), "{seen}");
    assert_eq!(world.live().as_deref(), Some("set1"), "as nginx does: the first slot");
}

#[test]
fn switch_names_a_file_that_nginx_has_not_read() {
    let world = World::new().both_running();
    let printed = world.run("bg-switch", &["--print-upstream"]).success();
    let started = Instant::now();
    until(SOON, "nginx is older than the file", || started.elapsed() > Duration::from_millis(300));
    world.nginx.write_upstream(&printed.stdout());
    let refused = switch(&world, "set2").exit(5);
    refused.said("was changed after nginx last read its configuration").said("set1 is serving, seen at the front");
    assert_eq!((world.live().as_deref(), linked(&world)), (Some("set1"), None));
}

#[test]
fn switch_gives_no_reason_that_does_not_hold() {
    let world = World::new().set1_running();
    world.start_fake("set2", &["--other-profile", "real"]);
    convert(&world, "link").success();
    switch(&world, "set2").exit(5).never_said("likely");
}

#[test]
fn a_file_that_looks_at_another_folder_is_refused() {
    let world = World::new().link_form().both_running();
    let before = world.nginx.read_upstream();
    let elsewhere = world.word("elsewhere");
    let refused = world.run("bg-switch", &["--to", "set2", "--dir", &elsewhere]).exit(7).printed_nothing();
    refused.said(format!("looks at {}", world.dir().join("live").display()));
    assert!(!world.path("elsewhere/live").exists());
    assert_eq!((world.nginx.read_upstream(), world.live().as_deref()), (before, Some("set1")));
}
