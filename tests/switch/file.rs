//! The upstream file: only the address in it changes, and a file that is not ours stays as it is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use bg_tests::{Run, World};

use super::assert_untouched;

#[test]
fn only_the_address_changes_in_the_file() {
    let world = World::new().both_running();
    let port = world.port("set1");
    let text = format!(
        "# set $service_url http://127.0.0.1:1; was before\n\n  set\t$service_url  'http://127.0.0.1:{port}' ; # {{ \"\n\
         set $other 'a; b';\r\n# no line end"
    );
    world.nginx.write_upstream(&text);
    world.nginx.reload();
    world.switch("set2").success();
    let address = |slot: &str| format!("http://127.0.0.1:{}", world.port(slot));
    let expected = text.replace(&format!("'{}'", address("set1")), &address("set2"));
    assert_eq!(world.nginx.read_upstream(), expected);
}

#[test]
fn a_file_that_is_not_ours_to_write_is_left_alone() {
    let world = World::new().both_running();
    let line = world.nginx.read_upstream();
    for text in ["# nothing here\n", &format!("{line}{line}"), "set $service_url", ""] {
        world.nginx.write_upstream(text);
        let refused = world.switch("set2").exit(1).printed_nothing();
        refused.said("expected one line like `set $service_url http://127.0.0.1:8081;`");
        assert_eq!(world.nginx.read_upstream(), text);
    }
}

#[test]
fn a_missing_file_is_made() {
    let world = World::new().both_running();
    world.remove(world.nginx.upstream_file());
    world.switch("set2").success();
    assert_eq!(world.nginx.read_upstream(), world.upstream_line("set2"));
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn mode_owner_and_link_of_the_file_are_kept() {
    let world = World::new().both_running();
    let (link, file) = (world.nginx.upstream_file(), world.path("elsewhere.inc"));
    fs::rename(&link, &file).expect("our folder");
    world.link(&file, &link);
    world.chmod(&file, 0o604);
    let root = nix::unistd::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&file, Some(4711), Some(4712)).expect("root may");
    }
    let owner = fs::metadata(&file).map(|meta| (meta.uid(), meta.gid(), meta.mode() & 0o777)).expect("our file");
    world.switch("set2").success();
    assert_eq!(fs::read_link(&link).expect("still a link"), file);
    let now = fs::metadata(&file).map(|meta| (meta.uid(), meta.gid(), meta.mode() & 0o777)).expect("our file");
    assert_eq!(now, owner);
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_file_that_can_not_be_written_is_the_systems_refusal() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    // Root may write anywhere; but nobody can put a file where a folder is.
    let beside = world.nginx.upstream_file().with_file_name(".service-url.inc.bg-new");
    world.make_dir(&beside);
    world.switch("set2").exit(1).printed_nothing().said(beside.display().to_string());
    fs::remove_dir(&beside).expect("our folder");
    assert_untouched(&world, &before);
}

#[test]
fn a_link_that_leads_nowhere_is_not_replaced_by_a_file() {
    let world = World::new().both_running();
    let link = world.nginx.upstream_file();
    world.remove(&link);
    world.link(world.path("nowhere"), &link);
    world.switch("set2").exit(1).said("is a symbolic link that leads nowhere");
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
}

#[test]
fn an_unprivileged_user_is_refused_and_nothing_is_left() {
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let mut command = world.command(&world.copy_of("bg-switch"));
    world.make_dir(world.dir());
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(world.dir(), Some(65534), Some(65534)).expect("root may");
        nobody(&mut command);
    } else {
        let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
        world.chmod(folder, 0o555);
    }
    command.args(["--to", "set2"]).ran().exit(1).printed_nothing().said("Permission denied");
    let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
    world.chmod(folder, 0o755);
    assert_untouched(&world, &before);
}

#[test]
fn a_user_who_may_not_replace_the_file_is_refused_and_told_how() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root: it switches as another user");
    let world = World::new().both_running();
    let before = world.nginx.read_upstream();
    let program = world.copy_of("bg-switch");
    world.make_dir(world.dir());
    let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
    std::os::unix::fs::chown(world.dir(), Some(65534), Some(65534)).expect("root may");
    for (mode, why) in [(0o755, "may not be written (Permission denied)"), (0o777, "it belongs to another user")] {
        world.chmod(&folder, mode);
        let mut command = world.command(&program);
        nobody(&mut command);
        let refused = command.args(["--to", "set2"]).ran().exit(1).printed_nothing();
        refused
            .said("service-url.inc can't be replaced")
            .said(why)
            .said("; or, once: sudo -E bg-switch --convert link");
    }
    assert_untouched(&world, &before);
}

fn nobody(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.uid(65534).gid(65534);
}
