//! bg-switch in the reload form: it moves, it proves, and whatever goes wrong it goes back.

/// Which nginx it is: one beside the distribution's own, or one of another name.
mod elsewhere;

/// The upstream file: only the address in it changes, and a file that is not ours stays as it is.
mod file;

/// What goes wrong, is interrupted or killed is undone, and the old slot goes on serving.
mod undone;

/// Two nginxes at once: an upgrade under way.
mod upgraded;

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use bg_tests::{World, http};
use nix::fcntl::{Flock, FlockArg};

const SOON: Duration = Duration::from_secs(20);

/// A program that nginx is called by; `before` runs first, with `$last` as the last argument.
fn wrapper(world: &World, name: &str, before: &str) -> String {
    let nginx = world.nginx.command_line();
    world.script(
        name,
        &format!(
            "for last; do :; done
{before}
exec {nginx} \"$@\""
        ),
    )
}

/// Another site in the same nginx wants a port that somebody else has.
fn a_busy_port(world: &World) -> TcpListener {
    let port = world.free_port();
    let busy = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    world.nginx.add_to_http("busy", &format!("server {{ listen 127.0.0.1:{port}; }}\n"));
    busy
}

/// Everything as it was: the bytes, the slot at the front, and nothing left beside the file or to settle.
#[track_caller]
fn assert_untouched(world: &World, before: &str) {
    assert_eq!(world.nginx.read_upstream(), before);
    assert_eq!(world.live().as_deref(), Some("set1"));
    assert!(!world.is_half_switched());
    let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
    let names = world.names(folder);
    assert!(!names.iter().any(|name| name.contains("bg-new")), "{names:?}");
}

#[test]
fn switch_moves_and_records_its_evidence() {
    let world = World::new().both_running();
    let moved = world.switch("set2").success();
    assert_eq!(world.live().as_deref(), Some("set2"));
    let record = moved.record();
    let fact = |key: &str| record["switch"][key].as_str().unwrap_or_default().to_owned();
    assert_eq!((fact("from"), fact("to")), ("set1".into(), "set2".into()));
    assert_eq!((fact("form"), fact("evidence")), ("reload".into(), "front".into()));
    moved.said("switch  set1 -> set2 by reload, seen 5 times at http://127.0.0.1:");
}

#[test]
fn no_new_connection_gets_the_old_slot_after_switch_has_exited() {
    let world = World::new().both_running();
    no_stale_answer(&world, 20);
}

#[test]
fn no_new_connection_gets_the_old_slot_where_workers_can_not_be_watched() {
    let world = World::new().both_running();
    let world = {
        let wrapped = wrapper(&world, "docker-exec-nginx", "");
        world.env("BG_NGINX", &wrapped)
    };
    no_stale_answer(&world, 10);
}

/// Each visitor comes by himself, right after the exit: one of nginx's workers alone would not be noticed.
#[track_caller]
fn no_stale_answer(world: &World, switches: usize) {
    for to in ["set2", "set1"].into_iter().cycle().take(switches) {
        world.switch(to).success();
        let url = world.nginx.front_url("/profile");
        let ask = || (0..10).map(|_| http::get(&url).expect("an answer").body).collect::<Vec<_>>();
        let answers = thread::scope(|scope| {
            let visitors: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            visitors.into_iter().flat_map(|visitor| visitor.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert!(answers.iter().all(|answer| answer == to), "{to}: {answers:?}");
    }
}

#[test]
fn switch_exits_5_when_nothing_listens_in_the_slot() {
    let world = World::new().set1_running();
    let before = world.nginx.read_upstream();
    world.switch("set2").exit(5).said("nothing listens on port");
    assert_untouched(&world, &before);
}

#[test]
fn switch_writes_nothing_when_the_slot_serves_already() {
    let world = World::new().both_running();
    let identity = || fs::metadata(world.nginx.upstream_file()).map(|meta| (meta.ino(), meta.mtime_nsec())).ok();
    let (before, workers) = (identity(), world.nginx.workers());
    world.switch("set1").success().said("set1 serves already");
    assert_eq!((identity(), world.nginx.workers()), (before, workers));
}

#[test]
fn switch_takes_new_workers_for_evidence_without_a_front() {
    let world = World::new().both_running().env("BG_FRONT", "-");
    let old = world.nginx.workers();
    world.switch("set2").success().printed("\"evidence\":\"workers\"").said("seen in nginx's workers");
    assert_eq!(world.live().as_deref(), Some("set2"));
    assert!(world.nginx.workers().iter().any(|worker| !old.contains(worker)));

    let before = world.nginx.read_upstream();
    let _busy = a_busy_port(&world);
    let refused = world.run("bg-switch", &["--to", "set1", "--verify-timeout", "1s"]).exit(5);
    refused.said("old workers still took connections");
    assert_eq!(world.nginx.read_upstream(), before);
}

#[test]
fn switch_exits_5_with_neither_front_nor_workers() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let wrapped = wrapper(&world, "ngx", "");
    let refused = world.run("bg-switch", &["--to", "set2", "--front", "-", "--nginx", &wrapped]).exit(5);
    refused.said("nothing could prove the switch");
    assert_untouched(&world, &before);
}

#[test]
fn switch_exits_1_before_anything_is_written_when_nginx_is_missing() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let inode = || fs::metadata(world.nginx.upstream_file()).map(|meta| meta.ino()).ok();
    let file = inode();
    let refused = world.run("bg-switch", &["--to", "set2", "--nginx", "no-such-nginx -c x"]).exit(1);
    assert_eq!(inode(), file);
    refused.said("no-such-nginx: not on this machine's PATH");
    assert_untouched(&world, &before);
}

#[test]
fn switch_refuses_a_record_without_a_verdict_or_of_another_process() {
    let world = World::new().set1_running();
    let before = world.nginx.read_upstream();
    let unjudged = world.run_line("bg-probe | bg-launch -- fake-app").success().stdout();
    world.pipe(unjudged.clone(), "bg-switch", &[]).exit(3).printed_nothing().said("no health verdict for set2");
    let judged = world.pipe(unjudged, "bg-health", &[]).success().stdout();

    world.run_line("bg-launch --slot set2 -- fake-app </dev/null | bg-health").success();
    world.pipe(judged, "bg-switch", &[]).exit(7).printed_nothing().said("set2 has release ");
    assert_untouched(&world, &before);
}

#[test]
fn switch_exits_6_while_another_holds_the_lock() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    world.make_dir(world.dir());
    let file = File::create(world.dir().join("lock")).expect("our folder");
    let held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).expect("flock(2)");
    world.switch("set2").exit(6).printed_nothing().said("another deploy holds");
    assert_untouched(&world, &before);
    drop(held);
    world.switch("set2").success();
}
