//! The upstream file: only the address in it changes, and a file that is not ours stays as it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use bg_tests::{World, programs};

use super::{assert_untouched, both_run, said, switch};

#[test]
fn only_the_address_changes_in_the_file() {
    let world = both_run();
    let port = world.port("set1");
    let text = format!(
        "# set $service_url http://127.0.0.1:1; was before\n\n  set\t$service_url  'http://127.0.0.1:{port}' ; # {{ \"\n\
         set $other 'a; b';\r\n# no line end"
    );
    world.nginx.write_upstream(&text);
    world.nginx.reload();
    switch(&world, "set2").success();
    let address = |slot: &str| format!("http://127.0.0.1:{}", world.port(slot));
    let expected = text.replace(&format!("'{}'", address("set1")), &address("set2"));
    assert_eq!(world.nginx.read_upstream(), expected);
}

#[test]
fn a_file_that_is_not_ours_to_write_is_left_alone() {
    let world = both_run();
    let line = world.nginx.read_upstream();
    for text in ["# nothing here\n", &format!("{line}{line}"), "set $service_url", ""] {
        world.nginx.write_upstream(text);
        let refused = switch(&world, "set2").code(1).stdout("");
        assert!(said(&refused).contains("expected one line like `set $service_url http://127.0.0.1:8081;`"));
        assert_eq!(world.nginx.read_upstream(), text);
    }
}

#[test]
fn a_missing_file_is_made() {
    let world = both_run();
    fs::remove_file(world.nginx.upstream_file()).expect("the upstream file");
    switch(&world, "set2").success();
    assert_eq!(world.nginx.read_upstream(), format!("set $service_url http://127.0.0.1:{};\n", world.port("set2")));
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn mode_owner_and_link_of_the_file_are_kept() {
    let world = both_run();
    let (link, file) = (world.nginx.upstream_file(), world.folder().join("elsewhere.inc"));
    fs::rename(&link, &file).expect("our folder");
    symlink(&file, &link).expect("our folder");
    fs::set_permissions(&file, Permissions::from_mode(0o604)).expect("our folder");
    let root = nix::unistd::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&file, Some(4711), Some(4712)).expect("root may");
    }
    let owner = fs::metadata(&file).map(|meta| (meta.uid(), meta.gid(), meta.mode() & 0o777)).expect("our file");
    switch(&world, "set2").success();
    assert_eq!(fs::read_link(&link).expect("still a link"), file);
    let now = fs::metadata(&file).map(|meta| (meta.uid(), meta.gid(), meta.mode() & 0o777)).expect("our file");
    assert_eq!(now, owner);
    assert_eq!(world.live().as_deref(), Some("set2"));
}

#[test]
fn a_file_that_can_not_be_written_is_the_systems_refusal() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    // Root may write anywhere; but nobody can put a file where a folder is.
    let beside = world.nginx.upstream_file().with_file_name(".service-url.inc.bg-new");
    fs::create_dir(&beside).expect("our folder");
    let refused = switch(&world, "set2").code(1).stdout("");
    assert!(said(&refused).contains(&beside.display().to_string()), "{}", said(&refused));
    fs::remove_dir(&beside).expect("our folder");
    assert_untouched(&world, &before);
}

#[test]
fn a_link_that_leads_nowhere_is_not_replaced_by_a_file() {
    let world = both_run();
    let link = world.nginx.upstream_file();
    fs::remove_file(&link).expect("the upstream file");
    symlink(world.folder().join("nowhere"), &link).expect("our folder");
    let refused = switch(&world, "set2").code(1);
    assert!(said(&refused).contains("is a symbolic link that leads nowhere"), "{}", said(&refused));
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
}

#[test]
fn an_unprivileged_user_is_refused_and_nothing_is_left() {
    let world = both_run();
    let before = world.nginx.read_upstream();
    let program = a_copy_for_all(&world);
    let mut command = world.command(&program);
    for folder in [world.dir(), world.nginx.upstream_file().parent().expect("a folder").to_owned()] {
        fs::create_dir_all(&folder).expect("our folder");
    }
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(world.dir(), Some(65534), Some(65534)).expect("root may");
        nobody(&mut command);
    } else {
        let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
        fs::set_permissions(folder, Permissions::from_mode(0o555)).expect("our folder");
    }
    let refused = assert_cmd::Command::from_std(command).args(["--to", "set2"]).assert().code(1).stdout("");
    assert!(said(&refused).contains("Permission denied"), "{}", said(&refused));
    let folder = world.nginx.upstream_file().parent().expect("a folder").to_owned();
    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("our folder");
    assert_untouched(&world, &before);
}

/// The program where everybody may run it.
fn a_copy_for_all(world: &World) -> PathBuf {
    let copy = world.folder().join("bg-switch");
    fs::copy(programs::ours("bg-switch"), &copy).expect("our folder");
    copy
}

fn nobody(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.uid(65534).gid(65534);
}
